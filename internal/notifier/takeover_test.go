package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// member runs the whole notifier as a member of the group, until it is ended.
func member(ctx context.Context, s childSpec, store *chstore.Store) error {
	cfg := DefaultConfig()
	cfg.Endpoints = []Endpoint{local(s.URL)}
	cfg.PlanInterval, cfg.SendInterval = 20*time.Millisecond, 10*time.Millisecond
	cfg.Retries = []time.Duration{50 * time.Millisecond, 50 * time.Millisecond, time.Second, time.Second, time.Second}
	source := kafkabus.DefaultConsumerConfig("notifiers")
	source.Brokers, source.Topics = []string{s.Broker}, Topics()
	// The least that the broker allows: a killed member keeps its partitions for so long.
	source.SessionTimeout, source.HeartbeatInterval = 6*time.Second, 200*time.Millisecond
	n, err := New(cfg, Deps{Store: store, Source: kafkabus.NewConsumer(source, zap.NewNop(), prometheus.NewRegistry())}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// staff is the notifiers of a test, each in a process of its own.
type staff struct {
	t    *testing.T
	spec childSpec
}

func (s staff) hire() *exec.Cmd {
	s.t.Helper()
	spec, err := json.Marshal(s.spec)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"="+string(spec)), os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

func (s staff) signal(cmd *exec.Cmd, sig syscall.Signal) {
	s.t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// TestNotifiersTakeOver has alerts come all the time while notifiers join the group,
// are stopped for longer than their session lasts, go on, and are killed. Everything
// arrives, and whatever arrives twice has the same id and says the same.
func TestNotifiersTakeOver(t *testing.T) {
	store, addr, database := newStore(t)
	receiver := newReceiver(t)
	kafkaConfig := broker(t)
	bus := kafkabus.NewProducer(kafkabus.DefaultProducerConfig(kafkaConfig), zap.NewNop(), prometheus.NewRegistry())
	receiver.say(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(40 * time.Millisecond) // so that most of the time one is under way
		w.WriteHeader(http.StatusNoContent)
	})
	published := 0
	publish := func(n int) {
		t.Helper()
		var msgs []kafkabus.Message
		for range n {
			published++
			msgs = append(msgs, transition(fmt.Sprintf("a%04d", published), fmt.Sprintf("p%d", published%37), "firing", 1))
		}
		if err := bus.Publish(t.Context(), msgs...); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(90 * time.Second)
	await := func(what string, enough func(told map[string]map[string]bool) bool) {
		t.Helper()
		for !enough(told(t, receiver.got())) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d of %d alerts told, deliveries %v", what, len(told(t, receiver.got())), published, newRig(t, store, nil).fates())
			}
			publish(1)
			time.Sleep(20 * time.Millisecond)
		}
	}
	atLeast := func(n int) func(map[string]map[string]bool) bool {
		return func(told map[string]map[string]bool) bool { return len(told) >= n }
	}
	s := staff{t, childSpec{Addr: addr, Database: database, URL: receiver.URL, Broker: kafkaConfig.Brokers[0]}}
	first := s.hire()
	await("one", atLeast(20))
	second := s.hire() // a rebalance in the middle
	await("two share", func(told map[string]map[string]bool) bool { return len(told) >= 60 })
	s.signal(first, syscall.SIGSTOP)
	await("the first is stopped", atLeast(published+40)) // the second takes over, if it did not lead
	s.signal(first, syscall.SIGCONT)
	await("the first goes on", atLeast(published+20))
	s.signal(second, syscall.SIGKILL)
	await("the second is killed", atLeast(published+40))
	third := s.hire()
	s.signal(first, syscall.SIGKILL)
	await("the first is killed", atLeast(published+20))
	all := published
	for len(told(t, receiver.got())) < all {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d alerts told", len(told(t, receiver.got())), all)
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.signal(third, syscall.SIGTERM)

	byID, repeated := make(map[string]string), 0
	for _, q := range receiver.got() {
		if body, ok := byID[q.id]; ok {
			repeated++
			if body != string(q.body) {
				t.Errorf("%s says two things", q.id)
			}
		}
		byID[q.id] = string(q.body)
	}
	for alert, ids := range told(t, receiver.got()) {
		if len(ids) != 1 {
			t.Errorf("alert %s was told in %d messages", alert, len(ids))
		}
	}
	t.Logf("%d alerts in %d messages, %d of them received again", all, len(byID), repeated)
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
}

// told gives the ids of the messages that tell each alert.
func told(t *testing.T, requests []request) map[string]map[string]bool {
	t.Helper()
	out := make(map[string]map[string]bool)
	for _, q := range requests {
		var m struct {
			Data struct {
				Alerts []struct {
					Alert struct {
						ID string `json:"alert_id"`
					} `json:"alert"`
				} `json:"alerts"`
			} `json:"data"`
		}
		if err := json.Unmarshal(q.body, &m); err != nil {
			t.Fatal(err)
		}
		for _, a := range m.Data.Alerts {
			if out[a.Alert.ID] == nil {
				out[a.Alert.ID] = make(map[string]bool)
			}
			out[a.Alert.ID][q.id] = true
		}
	}
	return out
}

// TestOverlappingMessages: a notifier that was stopped while it planned writes its
// message down after another has planned otherwise. Each alert is told once.
func TestOverlappingMessages(t *testing.T) {
	for name, test := range map[string]struct {
		sentFirst bool // the other's message has been delivered when the late one appears
		requests  int
	}{"before the other's is sent": {false, 2}, "after the other's was sent": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			store, _, _ := newStore(t)
			receiver := newReceiver(t)
			stopped, other := newRig(t, store, nil, local(receiver.URL)), newRig(t, store, nil, local(receiver.URL))
			stopped.know(named("a1", "p"))
			late := &lateStore{Store: store}
			stopped.deps.Store = late
			if err := stopped.Plan(t.Context()); err != nil {
				t.Fatal(err)
			}
			other.now = noon.Add(time.Second)
			other.know(named("a2", "q"))
			if err := other.Plan(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.sentFirst {
				if err := other.send(t.Context(), &other.cfg.Endpoints[0]); err != nil {
					t.Fatal(err)
				}
			}
			late.release(t)
			for range 3 {
				other.now = other.now.Add(time.Second)
				other.round()
			}
			got := told(t, receiver.got())
			if len(got["a1"]) != 1 || len(got["a2"]) != 1 || len(receiver.got()) != test.requests {
				t.Errorf("%d requests, messages by alert %v, %v", len(receiver.got()), got, other.fates())
			}
		})
	}
}

// named is an alert whose data say which it is, as on the topic.
func named(id, partner string) Alert {
	a := firing(id, partner, "sessions_drop", "kim")
	a.Data = fmt.Appendf(nil, `{"alert_id":%q}`, id)
	return a
}

// lateStore keeps what is written until it is released.
type lateStore struct {
	Store
	table string
	cols  []chstore.Column
}

func (s *lateStore) InsertColumns(_ context.Context, table string, cols []chstore.Column) error {
	if s.table != "" {
		return errors.New("already holds something")
	}
	s.table, s.cols = table, cols
	return nil
}

func (s *lateStore) release(t *testing.T) {
	t.Helper()
	if err := s.Store.InsertColumns(t.Context(), s.table, s.cols); err != nil {
		t.Fatal(err)
	}
}
