package kafkabus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Tail reads a whole topic from its first record and then follows it, without a
// group: every process that tails a topic sees all of it. It suits compacted topics
// that are kept in memory. Partitions that are added later are seen after a restart.
type Tail struct {
	cfg    Config
	topic  string
	log    *zap.Logger
	errors prometheus.Counter
}

// NewTail makes a tail; it connects in Run.
func NewTail(cfg Config, topic string, log *zap.Logger, reg prometheus.Registerer) *Tail {
	return &Tail{
		cfg: cfg, topic: topic, log: log,
		errors: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name:        "partnerpulse_kafka_tail_errors_total",
			Help:        "Failed requests of a reader that follows a whole topic; it connects again.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}),
	}
}

// tailFetchWait is how long a broker may hold a fetch when nothing is new. A new
// record is answered at once, so this costs no latency.
const tailFetchWait = 2 * time.Second

// Run hands every record to record, of one partition in order, one call at a time,
// until ctx ends. Once all that was there when Run began to read has been handed
// over, it calls caughtUp, once. It goes on through every failure of the brokers.
func (t *Tail) Run(ctx context.Context, record func(Record), caughtUp func()) error {
	dialer, err := t.cfg.dialer()
	if err != nil {
		return fmt.Errorf("following topic %s: %w", t.topic, err)
	}
	partitions := t.await(ctx, dialer)
	var one sync.Mutex // record is called by one partition at a time
	var reading, behind sync.WaitGroup
	behind.Add(len(partitions))
	for _, p := range partitions {
		f := &follower{t: t, dialer: dialer, tp: TopicPartition{Topic: t.topic, Partition: p.ID}, next: -1, end: -1}
		f.caughtUp = sync.OnceFunc(behind.Done)
		f.record = func(r Record) {
			one.Lock()
			defer one.Unlock()
			record(r)
		}
		reading.Go(func() {
			defer f.caughtUp() // so that the wait below ends with ctx
			f.run(ctx)
		})
	}
	behind.Wait()
	if ctx.Err() == nil {
		caughtUp()
	}
	reading.Wait()
	return nil
}

// await looks the partitions up until it succeeds or ctx ends.
func (t *Tail) await(ctx context.Context, dialer *kafka.Dialer) (partitions []kafka.Partition) {
	t.again(ctx, func() (progress bool, err error) {
		partitions, err = lookupPartitions(ctx, dialer, t.cfg.Brokers, t.topic)
		if err == nil && len(partitions) == 0 {
			err = fmt.Errorf("topic %s has no partitions", t.topic)
		}
		return false, err
	})
	return partitions
}

// again repeats step until it gives no error or ctx ends, with pauses that grow as
// long as it makes no progress.
func (t *Tail) again(ctx context.Context, step func() (progress bool, err error)) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for failures := 0; ctx.Err() == nil; {
		progress, err := step()
		if err == nil || ctx.Err() != nil {
			return
		}
		t.errors.Inc()
		if progress {
			pause.Reset()
			failures = 0
		}
		if failures++; failures&(failures-1) == 0 {
			t.log.Warn("following a topic failed; connecting again", zap.String("topic", t.topic), zap.Int("failures", failures), zap.Error(err))
		}
		sleep(ctx, pause.NextBackOff())
	}
}

// follower reads one partition.
type follower struct {
	t        *Tail
	dialer   *kafka.Dialer
	tp       TopicPartition
	record   func(Record)
	caughtUp func()
	next     int64 // offset to read next; negative: the start of the log
	end      int64 // where the log ended at first; negative: not known yet
}

func (f *follower) run(ctx context.Context) {
	f.t.again(ctx, func() (progress bool, err error) {
		before := f.next
		err = f.session(ctx)
		return f.next != before, err
	})
}

// session connects and reads until something fails; its error is never nil.
func (f *follower) session(ctx context.Context) error {
	conn, err := dialLeader(ctx, f.dialer, f.t.cfg.Brokers, f.tp)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return fmt.Errorf("setting deadline: %w", err)
	}
	first, last, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("reading first and last offset: %w", err)
	}
	if f.next < first || f.next > last { // compacted away, or another log: all of it is read
		f.next = first
	}
	if f.end < 0 {
		f.end = last
	}
	if _, err := conn.Seek(f.next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		return fmt.Errorf("seeking: %w", err)
	}
	cfg := ConsumerConfig{FetchBytesMin: 1, FetchWait: tailFetchWait}.withDefaults()
	for {
		if f.next >= f.end {
			f.caughtUp()
		}
		got, err := readBatch(conn, cfg, f.tp, 0)
		if err != nil {
			return err
		}
		for _, r := range got.batch.Records {
			f.record(r)
		}
		if len(got.batch.Records) == 0 && got.next == f.next && got.high <= f.end {
			f.caughtUp() // the rest up to the end was compacted away
		}
		f.next = got.next
	}
}
