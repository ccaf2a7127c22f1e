package kafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/kafkabus"
)

// serve runs a server; stop closes it in good order.
func serve(t *testing.T, cfg Config) (s *Server, bus kafkabus.Config, stop func()) {
	t.Helper()
	s = New(cfg, zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return s, kafkabus.Config{Brokers: []string{s.Addr()}}, stop
}

func publish(t *testing.T, bus kafkabus.Config, topic string, from, n int) {
	t.Helper()
	p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus}, zaptest.NewLogger(t), prometheus.NewRegistry())
	defer func() { _ = p.Close() }()
	for i := range n {
		m := kafkabus.Message{Topic: topic, Key: fmt.Append(nil, "key-", (from+i)%3), Value: fmt.Append(nil, from+i)}
		if err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

func values(t *testing.T, bus kafkabus.Config, topic string) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	if err := kafkabus.ReadAll(t.Context(), bus, topic, func(r kafkabus.Record) error {
		out[string(r.Value)] = r.Offset
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// consume takes part in a group until n records came, commits them, and gives them.
func consume(t *testing.T, bus kafkabus.Config, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := kafkabus.DefaultConsumerConfig("group")
	cfg.Config, cfg.Topics, cfg.FetchBytesMin = bus, []string{kafkabus.TopicEvents}, 1
	var out []string
	consumer := kafkabus.NewConsumer(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	err := consumer.Run(ctx, func(_ context.Context, g kafkabus.Generation) error {
		for b := range g.Batches() {
			for _, r := range b.Records {
				out = append(out, string(r.Value))
			}
			next := b.Records[len(b.Records)-1].Offset + 1
			if err := g.Commit(kafkabus.Offsets{{Topic: b.Topic, Partition: b.Partition}: next}); err != nil {
				return err
			}
			b.Release()
			if len(out) >= n {
				cancel()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ensure(t *testing.T, bus kafkabus.Config) {
	t.Helper()
	if err := kafkabus.EnsureTopics(t.Context(), bus, kafkabus.Topics(2)); err != nil {
		t.Fatal(err)
	}
}

func TestDataAndOffsetsSurviveARestartOnAnotherPort(t *testing.T) {
	cfg := Config{Addr: "127.0.0.1:0", DataDir: t.TempDir()}
	_, bus, stop := serve(t, cfg)
	ensure(t, bus)
	publish(t, bus, kafkabus.TopicEvents, 0, 20)
	if got := consume(t, bus, 20); len(got) != 20 {
		t.Fatalf("consumed %v", got)
	}
	stop()
	_, bus, stop = serve(t, cfg)
	ensure(t, bus)
	publish(t, bus, kafkabus.TopicEvents, 20, 5)
	if got := values(t, bus, kafkabus.TopicEvents); len(got) != 25 {
		t.Errorf("read %d records, want 25", len(got))
	}
	for _, v := range consume(t, bus, 5) {
		if len(v) != 2 || v < "20" {
			t.Errorf("record %s is delivered again", v)
		}
	}
	stop()
}

func TestSecondProcessOnTheDirectoryIsRefused(t *testing.T) {
	cfg := Config{Addr: "127.0.0.1:0", DataDir: t.TempDir()}
	_, _, stop := serve(t, cfg)
	err := New(cfg, zaptest.NewLogger(t)).Run(t.Context())
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("error is %v", err)
	}
	stop()
	serve(t, cfg)
}

func TestBusyPortNamesAddressAndFlag(t *testing.T) {
	first, _, _ := serve(t, Config{Addr: "127.0.0.1:0"})
	err := New(Config{Addr: first.Addr()}, zaptest.NewLogger(t)).Run(t.Context())
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), first.Addr()) || !strings.Contains(err.Error(), "--kafka-addr") {
		t.Errorf("error is %v", err)
	}
}

func TestWrongAddressesAreRefused(t *testing.T) {
	for _, addr := range []string{"", "9092", "0.0.0.0:0", ":0", "127.0.0.1:x"} {
		if err := New(Config{Addr: addr}, zaptest.NewLogger(t)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--kafka-addr") {
			t.Errorf("%q: error is %v", addr, err)
		}
	}
}

// child starts a broker process on dir.
func child(t *testing.T, dir string) (kill func(), bus kafkabus.Config) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()
		_ = stdin.Close()
	})
	t.Cleanup(kill)
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return kill, kafkabus.Config{Brokers: []string{strings.TrimSpace(addr)}}
}

// Every record that was acknowledged before a kill -9 is there after it, and so
// is every committed offset.
func TestAcknowledgedRecordsSurviveKill(t *testing.T) {
	dir := t.TempDir()
	kill, bus := child(t, dir)
	ensure(t, bus)
	var acked []string
	for round := range 3 {
		p := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus, AttemptsMax: 1}, zaptest.NewLogger(t), prometheus.NewRegistry())
		var mu sync.Mutex
		var writers sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for w := range 8 {
			writers.Go(func() {
				for i := range 100_000 {
					value := fmt.Sprintf("%d-%d-%d", round, w, i)
					if p.Publish(ctx, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(value), Value: []byte(value)}) != nil {
						return
					}
					mu.Lock()
					acked = append(acked, value)
					enough := len(acked) >= 150*(round+1)
					mu.Unlock()
					if enough {
						kill()
					}
				}
			})
		}
		writers.Wait()
		cancel()
		_ = p.Close()
		kill, bus = child(t, dir)
		got := values(t, bus, kafkabus.TopicEvents)
		for _, value := range acked {
			if _, ok := got[value]; !ok {
				t.Errorf("acknowledged record %s is lost", value)
			}
		}
	}
	first := consume(t, bus, len(acked))
	kill()
	_, bus = child(t, dir)
	publish(t, bus, kafkabus.TopicEvents, 0, 1)
	if again := consume(t, bus, 1); len(again) != 1 {
		t.Errorf("after %d consumed and committed, %d were delivered again", len(first), len(again)-1)
	}
}

