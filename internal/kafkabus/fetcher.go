package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// requestTimeout bounds requests on a fetcher's connection, beyond FetchWait.
const requestTimeout = 10 * time.Second

// fetcher reads one partition for one generation on a connection of its own.
type fetcher struct {
	g      *generation
	tp     TopicPartition
	dialer *kafka.Dialer
	next   int64 // offset to fetch next; negative: the start of the log
	rows   int   // records of the last fetch, a guess at the next one
}

// run fetches until ctx ends, connecting again after every error.
func (f *fetcher) run(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for failures := 0; ; {
		fetched, err := f.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if fetched {
			pause.Reset()
			failures = 0
		}
		failures++
		c := f.g.consumer
		c.metrics.errors.WithLabelValues(c.cfg.Group, "fetch").Inc()
		if failures&(failures-1) == 0 {
			c.log.Warn("fetching failed; connecting again", zap.String("topic", f.tp.Topic), zap.Int("partition", f.tp.Partition),
				zap.Int64("offset", f.next), zap.Int("failures", failures), zap.Error(err))
		}
		sleep(ctx, pause.NextBackOff())
	}
}

// session connects to the partition's leader and fetches until something
// fails. fetched tells that at least one fetch was answered.
func (f *fetcher) session(ctx context.Context) (fetched bool, err error) {
	conn, err := dialLeader(ctx, f.dialer, f.g.consumer.cfg.Brokers, f.tp)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := f.position(conn); err != nil {
		return false, err
	}
	for {
		if err := f.fetch(ctx, conn); err != nil {
			return fetched, err
		}
		fetched = true
	}
}

// position finds where to go on. The log may have lost what the group has not
// read (retention), or may end before it (recreated topic, truncated log): then
// everything there is gets read, which is safe because storing is idempotent.
func (f *fetcher) position(conn *kafka.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return fmt.Errorf("setting deadline: %w", err)
	}
	first, last, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("reading first and last offset: %w", err)
	}
	switch {
	case f.next < 0:
		f.next = first
	case f.next < first:
		f.reportGap(f.next, first)
		f.next = first
	case f.next > last:
		f.g.consumer.log.Warn("log ends before the committed offset; reading it from its start",
			zap.String("topic", f.tp.Topic), zap.Int("partition", f.tp.Partition), zap.Int64("committed", f.next), zap.Int64("end", last))
		f.g.consumer.metrics.gaps.WithLabelValues(f.g.consumer.cfg.Group, f.tp.Topic).Inc()
		f.next = first
		f.g.resetFloor(f.tp, first)
	}
	f.g.observeHighWatermark(f.tp, last)
	if _, err := conn.Seek(f.next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		return fmt.Errorf("seeking: %w", err)
	}
	return nil
}

// reportGap records that the offsets [from, to) are gone unread.
func (f *fetcher) reportGap(from, to int64) {
	c := f.g.consumer
	if c.cfg.HolesExpected {
		return
	}
	c.metrics.gaps.WithLabelValues(c.cfg.Group, f.tp.Topic).Inc()
	c.metrics.gapRecords.WithLabelValues(c.cfg.Group, f.tp.Topic).Add(float64(to - from))
	c.log.Error("records were deleted from the log before they were read: retention is too short for the lag",
		zap.String("topic", f.tp.Topic), zap.Int("partition", f.tp.Partition), zap.Int64("from", from), zap.Int64("to", to))
}

// fetch does one fetch and hands its records over.
func (f *fetcher) fetch(ctx context.Context, conn *kafka.Conn) error {
	c := f.g.consumer
	got, err := readBatch(conn, c.cfg, f.tp, f.rows)
	if err != nil {
		return err
	}
	f.rows = len(got.batch.Records)
	f.g.observeHighWatermark(f.tp, got.high)
	if len(got.batch.Records) == 0 {
		f.next = got.next
		return nil
	}
	expected := f.next
	for i := range got.batch.Records {
		if offset := got.batch.Records[i].Offset; offset > expected {
			f.reportGap(expected, offset)
		}
		expected = got.batch.Records[i].Offset + 1
	}
	if err := f.hand(ctx, got.batch); err != nil {
		return err
	}
	f.next = got.next
	return nil
}

// hand waits for budget and for the handler.
func (f *fetcher) hand(ctx context.Context, batch Batch) error {
	c := f.g.consumer
	weight, budget := min(batch.Bytes, c.cfg.InFlightBytesMax), f.g.budget
	if err := budget.Acquire(ctx, weight); err != nil {
		return fmt.Errorf("waiting for in-flight budget: %w", err)
	}
	inFlight := c.metrics.inFlight.WithLabelValues(c.cfg.Group)
	inFlight.Add(float64(weight))
	batch.release = func() {
		budget.Release(weight)
		inFlight.Sub(float64(weight))
	}
	select {
	case <-ctx.Done():
		batch.Release()
		return ctx.Err()
	case f.g.batches <- batch:
	}
	c.metrics.records.WithLabelValues(c.cfg.Group, batch.Topic).Add(float64(len(batch.Records)))
	c.metrics.bytes.WithLabelValues(c.cfg.Group, batch.Topic).Add(float64(batch.Bytes))
	return nil
}

// fetched is the answer to one fetch.
type fetched struct {
	batch Batch
	next  int64 // where to go on, past compacted records
	high  int64 // high watermark
}

// readBatch fetches once at the connection's position, making room for a guessed
// number of rows. No records is not an error.
func readBatch(conn *kafka.Conn, cfg ConsumerConfig, tp TopicPartition, rows int) (fetched, error) {
	if err := conn.SetDeadline(time.Now().Add(cfg.FetchWait + requestTimeout)); err != nil {
		return fetched{}, fmt.Errorf("setting deadline: %w", err)
	}
	in := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: cfg.FetchBytesMin, MaxBytes: cfg.FetchBytesMax, MaxWait: cfg.FetchWait})
	out := fetched{batch: Batch{Topic: tp.Topic, Partition: tp.Partition}, high: in.HighWaterMark()}
	for {
		m, err := in.ReadMessage()
		if errors.Is(err, io.EOF) || errors.Is(err, kafka.RequestTimedOut) {
			break // the end of the batch, or nothing new
		}
		if err != nil {
			_ = in.Close()
			return fetched{}, fmt.Errorf("fetching: %w", err)
		}
		if out.batch.Records == nil {
			out.batch.Records = make([]Record, 0, rows+1)
		}
		out.batch.Records = append(out.batch.Records, Record{
			Topic: tp.Topic, Partition: tp.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value, Time: m.Time,
		})
		out.batch.Bytes += int64(len(m.Key) + len(m.Value))
	}
	out.next = in.Offset()
	out.batch.Behind = max(out.high-out.next, 0)
	if err := in.Close(); err != nil && !errors.Is(err, kafka.RequestTimedOut) {
		return fetched{}, fmt.Errorf("fetching: %w", err)
	}
	return out, nil
}

// dialLeader connects to the leader of a partition, asking each broker in turn.
func dialLeader(ctx context.Context, dialer *kafka.Dialer, brokers []string, tp TopicPartition) (*kafka.Conn, error) {
	var errs []error
	for _, broker := range brokers {
		conn, err := dialer.DialLeader(ctx, "tcp", broker, tp.Topic, tp.Partition)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("finding the leader of %s/%d at %s: %w", tp.Topic, tp.Partition, broker, err))
	}
	return nil, errors.Join(errs...)
}
