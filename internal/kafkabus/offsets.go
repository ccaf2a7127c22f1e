package kafkabus

import (
	"context"
	"fmt"
	"time"
)

// EndOffsets gives, for every partition of a topic, the offset that its next record
// will have. Without deletion or transactions their sum is how many records were
// ever written.
func EndOffsets(ctx context.Context, cfg Config, topic string) (map[int]int64, error) {
	dialer, err := cfg.dialer()
	if err != nil {
		return nil, fmt.Errorf("reading the end of topic %s: %w", topic, err)
	}
	partitions, err := lookupPartitions(ctx, dialer, cfg.Brokers, topic)
	if err != nil {
		return nil, fmt.Errorf("reading the end of topic %s: %w", topic, err)
	}
	ends := make(map[int]int64, len(partitions))
	for _, p := range partitions {
		conn, err := dialLeader(ctx, dialer, cfg.Brokers, TopicPartition{Topic: topic, Partition: p.ID})
		if err != nil {
			return nil, fmt.Errorf("reading the end of topic %s, partition %d: %w", topic, p.ID, err)
		}
		err = conn.SetDeadline(time.Now().Add(requestTimeout))
		if err == nil {
			ends[p.ID], err = conn.ReadLastOffset()
		}
		_ = conn.Close()
		if err != nil {
			return nil, fmt.Errorf("reading the end of topic %s, partition %d: %w", topic, p.ID, err)
		}
	}
	return ends, nil
}
