package kafkabus_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/apachekafka"
	"partnerpulse/internal/kafkabus"
)

// ledger remembers what was received, and how often.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

func (l *ledger) add(b kafkabus.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	for _, r := range b.Records {
		l.seen[string(r.Value)]++
	}
}

func (l *ledger) distinct() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

func (l *ledger) copy() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.seen)
}

// take is a handler that records every batch and commits it.
func (l *ledger) take(_ context.Context, g kafkabus.Generation) error {
	for b := range g.Batches() {
		l.add(b)
		b.Release()
		_ = commit(g, b) // an ended generation is delivered again
	}
	return nil
}

func counter(t testing.TB, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "partnerpulse_kafka_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// groupOffsets reads the group's committed offsets from the broker.
func groupOffsets(t testing.TB, cfg kafkabus.Config) map[int32]int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = "group"
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = "group"
	request.Groups = append(request.Groups, group)
	response, err := request.RequestWith(context.Background(), client)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	for _, g := range response.Groups {
		for _, topic := range g.Topics {
			for _, p := range topic.Partitions {
				out[p.Partition] = p.Offset
			}
		}
	}
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			out[p.Partition] = p.Offset
		}
	}
	return out
}

func TestConsumerStartsAtTheBeginningAndContinuesWhereItStopped(t *testing.T) {
	_, cfg := broker(t, 3)
	p := producer(t, cfg)
	produce(t, p, 0, 500)
	var first ledger
	reg := prometheus.NewRegistry()
	stop := run(t, consumerConfig(cfg), reg, first.take)
	await(t, "all records are received", func() bool { return first.distinct() == 500 })
	await(t, "lag is gone", func() bool {
		return testutil.CollectAndCount(reg, "partnerpulse_kafka_consumer_lag_records") == 3 && counter(t, reg, "consumer_lag_records") == 0
	})
	stop()

	produce(t, p, 500, 100)
	var second ledger
	stop = run(t, consumerConfig(cfg), prometheus.NewRegistry(), second.take)
	await(t, "new records are received", func() bool { return second.distinct() == 100 })
	stop()
	for value, n := range second.copy() {
		if _, again := first.seen[value]; again || n != 1 {
			t.Errorf("record %s was delivered again (%d times)", value, n)
		}
	}
}

func TestTwoMembersLoseNothing(t *testing.T) {
	_, cfg := broker(t, 6)
	p := producer(t, cfg)
	var both, second ledger
	stopFirst := run(t, consumerConfig(cfg), prometheus.NewRegistry(), both.take)
	for i := range 20 {
		produce(t, p, i*100, 100)
	}
	stopSecond := run(t, consumerConfig(cfg), prometheus.NewRegistry(), func(_ context.Context, g kafkabus.Generation) error {
		for b := range g.Batches() {
			both.add(b)
			second.add(b)
			b.Release()
			_ = commit(g, b)
		}
		return nil
	})
	total := 2000
	for second.distinct() == 0 { // go on until the second has its share
		produce(t, p, total, 100)
		total += 100
		time.Sleep(20 * time.Millisecond)
	}
	await(t, "all are received by one of the two", func() bool { return both.distinct() == total })
	stopFirst()
	produce(t, p, total, 300)
	await(t, "the one who stays takes over", func() bool { return both.distinct() == total+300 })
	stopSecond()
	sum := int64(0)
	for _, offset := range groupOffsets(t, cfg) {
		sum += offset
	}
	if sum != int64(total+300) {
		t.Errorf("committed offsets add up to %d, want %d", sum, total+300)
	}
}

// More members than partitions: the one without waits for its turn.
func TestMemberWithoutPartitionsTakesOver(t *testing.T) {
	_, cfg := broker(t, 1)
	p := producer(t, cfg)
	reg1, reg2 := prometheus.NewRegistry(), prometheus.NewRegistry()
	var both ledger
	stop1 := run(t, consumerConfig(cfg), reg1, both.take)
	await(t, "the first has joined", func() bool { return counter(t, reg1, "generations_total") > 0 })
	stop2 := run(t, consumerConfig(cfg), reg2, both.take)
	await(t, "the second has joined", func() bool { return counter(t, reg2, "generations_total") > 0 })
	produce(t, p, 0, 50)
	await(t, "one of them reads", func() bool { return both.distinct() == 50 })
	stop1()
	produce(t, p, 50, 50)
	await(t, "the one who stays reads", func() bool { return both.distinct() == 100 })
	stop2()
}

// A handler that is late with its commit, after the partitions moved, must not
// rewind the group: the fault that made us avoid kafka.Reader.
func TestLateCommitCannotRewind(t *testing.T) {
	_, cfg := broker(t, 1)
	lateCommitCannotRewind(t, cfg)
}

