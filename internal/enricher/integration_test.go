package enricher_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// engines gives a broker with all topics and a migrated database.
func engines(t *testing.T) (kafkabus.Config, *chstore.Store) {
	t.Helper()
	clickhouse := enginetest.ClickHouse(t)
	broker := kafka.New(kafka.Config{Addr: "127.0.0.1:0"}, zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- broker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-broker.Ready():
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	bus := kafkabus.Config{Brokers: []string{broker.Addr()}}
	if err := kafkabus.EnsureTopics(t.Context(), bus, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	cfg := chstore.DefaultConfig()
	cfg.Addr = []string{"http://" + clickhouse}
	cfg.Database = fmt.Sprintf("enricher_%d", time.Now().UnixNano())
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
	return bus, store
}

// enriching runs an enricher until the returned function is called.
func enriching(t *testing.T, bus kafkabus.Config, store enricher.Store, publisher enricher.Publisher, group string) (stop func()) {
	t.Helper()
	consumer := kafkabus.NewConsumer(kafkabus.ConsumerConfig{
		Config: bus, Group: group, Topics: []string{kafkabus.TopicEvents}, SessionTimeout: 6 * time.Second,
	}, zaptest.NewLogger(t), prometheus.NewRegistry())
	deps := enricher.Deps{Source: consumer, Store: store, Publisher: publisher}
	e := enricher.New(enricher.Config{FlushAgeMax: 100 * time.Millisecond}, deps, zaptest.NewLogger(t), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestABacklogIsStreamedIntoClickHouse: real inserts, of more rows than are held.
func TestABacklogIsStreamedIntoClickHouse(t *testing.T) {
	bus, store := engines(t)
	producer := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus}, zaptest.NewLogger(t), prometheus.NewRegistry())
	defer func() { _ = producer.Close() }()
	const events, held = 3000, 100
	var msgs []kafkabus.Message
	for i := range events {
		e := sample(fmt.Sprintf("e%04d", i))
		e.PartnerID = fmt.Sprintf("p-%d", i%7)
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(e.Key()), Value: value(t, e)})
	}
	if err := producer.Publish(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
	consumer := kafkabus.NewConsumer(kafkabus.ConsumerConfig{
		Config: bus, Group: "backlog", Topics: []string{kafkabus.TopicEvents}, SessionTimeout: 6 * time.Second, FetchBytesMax: 16 << 10,
	}, zaptest.NewLogger(t), prometheus.NewRegistry())
	streams := 0
	deps := enricher.Deps{Source: consumer, Store: store, Publisher: producer, Stream: func(ctx context.Context, table string) (enricher.Stream, error) {
		streams++
		return store.StartInsert(ctx, table)
	}}
	reg := prometheus.NewRegistry()
	e := enricher.New(enricher.Config{HoldRowsMax: held, FlushAgeMax: 200 * time.Millisecond}, deps, zaptest.NewLogger(t), reg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var got []struct {
		Rows  uint64 `ch:"r"`
		IDs   uint64 `ch:"i"`
		Parts uint64 `ch:"p"`
	}
	await(t, "all rows are stored", func() bool {
		got = nil
		if err := store.Select(t.Context(), &got, "SELECT count() AS r, uniqExact(id) AS i, uniqExact(_part) AS p FROM events", nil); err != nil {
			t.Fatal(err)
		}
		return got[0].IDs == events
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if streams == 0 || got[0].Rows != events || got[0].Parts > 2*uint64(streams)+1 {
		t.Errorf("%d streams gave %d rows in %d parts", streams, got[0].Rows, got[0].Parts)
	}
	failedStreams(t, reg, 0)
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// stored is what the test looks at of a row.
type stored struct {
	ID           string    `ch:"id"`
	Tenant       string    `ch:"tenant"`
	PartnerID    string    `ch:"partner_id"`
	Day          time.Time `ch:"day"`
	Time         time.Time `ch:"time"`
	Type         string    `ch:"type"`
	Device       string    `ch:"device"`
	OS           string    `ch:"os"`
	Browser      string    `ch:"browser"`
	IsBot        bool      `ch:"is_bot"`
	Enrichments  []string  `ch:"enrichments"`
	ViewID       string    `ch:"view_id"`
	EngagedMS    uint32    `ch:"engaged_ms"`
	MaxScrollPct uint8     `ch:"max_scroll_pct"`
	Amount       string    `ch:"amount"`
	NPS          *uint8    `ch:"nps"`
	ScoreScaled  *float32  `ch:"score_scaled"`
	Progress     float32   `ch:"progress"`
	ExpiresAt    string    `ch:"expires_at"`
	Data         string    `ch:"data"`
	IP           string    `ch:"ip"`
}

const selectStored = `SELECT id, tenant, partner_id, day, time, type, device, os, browser, is_bot, enrichments, view_id,
	engaged_ms, max_scroll_pct, toString(amount) AS amount, nps, score_scaled, progress,
	ifNull(toString(expires_at), '') AS expires_at, data, ip FROM events FINAL ORDER BY id`

func ptr[T any](v T) *T { return &v }

func TestRecordsBecomeRowsInClickHouse(t *testing.T) {
	bus, store := engines(t)
	producer := kafkabus.NewProducer(kafkabus.ProducerConfig{Config: bus}, zaptest.NewLogger(t), prometheus.NewRegistry())
	defer func() { _ = producer.Close() }()

	view := sample("e1")
	deal := sample("e2")
	deal.Type, deal.Data, deal.PartnerID = event.DealWon, []byte(`{"deal_id":"d1","amount":48000.55555,"currency":"EUR"}`), "p-0002"
	passed := sample("e3")
	passed.Type, passed.Time = event.TrainingPassed, time.Date(2025, 2, 28, 23, 59, 59, 999e6, time.UTC)
	passed.Data = []byte(`{"course_id":"c","score_scaled":0.5,"progress":100,"expires_at":"2027-02-28T00:00:00+01:00"}`)
	answered := sample("e4")
	answered.Type, answered.Data, answered.Context = event.SurveyNPSAnswered, []byte(`{"survey_id":"s","score":0}`), event.Context{}
	later := sample("e1") // a retry with other content: the first accepted copy wins
	later.ReceivedAt, later.IP = later.ReceivedAt.Add(time.Second), "198.51.100.0"
	far := sample("far")
	far.Time = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

	var msgs []kafkabus.Message
	for _, e := range []*event.Event{later, view, view, deal, passed, answered, far} {
		msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(e.Key()), Value: value(t, e)})
	}
	msgs = append(msgs, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte("demo/p-0001"), Value: []byte("garbage")})
	if err := producer.Publish(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}

	stop := enriching(t, bus, store, producer, "one")
	rejects := func() (out []kafkabus.Record) {
		if err := kafkabus.ReadAll(t.Context(), bus, kafkabus.TopicRejects, func(r kafkabus.Record) error {
			out = append(out, r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	await(t, "two rejects", func() bool { return len(rejects()) == 2 })
	var rows []stored
	await(t, "four rows", func() bool {
		rows = nil
		if err := store.Select(t.Context(), &rows, selectStored, nil); err != nil {
			t.Fatal(err)
		}
		return len(rows) == 4
	})
	stop()
	day := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)
	all := []string{"ip/1", "user_agent/1", "bot/2", "url/1", "referrer/1", "clock/1"}
	chrome := stored{Tenant: "demo", PartnerID: "p-0001", Day: day, Time: view.Time, Device: "desktop", OS: "Windows", Browser: "Chrome",
		Enrichments: all, Amount: "0", IP: "203.0.113.0"}
	want := []stored{chrome, chrome, chrome, chrome}
	want[0].ID, want[0].Type, want[0].Data = "e1", "content.engaged", string(view.Data)
	want[0].ViewID, want[0].EngagedMS, want[0].MaxScrollPct = "v1", 45000, 87
	want[1].ID, want[1].Type, want[1].PartnerID, want[1].Amount, want[1].Data = "e2", "deal.won", "p-0002", "48000.5556", string(deal.Data)
	want[2].ID, want[2].Type, want[2].Time, want[2].Data = "e3", "training.passed", passed.Time, string(passed.Data)
	want[2].Day, want[2].ScoreScaled, want[2].Progress = time.Date(2025, 2, 28, 0, 0, 0, 0, time.UTC), ptr(float32(0.5)), 1
	want[2].ExpiresAt = "2027-02-27 23:00:00.000"
	want[3].ID, want[3].Type, want[3].NPS, want[3].Data = "e4", "survey.nps_answered", ptr(uint8(0)), string(answered.Data)
	want[3].Device, want[3].OS, want[3].Browser, want[3].Enrichments = "", "", "", []string{"ip/1", "bot/2", "clock/1"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}

	var marks []struct {
		Key string `ch:"key"`
	}
	err := store.Select(t.Context(), &marks, `SELECT concat(partner_id, ' ', toString(day)) AS key FROM dirty_days
		GROUP BY hour, tenant, partner_id, day HAVING sum(marked) > max(done) ORDER BY key`, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range marks {
		keys = append(keys, m.Key)
	}
	if !slices.Equal(keys, []string{"p-0001 2025-02-28", "p-0001 2026-11-03", "p-0002 2026-11-03"}) {
		t.Errorf("dirty keys are %v", keys)
	}
	replay(t, bus, store, producer, rows)
}

// replay reads the whole topic again in another group: not a row changes.
func replay(t *testing.T, bus kafkabus.Config, store *chstore.Store, publisher enricher.Publisher, before []stored) {
	t.Helper()
	count := func() (n uint64) {
		var out []struct {
			N uint64 `ch:"n"`
		}
		if err := store.Select(t.Context(), &out, "SELECT sum(marked) AS n FROM dirty_days WHERE partner_id = 'p-0002'", nil); err != nil {
			t.Fatal(err)
		}
		return out[0].N
	}
	var first []struct {
		M uint64 `ch:"m"`
	}
	const fewest = "SELECT min(m) AS m FROM (SELECT sum(marked) AS m FROM dirty_days GROUP BY tenant, partner_id, day)"
	if err := store.Select(t.Context(), &first, fewest, nil); err != nil {
		t.Fatal(err)
	}
	if count() == 0 {
		t.Fatal("no marks")
	}
	stop := enriching(t, bus, store, publisher, "two")
	await(t, "all keys are marked again", func() bool {
		var again []struct {
			M uint64 `ch:"m"`
		}
		if err := store.Select(t.Context(), &again, fewest, nil); err != nil {
			t.Fatal(err)
		}
		return again[0].M > first[0].M
	})
	stop()
	var rows []stored
	if err := store.Select(t.Context(), &rows, selectStored, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, rows); diff != "" {
		t.Errorf("a replay changed rows: %s", diff)
	}
}
