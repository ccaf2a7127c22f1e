package aggregator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/kafkabus"
)

// workerEnv makes the test binary an aggregator's process.
const workerEnv = "PARTNERPULSE_TEST_AGGREGATOR"

// workerSpec is what such a process works with.
type workerSpec struct {
	ClickHouse, Database string
	Brokers              []string
	Now                  time.Time
}

// replicaConfig is the configuration of every worker of the test.
func replicaConfig() aggregator.Config {
	cfg := testConfig("UTC")
	cfg.Interval, cfg.RetryMax, cfg.BatchKeysMax = 50*time.Millisecond, 200*time.Millisecond, 20
	cfg.PublishAgeDaysMax = 400
	return cfg
}

// tellingGroup prints whether the tenant is this worker's, or that it left the group.
type tellingGroup struct{ *kafkabus.Shards }

func (g tellingGroup) Run(ctx context.Context, work func(context.Context, kafkabus.Share) error) error {
	return g.Shards.Run(ctx, func(ctx context.Context, share kafkabus.Share) error {
		if share.Owns(tenantID) {
			fmt.Println("serving")
		} else {
			fmt.Println("waiting")
		}
		defer fmt.Println("out")
		return work(ctx, share)
	})
}

// runWorker is an aggregator until it is killed or its standard input ends.
func runWorker(text string) error {
	var spec workerSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	ch := chstore.DefaultConfig()
	ch.Addr, ch.Database = config.List{spec.ClickHouse}, spec.Database
	reg := prometheus.NewRegistry()
	store, err := chstore.Open(ch, zap.NewNop(), reg)
	if err != nil {
		return err
	}
	bus := kafkabus.Config{Brokers: spec.Brokers, ClientID: "worker"}
	group := kafkabus.NewShards(kafkabus.ConsumerConfig{
		Config: bus, Group: "aggregators", Topics: []string{kafkabus.TopicShards},
		SessionTimeout: 2 * time.Second, HeartbeatInterval: 200 * time.Millisecond,
		RebalanceTimeout: 30 * time.Second, // longer than a batch on a busy machine: a worker that is late is not thrown out
	}, zap.NewNop(), reg)
	agg, err := aggregator.New(replicaConfig(), aggregator.Deps{
		Store: store, Publisher: kafkabus.NewProducer(kafkabus.DefaultProducerConfig(bus), zap.NewNop(), reg), Group: tellingGroup{group},
		Now: func() time.Time { return spec.Now }, // the same for all: nothing may rest on clocks
	}, zap.NewNop(), reg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test's process
		cancel()
	}()
	return agg.Run(ctx)
}

// worker is a running process.
type worker struct {
	cmd   *exec.Cmd
	stdin io.Closer
	state atomic.Value // the last line
}

func (w *worker) is(state string) bool { return w.state.Load() == state }

func startWorker(t *testing.T, spec workerSpec) *worker {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{cmd: exec.Command(os.Args[0])}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+string(text))
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.state.Store(lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it may be gone
		_, _ = w.cmd.Process.Wait()
	})
	return w
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1200 {
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("not within two minutes: %s", what)
}

// TestTakeover kills and freezes the active one of two aggregators while they work off
// a history; what comes out must be the same as from one that nobody disturbed.
func TestTakeover(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 5, 20, 15, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(8, 8))
	events := history(rng, 1500, 45, end, "e")
	calm := newWorld(t, "UTC", end)
	calm.cfg = replicaConfig()
	calm.cfg.BatchKeysMax = testConfig("UTC").BatchKeysMax // where a batch ends must not matter
	calm.restart()
	calm.send(events...)
	calm.settle()

	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if err := kafkabus.EnsureTopics(t.Context(), kafkabus.Config{Brokers: cluster.ListenAddrs()}, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	rough := newWorld(t, "UTC", end)
	rough.spoilt = true
	rough.send(events...)
	spec := workerSpec{ClickHouse: rough.address, Database: rough.database, Brokers: cluster.ListenAddrs(), Now: end}
	active, standby := startWorker(t, spec), startWorker(t, spec)
	for round := range 4 {
		eventually(t, "one of the workers is given the tenant, the other waits", func() bool {
			return active.is("serving") && standby.is("waiting") || active.is("waiting") && standby.is("serving")
		})
		if standby.is("serving") {
			active, standby = standby, active
		}
		time.Sleep(time.Duration(200+rng.IntN(900)) * time.Millisecond) // into a batch
		if round%2 == 0 {
			if err := active.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_, _ = active.cmd.Process.Wait() // killed
			eventually(t, "the standby takes over from the killed one", func() bool { return standby.is("serving") })
			active, standby = standby, startWorker(t, spec)
			continue
		}
		if err := active.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the standby takes over from the frozen one", func() bool { return standby.is("serving") })
		time.Sleep(time.Duration(rng.IntN(800)) * time.Millisecond)
		if err := active.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	rough.await(calm)
	if diff := gocmp.Diff(calm.state(), rough.state()); diff != "" {
		t.Fatalf("state after takeovers (-without +with):\n%s", diff)
	}
	const order = "tenant, partner_id, transition_id"
	if diff := gocmp.Diff(calm.dump("alerts", order), rough.dump("alerts", order)); diff != "" {
		t.Fatalf("alerts after takeovers (-without +with):\n%s", diff)
	}
	published := consume(t, cluster.ListenAddrs(), kafkabus.TopicDrop)
	sameMessages(t, calm.bus.on(kafkabus.TopicDrop), published)
	if len(published) == 0 || len(published) > len(calm.bus.on(kafkabus.TopicDrop)) {
		t.Errorf("%d transitions were published, %d without takeovers", len(published), len(calm.bus.on(kafkabus.TopicDrop)))
	}
	sameMessages(t, lastOfEachKey(calm.bus.on(kafkabus.TopicScores)), lastOfEachKey(consume(t, cluster.ListenAddrs(), kafkabus.TopicScores)))
}

// await waits until a world's keys are worked off and its progress is as the other's.
func (w *world) await(other *world) {
	w.t.Helper()
	progress := func(w *world) string {
		return strings.Join(w.dump("(SELECT * FROM partner_progress FINAL)", "partner_id"), "\n")
	}
	want := progress(other)
	for range 1200 {
		var dirty []struct {
			Keys uint64 `ch:"n"`
		}
		err := w.store.Select(context.Background(), &dirty, `SELECT count() AS n FROM
			(SELECT day FROM dirty_days GROUP BY hour, tenant, partner_id, day HAVING sum(marked) > max(done))`, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if dirty[0].Keys == 0 && progress(w) == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("not within two minutes: the progress is\n%s\nwant\n%s", progress(w), want)
}

// lastOfEachKey keeps the last message of each key.
func lastOfEachKey(msgs []kafkabus.Message) []kafkabus.Message {
	last := make(map[string]kafkabus.Message)
	for _, m := range msgs {
		last[string(m.Key)] = m
	}
	var out []kafkabus.Message
	for _, m := range last {
		out = append(out, m)
	}
	return out
}

// consume reads a topic to its end.
func consume(t *testing.T, brokers []string, topic string) []kafkabus.Message {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var out []kafkabus.Message
	for quiet := 0; quiet < 3; {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		quiet++
		fetches.EachRecord(func(r *kgo.Record) {
			quiet = 0
			out = append(out, kafkabus.Message{Topic: topic, Key: r.Key, Value: r.Value})
		})
	}
	return out
}
