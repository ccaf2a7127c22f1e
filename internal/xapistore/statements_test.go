package xapistore

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/xapi"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// newStore gives a migrated database of its own.
func newStore(t *testing.T, name string) *chstore.Store {
	t.Helper()
	store, ms := emptyStore(t, name)
	if _, err := store.Migrate(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	return store
}

// emptyStore gives a database of its own, and the migrations for it.
func emptyStore(t *testing.T, name string) (*chstore.Store, []chstore.Migration) {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = []string{"http://" + enginetest.ClickHouse(t)}, name
	store, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	return store, ms
}

// TestStatementsFromBeforeAreFound: after the upgrade that brought the selection,
// older statements are selected as well, and listed once.
func TestStatementsFromBeforeAreFound(t *testing.T) {
	store, ms := emptyStore(t, "xapi_upgrade_test")
	at := slices.IndexFunc(ms, func(m chstore.Migration) bool { return strings.HasPrefix(m.Name, "0022_") })
	if at < 0 {
		t.Fatal("no migration 0022")
	}
	if _, err := store.Migrate(t.Context(), ms[:at]); err != nil {
		t.Fatal(err)
	}
	const id = "00000000-0000-4000-8000-000000000001"
	insert := func(id string) {
		t.Helper()
		err := store.Exec(t.Context(), `INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, portal, source, key_id, data, ver)
			SELECT 'acme', 'p-1', toDate('2026-11-03'), {id:String}, 'training.passed', toDateTime64('2026-11-03 10:00:00', 3), toDateTime64('2026-11-03 10:00:00', 3),
			'main', 'xapi', 'lms', {data:String}, 1`, chstore.Params{"id": id, "data": `{"statement":` + spread()[1] + `}`})
		if err != nil {
			t.Fatal(err)
		}
	}
	insert(id)
	if _, err := store.Migrate(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	insert(strings.Replace(id, "1", "2", 1))
	bob, err := xapi.ParseAgent(`{"mbox":"mailto:bob@one.example"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []xapi.Filter{
		{}, {Verb: "http://adlnet.gov/expapi/verbs/passed"}, {Activity: "urn:act:b"}, {Agent: bob.Key()}, {Registration: "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
	} {
		list, err := New(store).List(t.Context(), xapi.Query{Tenant: "acme", Portal: "main", Filter: f, Limit: 10, Ascending: true})
		if got := idsOf(list); err != nil || !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("%+v: %v (%v)", f, got, err)
		}
	}
}

// TestStatementsInClickHouse reads statements back from the events that carry them,
// on the real engine.
func TestStatementsInClickHouse(t *testing.T) {
	store := newStore(t, "xapi_statements_test")
	ctx := context.Background()
	at := time.Date(2026, 11, 3, 10, 0, 0, 5e6, time.UTC)
	insert := func(tenant, partner, source, id string, day int, received time.Time) {
		t.Helper()
		data := fmt.Sprintf(`{"course_id":"c","statement":{"n":1.50,"partner":%q}}`, partner)
		err := store.Exec(ctx, `INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, portal, source, key_id, data, ver)
			SELECT {tenant:String}, {partner:String}, toDate({time:DateTime64(3)}), {id:String}, 'training.passed', {time:DateTime64(3)}, {received:DateTime64(3)},
			'main', {source:String}, 'lms', {data:String}, 1`, chstore.Params{
			"tenant": tenant, "partner": partner, "id": id, "source": source, "data": data,
			"time": at.AddDate(0, 0, -day), "received": received,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	id := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	for i := range 5 {
		insert("acme", fmt.Sprint("p-", i), "xapi", id(i), i, at.Add(time.Duration(i/2)*time.Second)) // two each arrive together
	}
	insert("acme", "p-0", "xapi", id(0), 0, at)                // delivered again
	insert("acme", "p-0", "xapi", id(0), 1, at.Add(time.Hour)) // a copy that was stamped on another day
	insert("acme", "p-9", "api", id(9), 0, at)
	insert("other", "p-0", "xapi", id(7), 0, at)

	s := New(store)
	found, err := s.ByID(ctx, "acme", []string{id(0), id(3), id(7), id(9), "'"})
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*xapi.Stored{}
	for _, f := range found.Statements {
		byID[f.ID] = f
	}
	if len(found.Statements) != 2 || byID[id(0)] == nil || byID[id(3)] == nil {
		t.Fatalf("found %v", byID)
	}
	if f := byID[id(0)]; string(f.Raw) != `{"n":1.50,"partner":"p-0"}` || !f.At.Equal(at) || !f.Time.Equal(at) || f.KeyID != "lms" || f.Portal != "main" || f.Tenant != "acme" || f.Partner != "p-0" || f.VoidedBy != "" {
		t.Errorf("%+v %s", f, f.Raw)
	}
	for _, ascending := range []bool{false, true} {
		q := xapi.Query{Tenant: "acme", Portal: "main", Until: at.Add(time.Minute), Limit: 2, Ascending: ascending}
		var got []string
		for range 5 {
			page, err := s.List(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, st := range page {
				got = append(got, st.ID)
			}
			q.After = page[len(page)-1].Cursor()
		}
		want := []string{id(4), id(3), id(2), id(1), id(0)}
		if ascending {
			want = []string{id(0), id(1), id(2), id(3), id(4)}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ascending %v: %s", ascending, diff)
		}
	}
	page, err := s.List(ctx, xapi.Query{Tenant: "acme", Portal: "main", Since: at, Until: at.Add(time.Second), Limit: 10})
	if err != nil || len(page) != 2 || page[0].ID != id(3) {
		t.Errorf("between: %v (%v)", page, err)
	}
}
