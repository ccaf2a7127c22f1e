package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/apachekafka"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/kafkabus"
)

// TestAFrozenEnricherCannotRewind freezes an enricher between its insert and its
// commit until another one has its partitions and has committed more; when it goes on,
// its late commit must not take the group back.
func TestAFrozenEnricherCannotRewind(t *testing.T) {
	enginetest.Need(t)
	t.Parallel() // it waits for the group's timeouts most of the time
	frozenCannotRewind(t, settings{})
}

func TestAFrozenEnricherCannotRewindOnApacheKafka(t *testing.T) {
	enginetest.Need(t)
	apachekafka.Need(t)
	t.Parallel()
	frozenCannotRewind(t, settings{apache: true})
}

func frozenCannotRewind(t *testing.T, s settings) {
	t.Helper()
	c := newCluster(t, s)
	c.run(1, 1)
	frozen, other := c.enrichers[0], c.role("enricher", "enricher-1")
	must(t, frozen.end(syscall.SIGTERM))
	must(t, frozen.start("enricher.marked:1:stop"))
	w := newWorld(1, 4000, 20, 4, time.Now().UTC().Truncate(24*time.Hour))
	must(t, (&load{w: w, c: c}).run(t.Context()))
	await(t, time.Minute, "the enricher to freeze before its commit", func() error {
		if _, ok := frozen.froze(); !ok {
			return errors.New("it is not frozen")
		}
		return nil
	})
	frozen.frozenAt = time.Now() // so that the cleanup knows
	c.enrichers = append(c.enrichers, other)
	must(t, other.start(""))
	o := newOffsets(c.broker.addrs())
	await(t, time.Minute, "the other enricher to commit everything", func() error {
		lag, err := o.lag(t.Context(), group)
		if err == nil && lag > 0 {
			err = fmt.Errorf("lag %d", lag)
		}
		return err
	})
	o.sample(t.Context(), group)
	must(t, frozen.signal(syscall.SIGCONT))
	await(t, time.Minute, "the late commit to be refused", func() error {
		o.sample(t.Context(), group)
		late, err := c.metric(frozen.name, "partnerpulse_kafka_late_commits_total")
		if err == nil && late == 0 {
			err = errors.New("none was refused")
		}
		return err
	})
	c.settle(o, group, database)
	o.sample(t.Context(), group)
	if err := o.wentBack(); err != nil || o.samples < 2 {
		t.Errorf("after %d samples: %v", o.samples, err)
	}
	r := newReport()
	must(t, (&checker{w: w, store: c.open(database), report: r, now: time.Now()}).check(t.Context()))
	if r.Mismatches > 0 || r.Stored != int64(w.events) {
		t.Errorf("%d mismatches, %d of %d events stored: %v", r.Mismatches, r.Stored, w.events, r.Examples)
	}
}

// TestAReaderIsRewound is the control: the same broker lets kafka-go's Reader, which
// commits on whatever generation is the current one, take the group back.
func TestAReaderIsRewound(t *testing.T) {
	const topic, records = "control", 60
	c := &cluster{t: t, dir: t.TempDir(), ports: map[string]int{"broker": freePorts(t, 1)[0]}}
	b := &embeddedBroker{c: c, p: c.engine("kafka", "broker")}
	must(t, b.start())
	t.Cleanup(func() { must(t, b.p.end(syscall.SIGKILL)) })
	cfg := kafkabus.Config{Brokers: b.addrs()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, kafkabus.EnsureTopics(ctx, cfg, []kafkabus.TopicSpec{{Name: topic, Partitions: 1}}))
	writer := &kafka.Writer{Addr: kafka.TCP(b.addrs()...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	defer writer.Close()
	var msgs []kafka.Message
	for i := range records {
		msgs = append(msgs, kafka.Message{Value: fmt.Append(nil, i)})
	}
	must(t, writer.WriteMessages(ctx, msgs...))

	reader := func() *kafka.Reader {
		return kafka.NewReader(kafka.ReaderConfig{
			Brokers: b.addrs(), GroupID: "control", Topic: topic, MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset,
			HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: sessionTimeout, RebalanceTimeout: 10 * time.Second,
		})
	}
	late := reader()
	defer late.Close()
	var early kafka.Message
	for i := range records {
		m, err := late.FetchMessage(ctx)
		must(t, err)
		if i == records/3 {
			early = m
		}
		if i == records-1 {
			must(t, late.CommitMessages(ctx, m))
		}
	}
	client := &kafka.Client{Addr: kafka.TCP(b.addrs()...)}
	at := func() int64 {
		r, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "control", Topics: map[string][]int{topic: {0}}})
		must(t, err)
		return r.Topics[topic][0].CommittedOffset
	}
	if n := at(); n != records {
		t.Fatalf("%d committed", n)
	}
	// A rebalance: the record that was fetched before it is then of an old generation.
	generation := late.Stats().Rebalances
	second := reader()
	defer second.Close()
	go func() { _, _ = second.FetchMessage(ctx) }()
	must(t, awaitErr(30*time.Second, func() error {
		if generation += late.Stats().Rebalances; generation < 2 {
			return errors.New("no rebalance yet")
		}
		return nil
	}))
	must(t, awaitErr(30*time.Second, func() error { return late.CommitMessages(ctx, early) }))
	if n := at(); n != early.Offset+1 {
		t.Errorf("the group is at %d: kafka-go's Reader no longer takes it back, and this control shows nothing", n)
	}
}
