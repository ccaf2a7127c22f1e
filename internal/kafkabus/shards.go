package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Shards divides work among processes: each partition of a topic is a shard, and the
// consumer group gives each shard to one member. Nothing is read from the topic.
type Shards struct {
	consumer *Consumer
}

// Share is a member's part of the shards in one generation of the group.
type Share interface {
	// Owns tells whether the key's shard is this member's.
	Owns(key string) bool
	// Empty tells that no shard is.
	Empty() bool
	// Confirm asks the broker whether the generation still stands: nil means that at
	// that moment no other member had any of these shards. ErrGenerationEnded means
	// that others may have them by now.
	Confirm() error
}

// NewShards prepares a member; Run connects it. Of the configuration, Group, Topics
// (one), the timeouts and Config count.
func NewShards(cfg ConsumerConfig, log *zap.Logger, reg prometheus.Registerer) *Shards {
	return &Shards{consumer: NewConsumer(cfg, log, reg)}
}

// Run takes part in the group until ctx ends. In each generation it calls work, whose
// context ends with the generation or with ctx, and waits until work has returned: in
// good order, shards go to others only then. When work returns before, the member
// waits for the next generation; an error of work ends Run.
func (s *Shards) Run(ctx context.Context, work func(ctx context.Context, share Share) error) error {
	return s.consumer.takePart(ctx, func(gen *kafka.Generation) error { return s.serve(ctx, gen, work) })
}

// serve runs work for one generation.
func (s *Shards) serve(ctx context.Context, gen *kafka.Generation, work func(ctx context.Context, share Share) error) error {
	live, end := context.WithCancelCause(ctx)
	defer end(nil)
	finished := make(chan struct{})
	defer close(finished)
	// kafka-go joins the next generation only after this function returned. It also
	// must not return earlier than the generation ends: that would end it.
	gen.Start(func(generationCtx context.Context) {
		<-generationCtx.Done()
		end(ErrGenerationEnded)
		<-finished
	})
	c := s.consumer
	c.metrics.generations.WithLabelValues(c.cfg.Group).Inc()
	share, err := s.share(live, gen)
	if err != nil {
		if live.Err() == nil {
			c.log.Warn("reading the shards failed; joining again", zap.Error(err))
		}
		return nil
	}
	c.log.Info("joined the group", zap.Int32("generation", gen.ID), zap.Int("shards", len(share.mine)), zap.Int("of", share.total))
	if err := work(live, share); err != nil {
		return err
	}
	<-live.Done()
	return nil
}

func (s *Shards) share(ctx context.Context, gen *kafka.Generation) (*share, error) {
	cfg := s.consumer.cfg
	topic := cfg.Topics[0]
	transport, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: adminRequestTimeout, Transport: transport}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("reading partitions of %s: %w", topic, err)
	}
	out := &share{consumer: s.consumer, gen: gen, topic: topic, mine: make(map[int]bool)}
	for _, t := range metadata.Topics {
		if t.Error != nil {
			return nil, fmt.Errorf("reading partitions of %s: %w", topic, t.Error)
		}
		out.total = len(t.Partitions)
	}
	if out.total == 0 {
		return nil, fmt.Errorf("topic %s has no partitions", topic)
	}
	for _, a := range gen.Assignments[topic] {
		out.mine[a.ID] = true
	}
	return out, nil
}

// share implements Share.
type share struct {
	consumer *Consumer
	gen      *kafka.Generation
	topic    string
	total    int
	mine     map[int]bool
}

// Owns tells whether the key's shard is this member's.
func (s *share) Owns(key string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // it never fails
	return s.mine[int(h.Sum32()%uint32(s.total))]
}

// Empty tells that no shard is.
func (s *share) Empty() bool { return len(s.mine) == 0 }

// Confirm commits offset 0 of the shards, which means nothing but that the broker
// refuses it from any generation but the current one.
func (s *share) Confirm() error {
	offsets := make(map[int]int64, len(s.mine))
	for id := range s.mine {
		offsets[id] = 0
	}
	err := s.gen.CommitOffsets(map[string]map[int]int64{s.topic: offsets})
	switch {
	case err == nil:
		return nil
	case isFenced(err), errors.Is(err, kafka.ErrGenerationEnded):
		return fmt.Errorf("confirming the shards: %w: %w", ErrGenerationEnded, err)
	}
	return fmt.Errorf("confirming the shards: %w", err)
}
