package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The producer is what it runs with.
var _ Kafka = (*kafkabus.Producer)(nil)

// broker is a Kafka that can be frozen (no answer), refuse, or be lame (some records fail).
type broker struct {
	mu     sync.Mutex
	frozen bool
	refuse func(msgs []kafkabus.Message) error
	slow   time.Duration
	log    []string
	calls  int
}

func (b *broker) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	b.mu.Lock()
	frozen, refuse, slow := b.frozen, b.refuse, b.slow
	b.calls++
	b.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return &kafkabus.PublishError{Failed: indices(len(msgs)), Total: len(msgs), Err: ctx.Err()}
	}
	if slow > 0 {
		time.Sleep(slow)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if refuse != nil {
		if err := refuse(msgs); err != nil {
			return err
		}
	}
	for _, m := range msgs {
		b.log = append(b.log, string(m.Value))
	}
	return nil
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (b *broker) set(change func(*broker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// values gives what the broker has, each once, in the order of first arrival.
func (b *broker) values() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, v := range b.log {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// rig is a publisher that runs, inside of a bubble.
type rig struct {
	t      *testing.T
	p      *Publisher
	broker *broker
	dir    string
	stop   func()
}

func newRig(t *testing.T, change func(*Config)) *rig {
	cfg := DefaultConfig()
	cfg.Dir = t.TempDir()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	s, err := spool.Open(cfg.Config, zap.NewNop(), reg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, broker: &broker{}, dir: cfg.Dir}
	r.p = New(cfg, r.broker, s, zap.NewNop(), reg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.p.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	}
	return r
}

func message(value string) kafkabus.Message {
	return kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte("acme/p-1"), Value: []byte(value)}
}

// publish gives how long it took, on the bubble's clock, and the error.
func (r *rig) publish(values ...string) (time.Duration, error) {
	var msgs []kafkabus.Message
	for _, v := range values {
		msgs = append(msgs, message(v))
	}
	start := time.Now()
	err := r.p.Publish(context.Background(), msgs...)
	return time.Since(start), err
}

func (r *rig) acked(values ...string) time.Duration {
	r.t.Helper()
	took, err := r.publish(values...)
	if err != nil {
		r.t.Fatalf("publishing %v: %v", values, err)
	}
	return took
}

func (r *rig) state() state { return r.p.breaker.state(!r.p.spool.Empty()) }

func TestWithoutTroubleNothingTouchesTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.acked("1", "2")
		r.acked("3")
		if got := r.broker.values(); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("Kafka has %v", got)
		}
		if left, _ := filepath.Glob(filepath.Join(r.dir, "*.spool")); len(left) > 0 {
			t.Errorf("files: %v", left)
		}
		r.stop()
	})
}

// TestOnlyTheFirstRequestWaitsForAFrozenBroker: the others go to disk at once, and
// all of them reach Kafka in their order when it is back.
func TestOnlyTheFirstRequestWaitsForAFrozenBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.acked("0")
		r.broker.set(func(b *broker) { b.frozen = true })
		want := []string{"0"}
		if took := r.acked("1"); took != r.p.cfg.KafkaTimeout {
			t.Errorf("the first request took %s", took)
		}
		want = append(want, "1")
		for i := range 50 {
			v := fmt.Sprint(i + 2)
			want = append(want, v)
			if took := r.acked(v); took != 0 {
				t.Fatalf("request %s took %s while the breaker is open", v, took)
			}
			time.Sleep(time.Second)
		}
		if r.state() != open {
			t.Errorf("state %v of a frozen broker", r.state())
		}
		r.broker.set(func(b *broker) { b.frozen = false })
		<-r.p.spool.Drained()
		synctest.Wait()
		if r.state() != closed {
			t.Errorf("state %v after all was delivered", r.state())
		}
		if took := r.acked("last"); took != 0 {
			t.Errorf("a request after the outage took %s", took)
		}
		if got := r.broker.values(); !slices.Equal(got, append(want, "last")) {
			t.Errorf("Kafka has %v", got)
		}
		r.stop()
	})
}

