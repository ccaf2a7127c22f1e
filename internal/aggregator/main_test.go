package aggregator_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) {
	for variable, run := range map[string]func(string) error{workerEnv: runWorker, childVariable: child} {
		if spec := os.Getenv(variable); spec != "" {
			if err := run(spec); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(enginetest.Main(m))
}

// world is a tenant with its store, its aggregator and everything it was sent.
type world struct {
	t      testing.TB
	store  *chstore.Store
	faulty *faultyStore
	bus    *recordingBus
	cfg    aggregator.Config
	agg    *aggregator.Aggregator
	loc    *time.Location
	now    time.Time
	events map[string]sent // by partner and id, first accepted copy
	looks  int             // at the clock of rescoredAt

	address, database string // where the store is
	spoilt            bool   // processes worked on it that may still do: it is not for others
}

// pool has migrated databases that are empty: migrating takes as long as many a test.
type pool struct {
	sync.Mutex
	free []string
}

var databases pool //nolint:gochecknoglobals // of the test process, as its engine is

// take gives a database, or says that a fresh one has to be made.
func (p *pool) take() (name string, fresh bool) {
	p.Lock()
	defer p.Unlock()
	if len(p.free) == 0 {
		return "", true
	}
	name, p.free = p.free[0], p.free[1:]
	return name, false
}

func (p *pool) give(name string) {
	p.Lock()
	defer p.Unlock()
	p.free = append(p.free, name)
}

// leave empties the database for the next test, or drops it.
func (w *world) leave() error {
	ctx := context.Background()
	if w.spoilt || w.t.Failed() {
		return w.store.Exec(ctx, "DROP DATABASE IF EXISTS "+w.database, nil)
	}
	var tables []struct {
		Name string `ch:"name"`
	}
	q := "SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0 AND name != 'schema_migrations'"
	if err := w.store.Select(ctx, &tables, q, nil); err != nil {
		return err
	}
	for _, t := range tables {
		if err := w.store.Exec(ctx, "TRUNCATE TABLE "+t.Name, nil); err != nil {
			return err
		}
	}
	databases.give(w.database)
	return nil
}

const tenantID = "demo"

// sent is a stored event as the tests know it.
type sent struct {
	session.Event
	Partner       string
	Internal, Bot bool
	Results       uint32
	NPS           *uint8
	Stage, Prev   string
	Data          string
	Course        string
	Expires       *time.Time // of a certification
}

func newWorld(t testing.TB, tz string, now time.Time) *world {
	t.Helper()
	loc, err := time.LoadLocation(tz)
	if err != nil {
		t.Fatal(err)
	}
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	var fresh bool
	if cfg.Database, fresh = databases.take(); fresh {
		cfg.Database = fmt.Sprintf("agg_%d", time.Now().UnixNano())
	}
	store, err := chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, store: store, faulty: &faultyStore{Store: store}, bus: &recordingBus{}, loc: loc, now: now,
		events: make(map[string]sent), cfg: testConfig(tz), address: cfg.Addr[0], database: cfg.Database,
	}
	t.Cleanup(func() {
		if err := w.leave(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if fresh {
		migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Migrate(t.Context(), migrations); err != nil {
			t.Fatal(err)
		}
	}
	w.restart()
	return w
}

func testConfig(tz string) aggregator.Config {
	cfg := aggregator.DefaultConfig()
	cfg.Detect.Thresholds = detect.FormLorden // no table to compute at every start
	cfg.Settle, cfg.SettleMax = 0, 0          // the clock of these tests stands still
	cfg.Tenants = []aggregator.Tenant{{ID: tenantID, Timezone: tz}}
	return cfg
}

// restart gives a new worker that remembers nothing.
func (w *world) restart() {
	w.t.Helper()
	agg, err := aggregator.New(w.cfg, aggregator.Deps{
		Store: w.faulty, Publisher: w.bus, Now: func() time.Time { return w.now },
	}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	w.agg = agg
}

// settle ticks until there is nothing left to do.
func (w *world) settle() aggregator.Work {
	w.t.Helper()
	var sum aggregator.Work
	for range 100 {
		work, err := w.agg.Tick(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		sum.Keys += work.Keys
		sum.Alerts += work.Alerts
		sum.Scores += work.Scores
		sum.ScoreRows += work.ScoreRows
		if !work.More {
			return sum
		}
	}
	w.t.Fatal("no end of work after 100 ticks")
	return sum
}

// send stores events as the enricher does: insert, then mark their days.
func (w *world) send(events ...sent) {
	w.t.Helper()
	w.insert(events)
	w.mark(events)
}

func (w *world) insert(events []sent) {
	w.t.Helper()
	var tenant, partner, id, typ, user, sid, view, content, playbook, stage, prev, data []string
	var day, at []time.Time
	var ms, words, duration, results []uint32
	var scroll []uint8
	var nps []*uint8
	var course []string
	var expires []*time.Time
	var internal, bot []bool
	var ver []uint64
	for _, e := range events {
		key := e.Partner + "/" + e.ID
		copies := uint64(0)
		if _, ok := w.events[key]; !ok {
			w.events[key] = e
			copies = 1 // the first accepted copy wins
		}
		tenant, partner, id, typ = append(tenant, tenantID), append(partner, e.Partner), append(id, e.ID), append(typ, string(e.Type))
		user, sid, view = append(user, e.Actor), append(sid, e.SessionID), append(view, e.ViewID)
		content, playbook = append(content, e.ContentID), append(playbook, e.PlaybookID)
		stage, prev, data = append(stage, e.Stage), append(prev, e.Prev), append(data, e.Data)
		day, at = append(day, e.Time.UTC().Truncate(24*time.Hour)), append(at, e.Time.UTC())
		ms, words, duration, results = append(ms, e.EngagedMs), append(words, e.Words), append(duration, e.DurationS), append(results, e.Results)
		scroll, nps = append(scroll, e.ScrollPct), append(nps, e.NPS)
		course, expires = append(course, e.Course), append(expires, e.Expires)
		internal, bot, ver = append(internal, e.Internal), append(bot, e.Bot), append(ver, copies)
	}
	err := w.store.InsertColumns(context.Background(), "events", []chstore.Column{
		{Name: "tenant", Values: tenant}, {Name: "partner_id", Values: partner}, {Name: "day", Values: day}, {Name: "id", Values: id},
		{Name: "type", Values: typ}, {Name: "time", Values: at}, {Name: "user_id", Values: user}, {Name: "session_id", Values: sid},
		{Name: "view_id", Values: view}, {Name: "content_id", Values: content}, {Name: "playbook_id", Values: playbook},
		{Name: "stage", Values: stage}, {Name: "prev_stage", Values: prev}, {Name: "data", Values: data},
		{Name: "engaged_ms", Values: ms}, {Name: "words", Values: words}, {Name: "duration_s", Values: duration},
		{Name: "results_count", Values: results}, {Name: "max_scroll_pct", Values: scroll}, {Name: "nps", Values: nps},
		{Name: "course_id", Values: course}, {Name: "expires_at", Values: expires},
		{Name: "internal", Values: internal}, {Name: "is_bot", Values: bot}, {Name: "ver", Values: ver},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mark(events []sent) {
	w.t.Helper()
	seen := make(map[string]bool)
	var hour, day []time.Time
	var tenant, partner []string
	var marked, done []uint64
	for _, e := range events {
		d := e.Time.UTC().Truncate(24 * time.Hour)
		if key := e.Partner + d.String(); !seen[key] {
			seen[key] = true
			hour, day = append(hour, w.now.UTC().Truncate(time.Hour)), append(day, d)
			tenant, partner = append(tenant, tenantID), append(partner, e.Partner)
			marked, done = append(marked, 1), append(done, 0)
		}
	}
	err := w.store.InsertColumns(context.Background(), "dirty_days", []chstore.Column{
		{Name: "hour", Values: hour}, {Name: "tenant", Values: tenant}, {Name: "partner_id", Values: partner},
		{Name: "day", Values: day}, {Name: "marked", Values: marked}, {Name: "done", Values: done},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// all lists what was sent.
func (w *world) all() []sent {
	var out []sent
	for _, e := range w.events {
		out = append(out, e)
	}
	return out
}

// dump gives a table, or a query in brackets, without ver, one text per row, in key order.
func (w *world) dump(table, order string) []string {
	w.t.Helper()
	var rows []struct {
		Row string `ch:"row"`
	}
	except := "ver"
	if table == "alerts" {
		except = "ver, recorded_at"
	}
	final := " FINAL"
	if strings.HasPrefix(table, "(") {
		final = ""
	}
	q := fmt.Sprintf("SELECT toString(tuple(*)) AS row FROM (SELECT * EXCEPT (%s) FROM %s%s ORDER BY %s)", except, table, final, order)
	if err := w.store.Select(context.Background(), &rows, q, nil); err != nil {
		w.t.Fatal(err)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Row
	}
	return out
}

// state is everything that recomputation must not change.
func (w *world) state() map[string][]string {
	return map[string][]string{
		"partner_daily":  w.dump("partner_daily", "tenant, partner_id, day"),
		"sessions":       w.dump("sessions", "tenant, partner_id, day, actor, started_at, session_id"),
		"partner_scores": w.dump("partner_scores", "tenant, model_version, partner_id, as_of"),
		"detector_state": w.dump("detector_state", "tenant, partner_id, day"),
		"tenant_days":    w.dump("tenant_days", "tenant, day"),
		"tenant_inputs":  w.dump("tenant_inputs", "tenant, day"),
	}
}

// visit is a page view.
func visit(partner, id string, at time.Time) sent {
	return sent{Partner: partner, Event: session.Event{ID: id, Actor: "u1", Type: event.PageViewed, Time: at, ViewID: "v" + id}}
}
