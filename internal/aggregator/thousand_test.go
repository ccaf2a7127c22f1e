package aggregator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/internal/session"
)

// segmentedModel has bars by segment, other weights and another cap than the default.
func segmentedModel() score.Model {
	m := score.DefaultModel()
	m.Version, m.CountedMax = "seg", 7
	m.Activity.Weight, m.Pipeline.Weight, m.Content.HalfLifeDays = .3, .2, 11
	m.Segments = map[string]score.Segment{
		"s1": {Partners: 3, Bars: [...]float64{3.017, 2.5, 1.25, 4}, Imputed: [...]float64{10, 20, 30.125, 40, 50}},
		"s2": {Partners: 3, Bars: [...]float64{30, 25, 12.5, 40}, Imputed: [...]float64{50, 40, 30, 20, 10}},
	}
	return m
}

// histories makes random histories of many partners: a few bursts each, everything
// that scores, over up to days days before end.
func histories(rng *rand.Rand, partners, days int, end time.Time) []sent {
	var out []sent
	for p := range partners {
		span := 1 + rng.IntN(days)
		list := history(rng, 6+rng.IntN(40), span, end, fmt.Sprintf("h%d-", p))
		if rng.IntN(4) == 0 { // one user does more of a kind in a day than counts
			at := end.Add(-time.Duration(rng.IntN(span*24)) * time.Hour)
			kind := []event.Type{event.TrainingProgressed, event.DealRegistered, event.DealStageChanged, event.ContentViewed}[rng.IntN(4)]
			for i := range 9 + rng.IntN(20) {
				list = append(list, sent{Data: "{}", Stage: "won", Prev: "lead", Event: session.Event{
					ID: fmt.Sprintf("h%d-more%d", p, i), Actor: "u1", Type: kind, Time: at.Add(-time.Duration(i) * time.Minute),
					ViewID: fmt.Sprintf("v%d", i), ContentID: "c",
				}})
			}
		}
		for i := range list {
			list[i].Partner = fmt.Sprintf("p-%04d", p)
		}
		out = append(out, list...)
	}
	return out
}

// places are time zones with an end of history after a change of the clock.
var places = []struct {
	tz  string
	end time.Time
}{
	{"Europe/Berlin", time.Date(2026, 4, 2, 21, 30, 0, 0, time.UTC)},
	{"America/New_York", time.Date(2026, 11, 5, 2, 0, 0, 0, time.UTC)},
	{"Australia/Lord_Howe", time.Date(2026, 4, 8, 3, 0, 0, 0, time.UTC)}, // half an hour
}

// TestThousandHistories holds rollups, scores, explanations and the view to the plain
// Go rules on random histories: segments that change, caps, frozen bars, feeds that
// begin within the history, changes of the clock. PARTNERPULSE_HISTORIES is how many
// partners each of the three tenants has; 340 without.
func TestThousandHistories(t *testing.T) {
	t.Parallel()
	partners := 340
	if text := os.Getenv("PARTNERPULSE_HISTORIES"); text != "" {
		if _, err := fmt.Sscan(text, &partners); err != nil {
			t.Fatal(err)
		}
	}
	for i, where := range places {
		t.Run(where.tz, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(i), 11))
			w := newWorld(t, where.tz, where.end)
			w.cfg.Model = segmentedModel()
			w.restart()
			events := histories(rng, partners, 25, where.end)
			rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			w.send(events[:len(events)*3/4]...)
			w.settle()
			w.send(events[len(events)*3/4:]...)
			w.settle()
			w.checkScores(w.checkRollups())
			w.checkExplanations(rng, 40)
		})
	}
}

// explainer explains the world's scores.
func (w *world) explainer(version string) *scoring.Explainer {
	return scoring.NewExplainer(scoring.ExplainConfig{
		Tenant: tenantID, Version: version, Location: w.loc, DealStages: w.cfg.DealStages,
	}, w.store)
}