// TestTheEndOfTheSpoolIsWaitedFor: with a broker that takes what waits, requests
// change back to it instead of queueing behind each other for ever.
func TestTheEndOfTheSpoolIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.BatchRecordsMax = 5 })
		r.broker.set(func(b *broker) { b.refuse = func([]kafkabus.Message) error { return errors.New("no leader") } })
		for i := range 20 {
			r.acked(fmt.Sprint(i))
		}
		r.broker.set(func(b *broker) { b.refuse, b.slow = nil, 100*time.Millisecond })
		for r.state() == open {
			time.Sleep(time.Millisecond)
		}
		if r.state() != halfOpen {
			t.Fatalf("state %v with a part delivered", r.state())
		}
		if took := r.acked("next"); took < 100*time.Millisecond || took > r.p.cfg.HandoverWait {
			t.Errorf("the request during the handover took %s", took)
		}
		if n := testutil.ToFloat64(r.p.metrics.published.WithLabelValues("spool")); n != 20 {
			t.Errorf("%v records went to disk, want 20", n)
		}
		if got := r.broker.values(); len(got) != 21 || got[20] != "next" {
			t.Errorf("Kafka has %v", got)
		}
		r.stop()
	})
}

// TestABrokerThatStallsDuringTheHandover: one request waits, the following do not.
func TestABrokerThatStallsDuringTheHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.BatchRecordsMax = 1 })
		r.broker.set(func(b *broker) { b.refuse = func([]kafkabus.Message) error { return errors.New("no leader") } })
		r.acked("1")
		r.acked("2")
		r.broker.set(func(b *broker) {
			b.refuse = func([]kafkabus.Message) error { b.frozen = true; return nil } // takes one more, then freezes
		})
		for r.state() == open {
			time.Sleep(time.Millisecond)
		}
		if took := r.acked("3"); took != r.p.cfg.HandoverWait {
			t.Errorf("the request during the handover took %s", took)
		}
		if took := r.acked("4"); took != 0 || r.state() != open {
			t.Errorf("the next one took %s in state %v", took, r.state())
		}
		r.broker.set(func(b *broker) { b.frozen, b.refuse = false, nil })
		<-r.p.spool.Drained()
		if got := r.broker.values(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			t.Errorf("Kafka has %v", got)
		}
		r.stop()
	})
}

func TestAFullSpoolIsAnErrorAtOnceAndNotReadyBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.BytesMax, c.SegmentBytes = 2000, 500 })
		r.broker.set(func(b *broker) { b.frozen = true })
		var want []string
		var unready bool
		for i := 0; ; i++ {
			unready = r.p.Ready(context.Background()) != nil
			took, err := r.publish(fmt.Sprint(i))
			if err == nil {
				want = append(want, fmt.Sprint(i))
				continue
			}
			if !errors.Is(err, spool.ErrFull) || took != 0 {
				t.Errorf("a full spool gave %v after %s", err, took)
			}
			break
		}
		if !unready {
			t.Error("ready until the spool was full")
		}
		r.broker.set(func(b *broker) { b.frozen = false })
		<-r.p.spool.Drained()
		synctest.Wait()
		if err := r.p.Ready(context.Background()); err != nil {
			t.Errorf("not ready after the spool was delivered: %v", err)
		}
		if got := r.broker.values(); !slices.Equal(got, want) {
			t.Errorf("Kafka has %v, acknowledged were %v", got, want)
		}
		r.stop()
	})
}

func TestOnlyTheFailedRecordsOfARequestAreSpooled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.broker.set(func(b *broker) {
			b.refuse = func(msgs []kafkabus.Message) error {
				b.log = append(b.log, string(msgs[0].Value))
				b.refuse = nil
				return &kafkabus.PublishError{Failed: []int{1, 2}, Total: 3, Err: errors.New("one partition is away")}
			}
		})
		r.acked("1", "2", "3")
		<-r.p.spool.Drained()
		r.stop()
		if !slices.Equal(r.broker.log, []string{"1", "2", "3"}) {
			t.Errorf("Kafka got %v", r.broker.log)
		}
	})
}

// TestWithoutDiskARequestTriesKafkaNowAndThen: when neither takes the records, only
// one request a second waits for Kafka, the others fail at once.
func TestWithoutDiskARequestTriesKafkaNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.BytesMax, c.SegmentBytes = 1, 1 })
		r.broker.set(func(b *broker) { b.frozen = true })
		if took, err := r.publish("1"); err == nil || took != r.p.cfg.KafkaTimeout {
			t.Errorf("the first request took %s: %v", took, err)
		}
		if took, err := r.publish("2"); err == nil || took != 0 {
			t.Errorf("the second request took %s: %v", took, err)
		}
		r.broker.set(func(b *broker) { b.frozen = false })
		time.Sleep(restPause)
		r.acked("3")
		r.acked("4")
		r.stop()
	})
}

