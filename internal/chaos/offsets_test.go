package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/kafkabus"
)

// offsets reads and sets what consumer groups have committed of the events topic, and
// watches that it never goes back.
type offsets struct {
	client *kafka.Client

	mu      sync.Mutex // held while offsets are set on purpose
	highest map[int]int64
	went    []string // where the group went back
	samples int
}

func newOffsets(brokers []string) *offsets {
	return &offsets{
		client:  &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: &kafka.Transport{DialTimeout: 2 * time.Second}},
		highest: map[int]int64{},
	}
}

// committed gives the next offset of each partition, 0 for none.
func (o *offsets) committed(ctx context.Context, group string) (map[int]int64, error) {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	r, err := o.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{kafkabus.TopicEvents: all}})
	if err == nil {
		err = r.Error
	}
	if err != nil {
		return nil, fmt.Errorf("reading the offsets of %s: %w", group, err)
	}
	out := map[int]int64{}
	for _, p := range r.Topics[kafkabus.TopicEvents] {
		if p.Error != nil {
			return nil, fmt.Errorf("reading the offset of %s in partition %d: %w", group, p.Partition, p.Error)
		}
		out[p.Partition] = max(p.CommittedOffset, 0)
	}
	if len(out) != partitions {
		return nil, fmt.Errorf("the broker told the offsets of %d partitions of %d", len(out), partitions)
	}
	return out, nil
}

// ends gives the end of each partition.
func (o *offsets) ends(ctx context.Context) (map[int]int64, error) {
	var ask []kafka.OffsetRequest
	for i := range partitions {
		ask = append(ask, kafka.LastOffsetOf(i))
	}
	r, err := o.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{kafkabus.TopicEvents: ask}})
	if err != nil {
		return nil, fmt.Errorf("reading the ends of the topic: %w", err)
	}
	out := map[int]int64{}
	for _, p := range r.Topics[kafkabus.TopicEvents] {
		if p.Error != nil {
			return nil, fmt.Errorf("reading the end of partition %d: %w", p.Partition, p.Error)
		}
		out[p.Partition] = p.LastOffset
	}
	return out, nil
}

// lag is how many records the group has not committed.
func (o *offsets) lag(ctx context.Context, group string) (int64, error) {
	ends, err := o.ends(ctx)
	if err != nil {
		return 0, err
	}
	at, err := o.committed(ctx, group)
	if err != nil {
		return 0, err
	}
	lag := int64(0)
	for p, end := range ends {
		lag += end - at[p]
	}
	return lag, nil
}

// set commits for a group without members.
func (o *offsets) set(ctx context.Context, group string, to map[int]int64) error {
	var list []kafka.OffsetCommit
	for p, offset := range to {
		list = append(list, kafka.OffsetCommit{Partition: p, Offset: offset})
	}
	r, err := o.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{kafkabus.TopicEvents: list},
	})
	if err != nil {
		return fmt.Errorf("setting the offsets of %s: %w", group, err)
	}
	for _, p := range r.Topics[kafkabus.TopicEvents] {
		if p.Error != nil {
			return fmt.Errorf("setting the offset of %s in partition %d: %w", group, p.Partition, p.Error)
		}
	}
	return nil
}

// rewind sets the memberless group back by random amounts; it gives by how many records.
// The caller holds mu.
func (o *offsets) rewind(ctx context.Context, rng *rand.Rand, group string, most int64) (int64, error) {
	at, err := o.committed(ctx, group)
	if err != nil {
		return 0, err
	}
	again := int64(0)
	for p, offset := range at {
		back := rng.Int64N(min(offset, most) + 1)
		at[p] = offset - back
		again += back
	}
	if err := o.set(ctx, group, at); err != nil {
		return 0, err
	}
	o.highest = at
	return again, nil
}

// watch samples the group until ctx ends.
func (o *offsets) watch(ctx context.Context, group string) {
	for ctx.Err() == nil {
		o.sample(ctx, group)
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (o *offsets) sample(ctx context.Context, group string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	at, err := o.committed(ctx, group)
	if err != nil {
		return // the broker is being restarted
	}
	o.samples++
	for p, offset := range at {
		if offset < o.highest[p] {
			o.went = append(o.went, fmt.Sprintf("partition %d went back from %d to %d", p, o.highest[p], offset))
		}
		o.highest[p] = offset
	}
}

// wentBack is the error of a group that went back by itself.
func (o *offsets) wentBack() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, w := range o.went {
		errs = append(errs, errors.New(w))
	}
	return errors.Join(errs...)
}