func cleanAt(t *testing.T, s *Server, dir string, now time.Time) {
	t.Helper()
	c := &cleaner{cluster: s.cluster, addr: s.Addr(), dataDir: dir, log: zaptest.NewLogger(t)}
	if err := c.clean(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

func retentionOf(t *testing.T, bus kafkabus.Config, topic string) time.Duration {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(bus.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all, err := retentions(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return all[topic].age
}

// What is too old goes, but the numbering of a partition never starts again,
// whatever is deleted and however the broker ends.
func TestRetentionKeepsTheNumbering(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Addr: "127.0.0.1:0", DataDir: dir}
	s, bus, stop := serve(t, cfg)
	ensure(t, bus)
	publish(t, bus, kafkabus.TopicEvents, 0, 30) // a batch each
	cleanAt(t, s, dir, time.Now())
	if got := values(t, bus, kafkabus.TopicEvents); len(got) != 30 {
		t.Errorf("%d young records are left of 30", len(got))
	}
	cleanAt(t, s, dir, time.Now().Add(8*24*time.Hour))
	if got := values(t, bus, kafkabus.TopicEvents); len(got) < 1 || len(got) > 2 {
		t.Errorf("%d old records are left, want the last of each partition", len(got))
	}
	if got := retentionOf(t, bus, kafkabus.TopicEvents); got != 7*24*time.Hour {
		t.Errorf("retention is %v after cleaning", got)
	}
	stop()
	_, bus, _ = serve(t, cfg)
	publish(t, bus, kafkabus.TopicEvents, 30, 3) // one for each key
	total := int64(0)
	last := map[string]int64{}
	for value, offset := range values(t, bus, kafkabus.TopicEvents) {
		last[value] = offset
	}
	for _, value := range []string{"30", "31", "32"} {
		total += last[value]
	}
	if total < 30 {
		t.Errorf("offsets begin again: %v", last)
	}
}

func TestCompactionKeepsTheLatestOfEachKey(t *testing.T) {
	dir := t.TempDir()
	s, bus, _ := serve(t, Config{Addr: "127.0.0.1:0", DataDir: dir})
	ensure(t, bus)
	publish(t, bus, kafkabus.TopicScores, 0, 60)
	publish(t, bus, kafkabus.TopicDrop, 0, 10)
	cleanAt(t, s, dir, time.Now())
	got := values(t, bus, kafkabus.TopicScores)
	for _, latest := range []string{"57", "58", "59"} {
		if _, ok := got[latest]; !ok {
			t.Errorf("latest record %s is gone", latest)
		}
	}
	if len(got) > 6 {
		t.Errorf("%d records are left for three keys", len(got))
	}
	if got := values(t, bus, kafkabus.TopicDrop); len(got) != 10 {
		t.Errorf("%d records of a topic that is not compacted are left of 10", len(got))
	}
}

// A kill during compaction leaves topics that keep everything; the next start
// sets them right.
func TestRetentionIsRestoredAtTheStart(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Addr: "127.0.0.1:0", DataDir: dir}
	_, bus, stop := serve(t, cfg)
	ensure(t, bus)
	stop()
	saved := filepath.Join(dir, savedFile)
	if err := os.WriteFile(saved, []byte(`{"engagement.events.v1":3600000,"gone":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, bus, _ = serve(t, cfg)
	if got := retentionOf(t, bus, kafkabus.TopicEvents); got != time.Hour {
		t.Errorf("retention is %v, want the saved hour", got)
	}
	if _, err := os.Stat(saved); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the saved file is still there: %v", err)
	}
}

// A member that is killed while its join waits must not keep its partitions for ever.
// Several groups: kfake gives such a member a session or none by chance.
func TestMemberKilledWhileItsJoinWaits(t *testing.T) {
	s, bus, _ := serve(t, Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), NoSync: true})
	ensure(t, bus)
	var groups sync.WaitGroup
	defer groups.Wait()
	for i := range 6 {
		groups.Go(func() { memberKilledWhileItsJoinWaits(t, s, bus, fmt.Sprintf("group-%d", i)) })
	}
}

func memberKilledWhileItsJoinWaits(t *testing.T, s *Server, bus kafkabus.Config, group string) {
	cfg := kafkabus.DefaultConsumerConfig(group)
	cfg.Config, cfg.Topics = bus, []string{kafkabus.TopicEvents}
	cfg.SessionTimeout, cfg.HeartbeatInterval = 6*time.Second, 2*time.Second
	ctx, cancel := context.WithCancel(t.Context())
	var generations atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- kafkabus.NewConsumer(cfg, zaptest.NewLogger(t), prometheus.NewRegistry()).Run(ctx, func(_ context.Context, g kafkabus.Generation) error {
			generations.Add(1)
			for b := range g.Batches() {
				b.Release()
			}
			return nil
		})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	await(t, group+": the first member has joined", func() bool { return generations.Load() == 1 })
	// In these versions a first join waits at once, as kafka-go's does.
	killed, err := kgo.NewClient(kgo.SeedBrokers(bus.Brokers...), kgo.MaxVersions(kversion.V0_11_0()))
	if err != nil {
		t.Error(err)
		return
	}
	joining, kill := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer kill()
	if _, err := joinRequest(group, kafkabus.TopicEvents).RequestWith(joining, killed); err == nil {
		t.Log(group, "answered the join at once: its member has a session in any case")
	}
	killed.Close()
	await(t, group+": a generation with the dead member", func() bool { return generations.Load() >= 2 })
	await(t, group+": all partitions back at the member that lives", func() bool {
		members := s.cluster.GroupInfo(group).Members
		return len(members) == 1 && len(members[0].Assignment[kafkabus.TopicEvents]) == 2
	})
}

func joinRequest(group, topic string) *kmsg.JoinGroupRequest {
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", subscription.AppendTo(nil)
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.ProtocolType, r.Protocols = group, "consumer", []kmsg.JoinGroupRequestProtocol{protocol}
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 6000, 20000
	return r
}

// await polls until ok, or lets the test fail after a generous time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never happened: %s", what)
			return
		}
	}
}
