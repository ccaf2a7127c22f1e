package kafkabus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// reading is a tail that runs.
type reading struct {
	mu       sync.Mutex
	seen     map[string]int // values
	perPart  map[int]int64  // last offset
	caught   int            // how many values were there when it had caught up; -1: not yet
	disorder bool
	stop     func()
}

func tail(t *testing.T, cfg kafkabus.Config) *reading {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &reading{seen: map[string]int{}, perPart: map[int]int64{}, caught: -1}
	done := make(chan error, 1)
	tl := kafkabus.NewTail(cfg, testTopic, zaptest.NewLogger(t), prometheus.NewRegistry())
	go func() {
		done <- tl.Run(ctx, func(rec kafkabus.Record) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen[string(rec.Value)]++
			if last, ok := r.perPart[rec.Partition]; ok && rec.Offset <= last {
				r.disorder = true
			}
			r.perPart[rec.Partition] = rec.Offset
		}, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.caught = len(r.seen)
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("tail: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the tail did not stop")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *reading) state() (values, caught int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen), r.caught
}

func TestTailReadsAllAndFollows(t *testing.T) {
	_, cfg := broker(t, 3)
	p := producer(t, cfg)
	produce(t, p, 0, 500)
	first, second := tail(t, cfg), tail(t, cfg) // each sees everything
	for _, r := range []*reading{first, second} {
		await(t, "caught up", func() bool { _, caught := r.state(); return caught >= 0 })
		if _, caught := r.state(); caught < 500 {
			t.Errorf("it said it had caught up at %d of 500", caught)
		}
	}
	produce(t, p, 500, 100)
	for _, r := range []*reading{first, second} {
		await(t, "the new records", func() bool { n, _ := r.state(); return n == 600 })
		r.stop()
		if r.disorder {
			t.Error("a partition was not read in order")
		}
		for value, times := range r.seen {
			if times != 1 {
				t.Errorf("%s was handed over %d times", value, times)
			}
		}
	}
}

func TestTailOfAnEmptyTopicHasCaughtUpAtOnce(t *testing.T) {
	_, cfg := broker(t, 3)
	r := tail(t, cfg)
	await(t, "caught up", func() bool { _, caught := r.state(); return caught == 0 })
}

// TestTailOutlivesTheBroker: it waits for a broker that is not there yet, and goes on
// where it was when one comes back.
func TestTailOutlivesTheBroker(t *testing.T) {
	port, dir := freePort(t), t.TempDir()
	cfg := kafkabus.Config{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, DialTimeout: time.Second}
	r := tail(t, cfg)
	up := func() *kfake.Cluster {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SyncWrites(), kfake.SeedTopics(2, testTopic))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := up()
	produce(t, producer(t, cfg), 0, 50)
	await(t, "the first records", func() bool { n, _ := r.state(); return n == 50 })
	c.Close()
	c = up()
	defer c.Close()
	produce(t, producer(t, cfg), 50, 50)
	await(t, "the records after the restart", func() bool { n, _ := r.state(); return n == 100 })
	r.stop()
	if r.disorder {
		t.Error("records were read again after the restart")
	}
}

// TestEntitiesStayWithTheirPartner: the separator's part of a key does not decide
// the partition, so a partner's users are in the partner's own.
func TestEntitiesStayWithTheirPartner(t *testing.T) {
	_, cfg := broker(t, 7)
	p := producer(t, cfg)
	var msgs []kafkabus.Message
	for i := range 20 {
		owner := event.Key("acme", fmt.Sprintf("p-%d", i))
		for _, key := range []string{owner, owner + event.EntitySeparator + "user" + event.EntitySeparator + "u-1", owner + event.EntitySeparator + "user" + event.EntitySeparator + "u-2"} {
			msgs = append(msgs, kafkabus.Message{Topic: testTopic, Key: []byte(key), Value: []byte("x")})
		}
	}
	if err := p.Publish(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
	where, used := map[string]int{}, map[int]bool{}
	err := kafkabus.ReadAll(t.Context(), cfg, testTopic, func(r kafkabus.Record) error {
		owner, _, _ := strings.Cut(string(r.Key), event.EntitySeparator)
		if at, ok := where[owner]; ok && at != r.Partition {
			t.Errorf("%s is in partitions %d and %d", owner, at, r.Partition)
		}
		where[owner], used[r.Partition] = r.Partition, true
		return nil
	})
	if err != nil || len(where) != 20 || len(used) < 2 {
		t.Errorf("%d partners in %d partitions, %v", len(where), len(used), err)
	}
}
