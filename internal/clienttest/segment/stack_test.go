package segment_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/browsertest"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/schemas"
)

// running runs a part until the test ends.
func running(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// newStore gives a migrated database of its own.
func newStore(t *testing.T) *chstore.Store {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr = []string{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("segment_%d", time.Now().UnixNano())
	store, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return store
}

// newPipe starts a broker and an enricher into the store, and gives the way in.
func newPipe(t *testing.T, store *chstore.Store) *kafkabus.Producer {
	t.Helper()
	log := zaptest.NewLogger(t)
	broker := kafka.New(kafka.Config{Addr: "127.0.0.1:0"}, log)
	running(t, broker.Run)
	select {
	case <-broker.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the broker does not start")
	}
	bus := kafkabus.Config{Brokers: []string{broker.Addr()}}
	if err := kafkabus.EnsureTopics(t.Context(), bus, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	producer := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus}, log, prometheus.NewRegistry())
	t.Cleanup(func() { _ = producer.Close() })
	consumer := kafkabus.NewConsumer(kafkabus.ConsumerConfig{
		Config: bus, Group: "segment-clients", Topics: []string{kafkabus.TopicEvents}, SessionTimeout: 6 * time.Second,
	}, log, prometheus.NewRegistry())
	e := enricher.New(enricher.Config{FlushAgeMax: 100 * time.Millisecond},
		enricher.Deps{Source: consumer, Store: store, Publisher: producer}, log, prometheus.NewRegistry())
	running(t, e.Run)
	return producer
}

// row is what is compared of an event and its row.
type row struct {
	ID      string `ch:"id"`
	Type    string `ch:"type"`
	Tenant  string `ch:"tenant"`
	Partner string `ch:"partner_id"`
	User    string `ch:"user_id"`
	Visitor string `ch:"anonymous_id"`
	Source  string `ch:"source"`
	URL     string `ch:"url"`
	Data    string `ch:"data"`
}

// TestEverySDKReachesClickHouse: all calls of all four SDKs are rows with the type,
// partner, person and fields that they had when they were accepted.
func TestEverySDKReachesClickHouse(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	store := newStore(t)
	s := newStand(t, newPipe(t, store), modules, `{}`)
	runScript(t, modules, "analytics-node.cjs", s.collector, serverKey)
	runScript(t, modules, "rudder-node.cjs", s.collector, serverKey)
	served, _ := s.taken()
	if len(served) != 2*len(became()) {
		t.Fatalf("%d events of the server-side SDKs", len(served))
	}
	ctx, _ := browsertest.NewBrowser(t)
	visit(t, ctx, s)
	before, _ := s.taken()
	open(t, ctx, s.site+"/rudder")
	await(t, "the page of RudderStack's browser SDK", func() bool {
		events, _ := s.taken()
		return len(events) == len(before)+1
	})
	events, _ := s.taken()
	want := map[string]row{}
	for _, e := range events {
		want[e.ID] = row{e.ID, string(e.Type), e.Tenant, e.PartnerID, e.UserID, e.AnonymousID, string(e.Source), e.Context.URL, canonical(t, string(e.Data))}
	}
	var got []row
	await(t, "the rows", func() bool {
		got = nil
		err := store.Select(t.Context(), &got, `SELECT id, type, tenant, partner_id, user_id, anonymous_id, source, url, data FROM events FINAL`, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(got) >= len(want)
	})
	rows := map[string]row{}
	for _, r := range got {
		r.Data = canonical(t, r.Data)
		rows[r.ID] = r
	}
	if diff := cmp.Diff(want, rows); diff != "" || len(got) != len(want) {
		t.Errorf("%d rows of %d events: %s", len(got), len(want), diff)
	}
}