func TestWhatKafkaNeverTakesDoesNotHoldUpTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.broker.set(func(b *broker) { b.refuse = func([]kafkabus.Message) error { return errors.New("away") } })
		for _, v := range []string{"1", "huge", "2"} {
			r.acked(v)
		}
		r.broker.set(func(b *broker) {
			b.refuse = func(msgs []kafkabus.Message) error { // as the producer after its limit was lowered
				i := slices.IndexFunc(msgs, func(m kafkabus.Message) bool { return string(m.Value) == "huge" })
				if i < 0 {
					return nil
				}
				for j, m := range msgs {
					if j != i {
						b.log = append(b.log, string(m.Value))
					}
				}
				return &kafkabus.PublishError{Failed: []int{i}, Total: len(msgs), Err: fmt.Errorf("%w: record %d", kafkabus.ErrTooLarge, i)}
			}
		})
		<-r.p.spool.Drained()
		if got := r.broker.values(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("Kafka has %v", got)
		}
		aside, _ := filepath.Glob(filepath.Join(r.dir, "*.undeliverable"))
		if len(aside) != 1 {
			t.Fatalf("set aside: %v", aside)
		}
		if b, err := os.ReadFile(aside[0]); err != nil || len(b) == 0 {
			t.Errorf("%s has %d bytes: %v", aside[0], len(b), err)
		}
		if _, err := r.publish("huge"); !errors.Is(err, kafkabus.ErrTooLarge) {
			t.Errorf("a new record that is too large got %v", err)
		}
		r.stop()
	})
}

// TestOrderAndNothingLostUnderChangingWeather sends from several producers, one
// after another each, while the broker freezes, refuses and comes back.
func TestOrderAndNothingLostUnderChangingWeather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.SegmentBytes, c.BatchRecordsMax, c.HandoverBytes = 2000, 20, 500 })
		const producers, each = 8, 150
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range each {
					if _, err := r.publish(fmt.Sprintf("%d-%04d", p, i)); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Duration(10+p) * time.Millisecond)
				}
			})
		}
		weather, quit := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(weather)
			for i := 0; ; i++ {
				r.broker.set(func(b *broker) {
					b.frozen, b.refuse, b.slow = i%4 == 1, nil, time.Duration(i%3)*time.Millisecond
					if i%4 == 3 {
						b.refuse = func([]kafkabus.Message) error { return errors.New("away") }
					}
				})
				select {
				case <-quit:
					r.broker.set(func(b *broker) { b.frozen, b.refuse = false, nil })
					return
				case <-time.After(300 * time.Millisecond):
				}
			}
		}()
		wg.Wait()
		close(quit)
		<-weather
		<-r.p.spool.Drained()
		r.stop()
		got := r.broker.values()
		for p := range producers {
			prefix := fmt.Sprint(p, "-")
			var mine []string
			for _, v := range got {
				if v[:len(prefix)] == prefix {
					mine = append(mine, v)
				}
			}
			if len(mine) != each || !slices.IsSorted(mine) {
				t.Errorf("producer %d: %d of %d arrived, sorted %v", p, len(mine), each, slices.IsSorted(mine))
			}
		}
		for _, where := range []string{"kafka", "spool"} {
			if n := testutil.ToFloat64(r.p.metrics.published.WithLabelValues(where)); n < producers {
				t.Errorf("only %v records took the way over %s: the test shows too little", n, where)
			} else {
				t.Logf("%v over %s", n, where)
			}
		}
	})
}

func TestConfigMistakesAreTold(t *testing.T) {
	var none Config
	if err := none.Validate(); err != nil {
		t.Errorf("no spool at all: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no timeout":       func(c *Config) { c.KafkaTimeout = 0 },
		"no replay":        func(c *Config) { c.ReplayTimeout = 0 },
		"negative":         func(c *Config) { c.HandoverBytes = -1 },
		"spool's mistakes": func(c *Config) { c.SegmentBytes = 0 },
	} {
		cfg := DefaultConfig()
		cfg.Dir = "somewhere"
		change(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
