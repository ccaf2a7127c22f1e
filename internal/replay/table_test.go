package replay

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// TestFiltersInClickHouse selects from the table on the real engine.
func TestFiltersInClickHouse(t *testing.T) {
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = []string{"http://" + enginetest.ClickHouse(t)}, fmt.Sprintf("replay_%d", time.Now().UnixNano())
	store, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	insert := func(id uint64, tenant, code, stage string, at time.Time) {
		t.Helper()
		err := store.InsertColumns(t.Context(), "rejects", []chstore.Column{
			{Name: "tenant", Values: []string{tenant}}, {Name: "day", Values: []time.Time{at.Truncate(24 * time.Hour)}},
			{Name: "code", Values: []string{code}}, {Name: "id", Values: []uint64{id}}, {Name: "rejected_at", Values: []time.Time{at}},
			{Name: "stage", Values: []string{stage}}, {Name: "original", Values: []string{fmt.Sprintf("\xff%d", id)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const largest = 1<<64 - 1
	insert(1, "acme", "schema", "collector", today.Add(-time.Hour))
	insert(largest, "acme", "unknown_type", "collector", today)
	insert(3, "acme", "unknown_type", "enricher", today) // the same instant, another id
	insert(3, "acme", "unknown_type", "enricher", today) // read again
	insert(4, "acme", "forbidden_partner", "collector", today.Add(time.Minute))
	insert(5, "other", "schema", "collector", today.Add(time.Hour))

	for name, c := range map[string]struct {
		filter Filter
		want   []uint64
	}{
		"all but guarded": {Filter{}, []uint64{1, 3, largest, 5}},
		"tenant":          {Filter{Tenant: "acme"}, []uint64{1, 3, largest}},
		"code":            {Filter{Codes: []string{"schema"}}, []uint64{1, 5}},
		"guarded, named":  {Filter{Codes: []string{"schema", "forbidden_partner"}, Tenant: "acme"}, []uint64{1, 4}},
		"stage":           {Filter{Stage: "enricher"}, []uint64{3}},
		"since":           {Filter{Since: today}, []uint64{3, largest, 5}},
		"until":           {Filter{Until: today}, []uint64{1}},
		"limit":           {Filter{Limit: 3}, []uint64{1, 3, largest}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.filter.Until.IsZero() {
				c.filter.Until = today.Add(24 * time.Hour)
			}
			r, err := New(Config{Filter: c.filter}, Deps{Store: store}, zaptest.NewLogger(t))
			if err != nil {
				t.Fatal(err)
			}
			counts, err := r.Counts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			total := uint64(0)
			for _, n := range counts {
				total += n.Rejects
			}
			if total != uint64(len(c.want)) {
				t.Errorf("counted %d, want %d: %+v", total, len(c.want), counts)
			}
			var got []uint64
			after, afterID := int64(0), uint64(0)
			for range c.want { // page after page of one row
				p := c.filter.params()
				p["after"], p["after_id"], p["count"] = after, afterID, uint32(1)
				var rows []row
				if err := store.Select(t.Context(), &rows, pageSQL, p); err != nil {
					t.Fatal(err)
				}
				if len(rows) != 1 {
					t.Fatalf("a page of %d rows after %v", len(rows), got)
				}
				if want := fmt.Sprintf("\xff%d", rows[0].ID); rows[0].Original != want {
					t.Errorf("original is %q, want %q", rows[0].Original, want)
				}
				got = append(got, rows[0].ID)
				after, afterID = rows[0].RejectedAt.UnixMilli(), rows[0].ID
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("read %v, want %v", got, c.want)
			}
		})
	}
}