// viewRow is a row of the view explanation, in millionths.
type viewRow struct {
	Partner    string `ch:"partner_id"`
	Component  string `ch:"component"`
	Segment    string `ch:"segment"`
	Points     int64  `ch:"p"`
	Imputed    uint8  `ch:"imputed"`
	Comparable uint8  `ch:"comparable"`
	Before     int64  `ch:"b"`
	Decay      int64  `ch:"dl"`
	New        int64  `ch:"na"`
	Bar        int64  `ch:"bc"`
}

// checkExplanations compares the view with the Go function for all partners, and the
// whole explanation with the stored scores of today and of random days for some.
func (w *world) checkExplanations(rng *rand.Rand, some int) {
	w.t.Helper()
	var view []viewRow
	err := w.store.Select(context.Background(), &view, `SELECT partner_id, component, segment, toInt64(points * 1000000) AS p, imputed, comparable,
		toInt64(points_before * 1000000) AS b, toInt64(decay_loss * 1000000) AS dl, toInt64(new_activity * 1000000) AS na, toInt64(bar_change * 1000000) AS bc
		FROM explanation ORDER BY partner_id, indexOf(['activity', 'content', 'training', 'pipeline', 'sentiment'], component)`, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	today := session.LocalDay(w.now, w.loc)
	stored := make(map[string]map[int32]storedScore)
	var rows []storedScore
	if err := w.store.Select(context.Background(), &rows, scoresQuery, nil); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		if stored[r.Partner] == nil {
			stored[r.Partner] = map[int32]storedScore{}
			names = append(names, r.Partner)
		}
		stored[r.Partner][r.AsOf] = r
	}
	if len(view) != len(names)*int(score.ComponentCount) {
		w.t.Fatalf("the view has %d rows for %d partners", len(view), len(names))
	}
	w.checkView(view, stored, today)
	x := w.explainer(w.cfg.Model.Version)
	byPartner := make(map[string][]viewRow)
	for _, v := range view {
		byPartner[v.Partner] = append(byPartner[v.Partner], v)
	}
	changes := 0
	for _, i := range rng.Perm(len(names))[:min(some, len(names))] {
		partner := names[i]
		first := today
		for day := range stored[partner] {
			first = min(first, day)
		}
		for _, asOf := range []int32{today, first + rng.Int32N(today-first+1)} {
			r, err := x.Explain(context.Background(), partner, asOf)
			if err != nil {
				w.t.Fatal(err)
			}
			checkReport(w.t, r, stored[partner][asOf], stored[partner][asOf-7])
			if asOf == today && r.Change != nil {
				changes++
				for j, v := range byPartner[partner] {
					want := scoring.ChangePartReport{
						Name: v.Component, DecayLoss: scoring.Millionths(v.Decay), NewActivity: scoring.Millionths(v.New), BarChange: scoring.Millionths(v.Bar),
					}
					if r.Change.Components[j] != want || v.Segment != r.Segment || v.Comparable != 1 {
						w.t.Fatalf("%s: the view says %+v, Go %+v in segment %s", partner, v, r.Change.Components[j], r.Segment)
					}
				}
			}
		}
	}
	if some > 0 && changes == 0 {
		w.t.Error("no partner had a change to compare")
	}
}

// checkView holds the view's sums to the stored scores.
func (w *world) checkView(view []viewRow, stored map[string]map[int32]storedScore, today int32) {
	w.t.Helper()
	for i, v := range view {
		j := i % int(score.ComponentCount)
		now, before := stored[v.Partner][today], stored[v.Partner][today-7]
		if v.Component != score.Component(j).String() || v.Points != now.Points[j] || v.Imputed != now.Imputed[j] {
			w.t.Fatalf("the view says %+v, the score is %+v", v, now)
		}
		if before.Partner == "" {
			if v.Comparable != 0 || v.Decay != 0 || v.New != 0 || v.Bar != 0 {
				w.t.Fatalf("a change of a partner who was not there: %+v", v)
			}
			continue
		}
		if v.Before != before.Points[j] || v.Decay+v.New+v.Bar != now.Points[j]-before.Points[j] {
			w.t.Fatalf("the view says %+v, the points went from %d to %d", v, before.Points[j], now.Points[j])
		}
		if (v.Comparable == 1) != (now.Score != score.NoScore && before.Score != score.NoScore) {
			w.t.Fatalf("%+v: the scores are %d and %d", v, before.Score, now.Score)
		}
	}
}

