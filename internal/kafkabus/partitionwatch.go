package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// partitionWatchInterval is how often the leader of a group looks whether its topics have
// the partitions that it gave out. What it sees is at most layoutAge old, which is less.
const partitionWatchInterval = 5 * time.Second

// countingBalancer assigns partitions as kafka.RangeGroupBalancer does, and remembers how
// many each topic had: only the leader of the group is asked to assign, so only it knows.
// kafka-go's own watch compares with what it finds after the assignment instead, and
// never sees partitions that appeared in between.
type countingBalancer struct {
	kafka.RangeGroupBalancer

	mu     sync.Mutex
	counts map[string]int // by topic that any member wants, of the last assignment; nil: none since take
}

// AssignGroups gives the partitions to the members.
func (b *countingBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	counts := make(map[string]int)
	for _, m := range members {
		for _, topic := range m.Topics {
			counts[topic] = 0 // it may not exist
		}
	}
	for _, p := range partitions {
		counts[p.Topic]++
	}
	b.mu.Lock()
	b.counts = counts
	b.mu.Unlock()
	return b.RangeGroupBalancer.AssignGroups(members, partitions)
}

// take gives the number of partitions of each topic in the last assignment, and forgets them. It
// is not ok when this member has assigned nothing since: another one leads.
func (b *countingBalancer) take() (counts map[string]int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts, b.counts = b.counts, nil
	return counts, counts != nil
}

// watchPartitions returns, which ends the leader's generation and so has the group assign
// anew, when the topics have other numbers of partitions than counts; or when ctx ends.
func (c *Consumer) watchPartitions(ctx context.Context, counts map[string]int) {
	transport, err := c.cfg.transport()
	if err != nil { // takePart has already made connections of this configuration
		c.log.Error("not watching the partitions", zap.Error(err))
		<-ctx.Done()
		return
	}
	topics := slices.Collect(maps.Keys(counts))
	transport.MetadataTTL, transport.MetadataTopics = layoutAge, topics
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.cfg.Brokers...), Timeout: adminRequestTimeout, Transport: transport}
	ticker := time.NewTicker(partitionWatchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		found, err := countPartitions(ctx, client, topics)
		if err != nil {
			c.log.Debug("looking at the partitions failed; trying again", zap.Error(err))
			continue
		}
		if !maps.Equal(found, counts) {
			c.log.Info("the topics have other partitions: assigning anew", zap.Any("assigned", counts), zap.Any("found", found))
			return
		}
	}
}

// countPartitions gives the number of partitions of each topic: 0 when there is none.
func countPartitions(ctx context.Context, client *kafka.Client, topics []string) (map[string]int, error) {
	response, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int, len(topics))
	for _, t := range response.Topics {
		if t.Error != nil && !errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("looking up topic %s: %w", t.Name, t.Error)
		}
		counts[t.Name] = len(t.Partitions)
	}
	return counts, nil
}
