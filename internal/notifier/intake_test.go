package notifier

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/kafkabus"
)

// broker starts an embedded Kafka with the topics.
func broker(t *testing.T) kafkabus.Config {
	t.Helper()
	server := kafka.New(kafka.Config{Addr: "127.0.0.1:0", Partitions: 3}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-server.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	cfg := kafkabus.Config{Brokers: config.List{server.Addr()}}
	if err := kafkabus.EnsureTopics(t.Context(), cfg, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func transition(alert, partner, status string, sequence int) kafkabus.Message {
	return kafkabus.Message{Topic: kafkabus.TopicDrop, Key: []byte("demo/" + partner), Value: fmt.Appendf(nil,
		`{"specversion":"1.0","id":"%s-%d","source":"/demo","type":"partnerpulse.drop.v1","subject":"%s","tenant":"demo","data":`+
			`{"alert_id":"%s","rule":"sessions_drop","status":"%s","severity":"warning","owner":"kim","sequence":%d,"drop_pct":50,"estimated_change_at":"2026-10-20"}}`,
		alert, sequence, partner, alert, status, sequence)}
}

// TestFromTheTopicToTheReceiver runs the notifier against a broker: what is on the
// topic twice, or read again by the next process, is told once; what is no alert
// holds nothing up.
func TestFromTheTopicToTheReceiver(t *testing.T) {
	store, _, _ := newStore(t)
	receiver := newReceiver(t)
	kafkaConfig := broker(t)
	bus := kafkabus.NewProducer(kafkabus.DefaultProducerConfig(kafkaConfig), zap.NewNop(), prometheus.NewRegistry())
	publish := func(msgs ...kafkabus.Message) {
		t.Helper()
		if err := bus.Publish(t.Context(), msgs...); err != nil {
			t.Fatal(err)
		}
	}
	group := 0
	start := func() (n *Notifier, stop func()) {
		t.Helper()
		cfg := DefaultConfig()
		cfg.Endpoints = []Endpoint{local(receiver.URL)}
		cfg.PlanInterval, cfg.SendInterval = 50*time.Millisecond, 20*time.Millisecond
		source := kafkabus.DefaultConsumerConfig(fmt.Sprint("notifier-", group)) // another group reads everything again
		group++
		source.Config, source.Topics = kafkaConfig, Topics()
		n, err := New(cfg, Deps{Store: store, Source: kafkabus.NewConsumer(source, zap.NewNop(), prometheus.NewRegistry())}, zap.NewNop(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		return n, func() {
			t.Helper()
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	}
	await := func(requests int) {
		t.Helper()
		for len(receiver.got()) < requests {
			select {
			case <-t.Context().Done():
				t.Fatalf("%d of %d requests", len(receiver.got()), requests)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}

	firing := transition("a1", "p", "firing", 1)
	publish(firing, firing, kafkabus.Message{Topic: kafkabus.TopicDrop, Key: []byte("demo/p"), Value: []byte("not JSON")}, firing)
	n, stop := start()
	await(1)
	publish(transition("a1", "p", "resolved", 2))
	await(2)
	stop()
	if got := testutil.ToFloat64(n.metrics.unreadable); got != 1 {
		t.Errorf("%v records counted as unreadable", got)
	}

	publish(transition("a1", "p", "firing", 1), transition("a2", "q", "firing", 1)) // a replay, and news
	_, stop = start()
	await(3)
	stop()
	var rows []struct {
		Row string `ch:"row"`
	}
	q := "SELECT concat(alert_id, ' ', status, ' ', toString(sequence)) AS row FROM notifier_alerts FINAL ORDER BY row"
	if err := store.Select(t.Context(), &rows, q, nil); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, r := range rows {
		known = append(known, r.Row)
	}
	if diff := cmp.Diff([]string{"a1 resolved 2", "a2 firing 1"}, known); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"delivered 1", "delivered 1", "delivered 1"}, newRig(t, store, nil).fates()); diff != "" || len(receiver.got()) != 3 {
		t.Errorf("%d requests, %s", len(receiver.got()), diff)
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoAlert(t *testing.T) {
	good := transition("a1", "p", "firing", 1)
	if a, err := decode(good.Key, good.Value); err != nil || a.Partner != "p" || a.Owner != "kim" || a.Sequence != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	for name, m := range map[string]kafkabus.Message{
		"nothing":          {},
		"a tombstone":      {Key: good.Key},
		"another's key":    {Key: []byte("acme/p"), Value: good.Value},
		"no partner":       {Key: []byte("demo/"), Value: good.Value},
		"no data":          {Key: good.Key, Value: []byte(`{"id":"x","tenant":"demo"}`)},
		"data of no alert": {Key: good.Key, Value: []byte(`{"id":"x","tenant":"demo","data":{"alert_id":"a"}}`)},
		"a list":           {Key: good.Key, Value: []byte(`[]`)},
	} {
		if _, err := decode(m.Key, m.Value); !errors.Is(err, errNoAlert) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := transition("a1", "p", "firing", 1)
	f.Add(m.Key, m.Value)
	f.Add([]byte("demo/p"), []byte(`{"id":"x","tenant":"demo","data":null}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		a, err := decode(key, value)
		if err == nil && (a.Tenant == "" || a.ID == "" || a.Partner == "" || string(key) != a.Tenant+"/"+a.Partner) {
			t.Errorf("accepted %+v from key %q", a, key)
		}
	})
}