// checkReport holds an explanation to the stored rows of its day and of seven before.
func checkReport(t testing.TB, r *scoring.Report, now, before storedScore) {
	t.Helper()
	sum := scoring.Millionths(0)
	for j, c := range r.Components {
		sum += c.Points
		if int64(c.Points) != now.Points[j] {
			t.Fatalf("%s on %s: %s has %s, stored %d", r.PartnerID, r.AsOf, c.Name, c.Points, now.Points[j])
		}
	}
	if !r.Stored || r.Tier != now.Tier || (r.Score == nil) != (now.Score == score.NoScore) || r.Score != nil && (sum != *r.Score || int64(sum) != now.Score) {
		t.Fatalf("%s on %s: %+v, stored %+v", r.PartnerID, r.AsOf, r, now)
	}
	comparable := before.Partner != "" && before.Score != score.NoScore && now.Score != score.NoScore
	if (r.Change != nil) != comparable {
		t.Fatalf("%s on %s: change %+v, scores %d and %d", r.PartnerID, r.AsOf, r.Change, before.Score, now.Score)
	}
	if c := r.Change; c != nil && (int64(c.Total) != now.Score-before.Score || c.DecayLoss+c.NewActivity+c.BarChange != c.Total) {
		t.Fatalf("%s on %s: %+v does not sum to %d", r.PartnerID, r.AsOf, c, now.Score-before.Score)
	}
	for _, e := range r.TopEvents {
		if e.Points <= 0 || e.ID == "" {
			t.Fatalf("%s on %s: top event %+v", r.PartnerID, r.AsOf, e)
		}
	}
}

// TestLateEventChangesExactlyItsScores compares all rows of all partners before and
// after an event that arrives 20 days late.
func TestLateEventChangesExactlyItsScores(t *testing.T) {
	t.Parallel()
	where := places[0]
	w := newWorld(t, where.tz, where.end)
	w.cfg.Model = segmentedModel()
	w.restart()
	rng := rand.New(rand.NewPCG(5, 5))
	w.send(histories(rng, 12, 40, where.end)...)
	// Its history and all feeds begin before.
	for _, kind := range []event.Type{event.PortalLogin, event.ContentViewed, event.TrainingStarted, event.DealRegistered} {
		w.send(do("p-0003", "begin "+string(kind), kind, where.end.AddDate(0, 0, -41)))
	}
	w.settle()
	for i, kind := range []event.Type{event.TrainingCertified, event.DealWon, event.PortalLogin} {
		at := where.end.AddDate(0, 0, -20)
		late := session.LocalDay(at, w.loc)
		before := w.state()
		scores := w.scores("p-0003")
		w.send(do("p-0003", fmt.Sprint("late", i), kind, at))
		w.settle()
		w.checkScores(w.checkRollups())
		changed := 0
		for day, row := range w.scores("p-0003") {
			if gocmp.Equal(row, scores[day]) {
				continue
			}
			if changed++; day < late {
				t.Errorf("%s on day %d changed the score of day %d", kind, late, day)
			}
		}
		if changed == 0 {
			t.Errorf("%s changed no score", kind)
		}
		after := w.state()
		for _, table := range []string{"partner_daily", "partner_scores"} {
			others := func(rows []string) []string {
				return slices.DeleteFunc(slices.Clone(rows), func(r string) bool { return strings.Contains(r, "'p-0003'") })
			}
			if diff := gocmp.Diff(others(before[table]), others(after[table])); diff != "" {
				t.Errorf("%s: rows of others changed in %s:\n%s", kind, table, diff)
			}
		}
		if n := len(after["partner_daily"]) - len(before["partner_daily"]); n > 1 {
			t.Errorf("%s made %d days", kind, n)
		}
	}
}
