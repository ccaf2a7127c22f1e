package kafkabus

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// ReadAll reads a topic from its first record to where it ends when the reading
// of each partition begins, partition by partition, and hands every record to
// fn. It takes part in no group. It stops at fn's first error and returns it.
func ReadAll(ctx context.Context, cfg Config, topic string, fn func(Record) error) error {
	dialer, err := cfg.dialer()
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", topic, err)
	}
	partitions, err := lookupPartitions(ctx, dialer, cfg.Brokers, topic)
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", topic, err)
	}
	for _, p := range partitions {
		tp := TopicPartition{Topic: topic, Partition: p.ID}
		if err := readPartition(ctx, cfg, dialer, tp, fn); err != nil {
			return fmt.Errorf("reading topic %s, partition %d: %w", topic, p.ID, err)
		}
	}
	return nil
}

func lookupPartitions(ctx context.Context, dialer *kafka.Dialer, brokers []string, topic string) ([]kafka.Partition, error) {
	var partitions []kafka.Partition
	var err error
	for _, broker := range brokers {
		if partitions, err = dialer.LookupPartitions(ctx, "tcp", broker, topic); err == nil {
			return partitions, nil
		}
	}
	return nil, err
}

func readPartition(ctx context.Context, cfg Config, dialer *kafka.Dialer, tp TopicPartition, fn func(Record) error) error {
	conn, err := dialLeader(ctx, dialer, cfg.Brokers, tp)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return fmt.Errorf("setting deadline: %w", err)
	}
	next, last, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("reading first and last offset: %w", err)
	}
	fetching := ConsumerConfig{FetchBytesMin: 1}.withDefaults()
	if _, err := conn.Seek(next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		return fmt.Errorf("seeking: %w", err)
	}
	for empty := 0; next < last && empty < emptyFetchesMax; {
		got, err := readBatch(conn, fetching, tp, 0)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, record := range got.batch.Records {
			if record.Offset >= last {
				return nil
			}
			if err := fn(record); err != nil {
				return err
			}
		}
		if empty++; got.next > next {
			next, empty = got.next, 0
		}
	}
	return nil
}

// emptyFetchesMax is how many fetches without progress mean that the offsets up
// to the end hold no records any more (compaction).
const emptyFetchesMax = 3
