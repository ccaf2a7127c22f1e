package scoring_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// newStore gives a migrated database of its own.
func newStore(t *testing.T) *chstore.Store {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("scoring_%d", time.Now().UnixNano())
	store, err := chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
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

// programme collects events of a simulated programme.
type programme struct {
	tenant, partner, id, kind, user, view, data []string
	day, at, received                           []time.Time
}

func (p *programme) add(partner string, kind event.Type, at, received time.Time, data string) {
	n := len(p.id)
	p.tenant, p.partner, p.id = append(p.tenant, "t"), append(p.partner, partner), append(p.id, fmt.Sprint("e", n))
	p.kind, p.user, p.view = append(p.kind, string(kind)), append(p.user, "u"), append(p.view, fmt.Sprint("v", n))
	p.data = append(p.data, data)
	p.day, p.at, p.received = append(p.day, at.Truncate(24*time.Hour)), append(p.at, at), append(p.received, received)
}

func (p *programme) store(t *testing.T) *chstore.Store {
	t.Helper()
	store := newStore(t)
	err := store.InsertColumns(t.Context(), "events", []chstore.Column{
		{Name: "tenant", Values: p.tenant}, {Name: "partner_id", Values: p.partner}, {Name: "id", Values: p.id}, {Name: "type", Values: p.kind},
		{Name: "user_id", Values: p.user}, {Name: "view_id", Values: p.view}, {Name: "data", Values: p.data},
		{Name: "day", Values: p.day}, {Name: "time", Values: p.at}, {Name: "received_at", Values: p.received},
	})
	if err != nil {
		t.Fatal(err)
	}
	model := score.DefaultModel()
	if err := scoring.SaveModel(t.Context(), store, "t", &model, time.Now()); err != nil {
		t.Fatal(err)
	}
	return store
}

var begin = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// simulate makes partners with an activity of their own over 200 days, who win deals by
// their activity (planted) or by chance. What is late arrives at the end of it all.
func simulate(partners int, planted, late bool) *programme {
	rng := rand.New(rand.NewPCG(4, 2))
	p := &programme{}
	for i := range partners {
		name, level := fmt.Sprintf("p-%03d", i), rng.Float64()
		luck, fate := rng.Float64(), rng.Float64()
		if planted {
			luck, fate = level, level
		}
		p.add(name, event.PartnerUpserted, begin, begin, `{"partner_id":"x"}`)
		for d := range 200 {
			at := begin.AddDate(0, 0, d)
			received := at
			if late {
				received = begin.AddDate(0, 0, 300)
			}
			if rng.Float64() < level {
				p.add(name, event.ContentViewed, at, received, `{}`)
			}
			if rng.Float64() < level/20 {
				p.add(name, event.TrainingCompleted, at, received, `{}`)
			}
			if rng.Float64() < .01 {
				p.add(name, event.PortalLogin, at, at, `{}`)
				p.add(name, event.ContentViewed, at, at, `{}`)
				p.add(name, event.TrainingStarted, at, at, `{}`)
			}
			if rng.Float64() < luck*luck/60 {
				p.add(name, event.DealWon, at, at, `{}`)
			}
		}
		if fate < .2 {
			p.add(name, event.PartnerUpserted, begin.AddDate(0, 0, 190), begin.AddDate(0, 0, 190), `{"status":"Churned"}`)
		}
	}
	return p
}

func run(t *testing.T, store *chstore.Store, outcome scoring.Outcome, trust bool) *scoring.BacktestReport {
	t.Helper()
	r, err := scoring.Backtest(t.Context(), store, scoring.BacktestConfig{
		ExplainConfig: scoring.ExplainConfig{Tenant: "t", Version: "1", Location: time.UTC, DealStages: []string{"lead", "won"}},
		Outcome:       outcome, HorizonDays: 60, TrustEventTime: trust,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBacktestFindsAPlantedRelation and none where there is none.
func TestBacktestFindsAPlantedRelation(t *testing.T) {
	planted, control := simulate(150, true, false).store(t), simulate(150, false, false).store(t)
	r := run(t, planted, scoring.Won, false)
	if r.Low < .6 || r.AUC > .95 || r.Deciles[0].Lift < 1.5 || r.Deciles[9].Lift > .7 || r.Known != "received_at" || r.LooksAhead {
		t.Errorf("planted: %+v", r)
	}
	if len(r.Days) != 2 || r.Days[1] != "2026-05-24" || r.Partners != 150 || r.Observations != 300 {
		t.Errorf("the days are %v, of %d partners", r.Days, r.Partners)
	}
	if r := run(t, planted, scoring.Churned, false); r.Direction != "lower" || r.Low < .6 {
		t.Errorf("planted, churned: %+v", r)
	}
	// In the control, who leaves depends on nothing that is in a score.
	if r := run(t, control, scoring.Churned, false); r.Low > .5 || r.High < .5 {
		t.Errorf("control: %+v", r)
	}
	if _, err := scoring.Backtest(t.Context(), planted, scoring.BacktestConfig{
		ExplainConfig: scoring.ExplainConfig{Tenant: "t", Version: "1", Location: time.UTC}, Outcome: scoring.Renewed, HorizonDays: 60,
	}); err == nil || !strings.Contains(err.Error(), "renewed") {
		t.Errorf("an outcome that never happened: %v", err)
	}
}

// TestBacktestDoesNotLookAhead: what the planted relation rests on was received after
// all outcomes, so the score of the day knew nothing of it.
func TestBacktestDoesNotLookAhead(t *testing.T) {
	store := simulate(150, true, true).store(t)
	trusting, strict := run(t, store, scoring.Churned, true), run(t, store, scoring.Churned, false)
	if trusting.Known != "event_time" || trusting.Low < .6 {
		t.Errorf("by the time of the events: %+v", trusting)
	}
	if strict.AUC > trusting.Low {
		t.Errorf("by the time of arrival: %+v, by the time of the events %+v", strict, trusting)
	}
}