func TestLateCommitCannotRewindOnApacheKafka(t *testing.T) {
	cfg := kafkabus.Config{Brokers: apachekafka.Start(t, 1).Brokers(), ClientID: "test", DialTimeout: 2 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := kafkabus.EnsureTopics(ctx, cfg, []kafkabus.TopicSpec{{Name: testTopic, Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	lateCommitCannotRewind(t, cfg)
}

// lateCommitCannotRewind needs testTopic with one partition, empty.
func lateCommitCannotRewind(t *testing.T, cfg kafkabus.Config) {
	p := producer(t, cfg)
	produce(t, p, 0, 50)
	reg := prometheus.NewRegistry()
	kept := make(chan kafkabus.Generation, 1)
	release := make(chan struct{})
	var once sync.Once
	stopFirst := run(t, consumerConfig(cfg), reg, func(ctx context.Context, g kafkabus.Generation) error {
		select {
		case b, ok := <-g.Batches():
			if ok {
				once.Do(func() {
					kept <- g
					_ = commit(g, b)
				})
				b.Release()
			}
		case <-ctx.Done():
		}
		<-ctx.Done()
		<-release
		return nil
	})
	old := <-kept
	await(t, "the first commit", func() bool { return groupOffsets(t, cfg)[0] == 50 })

	// The first member does not come back in time; the second one gets the partition.
	var second ledger
	cfg2 := consumerConfig(cfg)
	stopSecond := run(t, cfg2, prometheus.NewRegistry(), second.take)
	produce(t, p, 50, 50)
	await(t, "the second member is at the end", func() bool { return groupOffsets(t, cfg)[0] == 100 })

	err := old.Commit(kafkabus.Offsets{{Topic: testTopic, Partition: 0}: 60})
	if !errors.Is(err, kafkabus.ErrGenerationEnded) {
		t.Errorf("late commit: %v", err)
	}
	if got := groupOffsets(t, cfg)[0]; got != 100 {
		t.Errorf("the group was rewound to %d", got)
	}
	if n := counter(t, reg, "late_commits_total"); n != 1 {
		t.Errorf("%v late commits counted, want 1", n)
	}
	close(release)
	stopFirst()
	stopSecond()
}

func TestCommitRefusesToGoBackward(t *testing.T) {
	_, cfg := broker(t, 1)
	produce(t, producer(t, cfg), 0, 50)
	reg := prometheus.NewRegistry()
	cfgShort := consumerConfig(cfg)
	cfgShort.DrainTimeout = 10 * time.Millisecond // the handler below waits for it
	type result struct{ forward, backward, same, foreign error }
	results := make(chan result, 1)
	stop := run(t, cfgShort, reg, func(ctx context.Context, g kafkabus.Generation) error {
		tp := kafkabus.TopicPartition{Topic: testTopic}
		results <- result{
			forward: g.Commit(kafkabus.Offsets{tp: 40}), backward: g.Commit(kafkabus.Offsets{tp: 39}),
			same: g.Commit(kafkabus.Offsets{tp: 40}), foreign: g.Commit(kafkabus.Offsets{{Topic: testTopic, Partition: 7}: 1}),
		}
		<-ctx.Done()
		return nil
	})
	got := <-results
	if got.forward != nil || got.same != nil {
		t.Errorf("forward: %v; same: %v", got.forward, got.same)
	}
	if !errors.Is(got.backward, kafkabus.ErrBackward) {
		t.Errorf("backward: %v", got.backward)
	}
	if got.foreign == nil {
		t.Error("a partition that is not assigned was committed")
	}
	if offset := groupOffsets(t, cfg)[0]; offset != 40 {
		t.Errorf("committed %d, want 40", offset)
	}
	if n := counter(t, reg, "backward_commits_total"); n != 1 {
		t.Errorf("%v backward commits counted, want 1", n)
	}
	stop()
}

func TestConsumerSurvivesABrokerRestart(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	options := []kfake.Opt{kfake.Ports(port), kfake.DataDir(dir)}
	cluster, cfg := broker(t, 3, options...)
	p := producer(t, cfg)
	produce(t, p, 0, 100)
	var l ledger
	run(t, consumerConfig(cfg), prometheus.NewRegistry(), l.take)
	await(t, "records before the restart", func() bool { return l.distinct() == 100 })
	cluster.Close()
	time.Sleep(300 * time.Millisecond) // both sides notice
	broker(t, 3, options...)
	await(t, "the producer is back", func() bool {
		return p.Publish(t.Context(), kafkabus.Message{Topic: testTopic, Key: []byte("k"), Value: []byte("100")}) == nil
	})
	produce(t, p, 101, 99)
	await(t, "records after the restart", func() bool { return l.distinct() == 200 })
}

// When the process stops, what was read may still be flushed and committed.
func TestHandlerMayFinishAfterTheEnd(t *testing.T) {
	_, cfg := broker(t, 1)
	produce(t, producer(t, cfg), 0, 10)
	got := make(chan struct{})
	var result atomic.Value
	stop := run(t, consumerConfig(cfg), prometheus.NewRegistry(), func(ctx context.Context, g kafkabus.Generation) error {
		b := <-g.Batches()
		close(got)
		for range g.Batches() {
		}
		if ctx.Err() != nil {
			return fmt.Errorf("context ended with the fetching: %w", context.Cause(ctx))
		}
		if err := commit(g, b); err != nil {
			return err
		}
		result.Store(true)
		return nil
	})
	<-got
	stop()
	if result.Load() == nil || groupOffsets(t, cfg)[0] != 10 {
		t.Errorf("offset after the drain is %d, want 10", groupOffsets(t, cfg)[0])
	}
}

func TestHandlerThatHangsIsCutOff(t *testing.T) {
	_, cfg := broker(t, 1)
	produce(t, producer(t, cfg), 0, 10)
	short := consumerConfig(cfg)
	short.DrainTimeout = 50 * time.Millisecond
	got := make(chan struct{})
	var cause atomic.Value
	stop := run(t, short, prometheus.NewRegistry(), func(ctx context.Context, g kafkabus.Generation) error {
		<-g.Batches()
		close(got)
		<-ctx.Done()
		cause.Store(context.Cause(ctx))
		return nil
	})
	<-got
	stop()
	if err, _ := cause.Load().(error); !errors.Is(err, kafkabus.ErrDrainTimeout) {
		t.Errorf("cause is %v", err)
	}
}

func TestFetchingPausesAtTheInFlightLimit(t *testing.T) {
	_, cfg := broker(t, 4)
	p := producer(t, cfg)
	for i := range 20 {
		produce(t, p, 1000+i*100, 100) // keys and values of 4 bytes each: 800 bytes a call
	}
	tight := consumerConfig(cfg)
	tight.InFlightBytesMax = 2000
	tight.FetchBytesMax = 600
	tight.FetchBytesMin = 1
	reg := prometheus.NewRegistry()
	var held atomic.Int64
	resume := make(chan struct{})
	var l ledger
	stop := run(t, tight, reg, func(ctx context.Context, g kafkabus.Generation) error {
		var batches []kafkabus.Batch
		for {
			select {
			case b, ok := <-g.Batches():
				if !ok {
					return nil
				}
				batches = append(batches, b)
				held.Add(b.Bytes)
				l.add(b)
			case <-resume:
				for i := range batches {
					batches[i].Release()
				}
				batches = nil
			case <-ctx.Done():
				return nil
			}
		}
	})
	await(t, "the limit is reached", func() bool { return held.Load() > 0 && counter(t, reg, "in_flight_bytes") > 0 })
	time.Sleep(300 * time.Millisecond) // would have fetched everything
	if held.Load() > tight.InFlightBytesMax {
		t.Errorf("%d bytes are in flight, limit %d", held.Load(), tight.InFlightBytesMax)
	}
	close(resume)
	await(t, "the rest", func() bool { return l.distinct() == 2000 })
	stop()
}

func TestHandlerErrorEndsRun(t *testing.T) {
	_, cfg := broker(t, 1)
	broken := errors.New("broken")
	for name, handle := range map[string]kafkabus.Handler{
		"error":        func(context.Context, kafkabus.Generation) error { return broken },
		"return early": func(context.Context, kafkabus.Generation) error { return nil },
	} {
		err := kafkabus.NewConsumer(consumerConfig(cfg), zaptest.NewLogger(t), prometheus.NewRegistry()).Run(t.Context(), handle)
		if err == nil || name == "error" && !errors.Is(err, broken) {
			t.Errorf("%s: Run gave %v", name, err)
		}
	}
}

func TestConsumerStopsWhileNoBrokerAnswers(t *testing.T) {
	cfg := kafkabus.Config{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freePort(t))}}
	reg := prometheus.NewRegistry()
	stop := run(t, consumerConfig(cfg), reg, new(ledger).take)
	await(t, "a failed attempt", func() bool { return counter(t, reg, "consumer_errors_total") > 0 })
	stop()
}

func TestConsumerRefusesWrongConfiguration(t *testing.T) {
	consumer := kafkabus.NewConsumer(kafkabus.ConsumerConfig{}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err := consumer.Run(t.Context(), new(ledger).take); !errors.Is(err, kafkabus.ErrConfig) {
		t.Errorf("Run gave %v", err)
	}
}
