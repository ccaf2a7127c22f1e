package console

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/schemas"
)

// newStore gives a migrated database of its own in a real engine.
func newStore(t *testing.T) *chstore.Store {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("console_%d", time.Now().UnixNano())
	store, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Exec(context.Background(), "DROP DATABASE IF EXISTS "+cfg.Database, nil); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestQueriesOnTheRealTables(t *testing.T) {
	store := newStore(t)
	for _, statement := range []string{
		// p-1 has an older day, an older model and an overwritten row; p-2 has no score; p-old is long silent.
		`INSERT INTO partner_scores (tenant, model_version, partner_id, as_of, score, tier, coverage, points_activity, points_pipeline, imputed_sentiment, ver) VALUES
			('demo', 'v2', 'p-1', today(), 55.5, 'steady', 0.9, 20.25, 35.25, 1, 3),
			('demo', 'v2', 'p-1', today(), 11, 'at_risk', 0.9, 1, 10, 1, 2),
			('demo', 'v1', 'p-1', today(), 22, 'at_risk', 0.9, 2, 20, 0, 1),
			('demo', 'v2', 'p-1', today() - 1, 99, 'strong', 1, 9, 90, 0, 9),
			('demo', 'v2', 'p-2', today(), NULL, '', 0.5, 0, 0, 1, 3),
			('demo', 'v2', 'p-3', today() - 3, 88.125, 'strong', 1, 88.125, 0, 0, 3),
			('demo', 'v2', 'p-old', today() - 40, 70, 'steady', 1, 70, 0, 0, 3),
			('other', 'v2', 'p-9', today(), 77, 'steady', 1, 77, 0, 0, 3)`,
		`INSERT INTO alerts (tenant, partner_id, transition_id, rule, status, severity, day, change_day, baseline_rate, current_rate, drop_pct) VALUES
			('demo', 'p-1', 't1', 'ghosting', 'firing', 'critical', today() - 2, today() - 20, 3.5, 0, 100),
			('demo', 'p-3', 't2', 'sessions_drop', 'resolved', 'info', today(), today() - 5, 3, 1.5, 50),
			('other', 'p-9', 't3', 'ghosting', 'firing', 'critical', today(), today(), 1, 0, 100)`,
	} {
		if err := store.Exec(t.Context(), statement, nil); err != nil {
			t.Fatal(err)
		}
	}
	c, err := New(testConfig(), Deps{Store: store}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}

	rows, err := c.latestScores(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range rows {
		got = append(got, fmt.Sprint(s.PartnerID, " ", scoreText(s.Score), " ", s.Tier, " ", s.ModelVersion))
	}
	if d := cmp.Diff([]string{"p-3 88.1 strong v2", "p-1 55.5 steady v2", "p-2 –  v2"}, got); d != "" {
		t.Errorf("latest scores: %s", d)
	}

	one, err := c.partnerScore(t.Context(), "p-1")
	if err != nil || one == nil {
		t.Fatalf("%v, %v", one, err)
	}
	value := 55.5
	want := &Score{PartnerID: "p-1", AsOf: one.AsOf, ModelVersion: "v2", Score: &value, Tier: "steady", Coverage: 0.9, Activity: 20.25, Pipeline: 35.25, Imputed: []string{"sentiment"}}
	if d := cmp.Diff(want, one); d != "" {
		t.Error(d)
	}
	if old, err := c.partnerScore(t.Context(), "p-old"); err != nil || old == nil || *old.Score != 70 {
		t.Errorf("a silent partner's last score: %v, %v", old, err)
	}
	for _, partner := range []string{"p-9", "", "' OR 1=1 --"} {
		if s, err := c.partnerScore(t.Context(), partner); err != nil || s != nil {
			t.Errorf("%q: %v, %v", partner, s, err)
		}
	}

	alerts, err := c.recentAlerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != 2 || alerts[0].PartnerID != "p-3" || alerts[1].Rule != "ghosting" || alerts[1].BaselineRate != 3.5 {
		t.Errorf("alerts: %+v", alerts)
	}
}
