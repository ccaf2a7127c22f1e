package e2e

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/kafkabus"
)

// groupLag is how many records of the events topic the group has not committed.
func groupLag(ctx context.Context, broker, group string) (int64, error) {
	client := &kafka.Client{Addr: kafka.TCP(broker)}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{kafkabus.TopicEvents}})
	if err != nil {
		return 0, err
	}
	var ids []int
	var ask []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		ids = append(ids, p.ID)
		ask = append(ask, kafka.LastOffsetOf(p.ID))
	}
	ends, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{kafkabus.TopicEvents: ask}})
	if err != nil {
		return 0, err
	}
	committed, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{kafkabus.TopicEvents: ids}})
	if err != nil {
		return 0, err
	}
	at := map[int]int64{}
	for _, p := range committed.Topics[kafkabus.TopicEvents] {
		at[p.Partition] = p.CommittedOffset
	}
	var lag int64
	for _, p := range ends.Topics[kafkabus.TopicEvents] {
		if p.Error != nil {
			return 0, fmt.Errorf("partition %d: %w", p.Partition, p.Error)
		}
		lag += p.LastOffset - max(at[p.Partition], 0)
	}
	return lag, nil
}
