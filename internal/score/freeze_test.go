package score_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"partnerpulse/internal/score"
)

// TestFreeze checks bars and medians against a programme small enough to count.
func TestFreeze(t *testing.T) {
	var partners []score.Summary
	for i := range 10 { // gold: 1…10, silver: 10…100, two of bronze
		n := float64(i + 1)
		partners = append(partners,
			score.Summary{Segment: "gold", X: [...]float64{n, n, 0, n}, LastCompletion: 990},
			score.Summary{Segment: "silver", X: [...]float64{10 * n, n, n, 0}})
	}
	partners = append(partners, score.Summary{Segment: "bronze", X: [...]float64{1, 1, 1, 0}}, score.Summary{X: [...]float64{1, 1, 1, 0}})
	feeds := score.Feeds{900, 900, 900, 900, score.NoFeed}
	base := score.DefaultModel()
	m, err := score.Freeze(base, "2", 1000, partners, feeds, 12.34567, 5)
	if err != nil {
		t.Fatal(err)
	}
	gold, silver := m.Segments["gold"], m.Segments["silver"]
	if len(m.Segments) != 2 || gold.Partners != 10 || m.FrozenAsOf != "1972-09-27" || m.Version != "2" || m.NPSPrior != 12.346 {
		t.Fatalf("%+v", m)
	}
	// The 8th of 10; of all 22 the 18th: 60. Nobody in gold trained: the bar of all.
	if gold.Bars != [...]float64{8, 8, 6, 8} || m.Activity.Bar != 60 || m.Training.Bar != 6 {
		t.Errorf("gold %v, all %v %v", gold.Bars, m.Activity.Bar, m.Training.Bar)
	}
	// Nobody in silver has a deal, and the 18th of all 22 has 6.
	if silver.Bars != [...]float64{80, 8, 8, 6} || m.Pipeline.Bar != 6 {
		t.Errorf("silver %v, all %v", silver.Bars, m.Pipeline.Bar)
	}
	want := math.Round(100_000*math.Log1p(5)/math.Log1p(8)) / 1000
	if gold.Imputed[score.Activity] != want || gold.Imputed[score.Training] != 40 || gold.Imputed[score.Sentiment] != base.Sentiment.Imputed {
		t.Errorf("gold imputed %v, want activity %v", gold.Imputed, want)
	}
	if m.Bar("bronze", score.Activity) != 60 || m.Bar("", score.Activity) != 60 || m.Bar("gold", score.Activity) != 8 {
		t.Error("a small segment, and no segment, fall back to the bars of all")
	}
	if _, err := score.Freeze(base, "2", 1000, nil, feeds, 0, 5); err == nil {
		t.Error("no partners are frozen")
	}
	// Frozen models are scored by segment.
	c, err := score.NewCalculator(m)
	if err != nil {
		t.Fatal(err)
	}
	days := []score.Day{
		{Day: 1000, Segment: "gold", Values: [...]int64{8_000_000, 0, 0, 0}},
		{Day: 1001, Segment: "silver", Values: [...]int64{80_000_000, 0, 0, 0}},
	}
	rows := c.Rows(days, feeds, 1000, 1001, none)
	if rows[0].Sub[score.Activity] != score.SubMax || rows[1].Sub[score.Activity] != score.SubMax {
		t.Errorf("at the bar of the segment: %v, %v", rows[0].Sub, rows[1].Sub)
	}
	if got := rows[0].Sub[score.Sentiment]; got != int64(gold.Imputed[score.Sentiment]*1000) {
		t.Errorf("imputed sentiment %d", got)
	}
}

// TestFreezeDoesNotDependOnOrder and a value that many share.
func TestFreezeDoesNotDependOnOrder(t *testing.T) {
	var a []score.Summary
	for i := range 57 {
		a = append(a, score.Summary{Segment: fmt.Sprint("s", i%3), X: [...]float64{float64(i % 7), 3, .25, float64(i)}})
	}
	feeds := score.Feeds{}
	first, err := score.Freeze(score.DefaultModel(), "2", 1000, a, feeds, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a[:20] {
		a[i], a[56-i] = a[56-i], a[i]
	}
	second, err := score.Freeze(score.DefaultModel(), "2", 1000, a, feeds, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("%v\n%v", first, second)
	}
}

func TestChanges(t *testing.T) {
	base := score.DefaultModel()
	half := .5
	m, err := base.With(score.Changes{
		Version: "acme-1", Weights: map[string]float64{"activity": .3, "pipeline": .2}, HalfLivesDays: map[string]float64{"content": 10},
		Bars: map[string]float64{"training": 7}, CountedMax: 5, ComplianceShare: &half,
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Activity.Weight != .3 || m.Content.HalfLifeDays != 10 || m.Training.Bar != 7 || m.CountedEventsMax() != 5 || m.ComplianceShare != .5 ||
		m.Activity.Bar != base.Activity.Bar || base.CountedEventsMax() != 20 {
		t.Errorf("%+v", m)
	}
	if same, err := base.With(score.Changes{}); err != nil || same.Version != "1" {
		t.Errorf("%v, %v", same, err)
	}
	for name, c := range map[string]score.Changes{
		"weights do not sum to 1": {Version: "2", Weights: map[string]float64{"activity": .3}},
		"no version":              {Weights: map[string]float64{"activity": .3, "pipeline": .2}},
		"the same version":        {Version: "1", CountedMax: 5},
		"unknown component":       {Version: "2", Bars: map[string]float64{"logins": 5}},
		"negative cap":            {Version: "2", CountedMax: -1},
	} {
		if _, err := base.With(c); !errors.Is(err, score.ErrModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
