package score_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"partnerpulse/internal/score"
)

// segmented is the default model with bars for two segments.
func segmented(m *score.Model) {
	m.Segments = map[string]score.Segment{
		"gold":   {Bars: [...]float64{20, 50, 5, 30}, Imputed: [...]float64{30, 40, 50, 60, 70}},
		"silver": {Bars: [...]float64{5, 10, 2, 8}, Imputed: [...]float64{70, 60, 50, 40, 30}},
	}
}

// randomDays is a random history from day 1000 on.
func randomDays(rng *rand.Rand, n int) []score.Day {
	var days []score.Day
	for i, day := 0, int32(1000); i < n; i, day = i+1, day+1+rng.Int32N(4) {
		d := score.Day{Day: day, Responses: rng.Int64N(3), Completions: rng.Int64N(2), Cadence: rng.Int64N(2) * 30}
		d.Promoters = rng.Int64N(d.Responses + 1)
		d.Detractors = rng.Int64N(d.Responses - d.Promoters + 1)
		d.Segment = []string{"", "", "", "gold", "silver", "odd"}[rng.IntN(6)]
		for j := range d.Values {
			d.Values[j] = rng.Int64N(6) * 700_000
		}
		days = append(days, d)
	}
	return days
}

// TestExplanationIsExact: for any history and day, the points sum to the score, and
// the parts of the change to the difference of the two days' scores.
func TestExplanationIsExact(t *testing.T) {
	c := calculator(t, segmented)
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		days := randomDays(rng, rapid.IntRange(0, 40).Draw(t, "days"))
		feeds := score.Feeds{1000, 1000, 1000 + rng.Int32N(40), 1000 + rng.Int32N(80), 1000 + rng.Int32N(200)}
		rows := c.Rows(days, feeds, 1000, 1100, none)
		asOf := 1000 + rng.Int32N(101)
		e := c.Explain(days, feeds, 1000, asOf, nil, 5)
		now := rows[asOf-1000]
		sum := int64(0)
		for j := range e.Parts {
			sum += e.Parts[j].Points
			if e.Parts[j].Points != now.Points[j] || e.Parts[j].Imputed != now.Imputed[j] {
				t.Fatalf("part %+v, row %+v", e.Parts[j], now)
			}
		}
		if e.Score != now.Score || e.Score != score.NoScore && sum != e.Score {
			t.Fatalf("score %d of %d, points sum to %d", e.Score, now.Score, sum)
		}
		if asOf-7 < 1000 || now.Score == score.NoScore || rows[asOf-1007].Score == score.NoScore {
			if e.Change != nil {
				t.Fatalf("a change without two scores: %+v", e.Change)
			}
			return
		}
		changes++
		before := rows[asOf-1007]
		if e.Change.Total != now.Score-before.Score || e.Change.Before != before.Score {
			t.Fatalf("change %+v from %d to %d", e.Change, before.Score, now.Score)
		}
		if e.Change.DecayLoss+e.Change.NewActivity+e.Change.BarChange != e.Change.Total {
			t.Fatalf("the parts of %+v do not sum", e.Change)
		}
		var whole score.ChangePart
		for j, p := range e.Change.Parts {
			whole.DecayLoss += p.DecayLoss
			whole.NewActivity += p.NewActivity
			whole.BarChange += p.BarChange
			if p.DecayLoss+p.NewActivity+p.BarChange != now.Points[j]-before.Points[j] {
				t.Fatalf("component %d: %+v, points %d to %d", j, p, before.Points[j], now.Points[j])
			}
			if score.Component(j) < score.Sentiment && (p.DecayLoss > 0 || p.NewActivity < 0) {
				t.Fatalf("component %d: decay gains or activity loses: %+v", j, p)
			}
		}
		if whole != (score.ChangePart{DecayLoss: e.Change.DecayLoss, NewActivity: e.Change.NewActivity, BarChange: e.Change.BarChange}) {
			t.Fatalf("components sum to %+v, not to %+v", whole, e.Change)
		}
	})
	if changes == 0 {
		t.Error("no history had a change to split")
	}
}

// TestChangeNamesItsCause: each step alone moves only its own part.
func TestChangeNamesItsCause(t *testing.T) {
	c := calculator(t, segmented)
	feeds := score.Feeds{}
	base := []score.Day{{Day: 1000, Segment: "gold", Values: [...]int64{9_000_000, 0, 0, 3_000_000}}}
	for name, test := range map[string]struct {
		more            []score.Day
		decay, new, bar bool
	}{
		"nothing happens": {nil, true, false, false},
		"a deal":          {[]score.Day{{Day: 1010, Values: [...]int64{0, 0, 0, 3_000_000}}}, true, true, false},
		"another segment": {[]score.Day{{Day: 1010, Segment: "silver"}}, true, false, true},
	} {
		ch := c.Explain(append(base, test.more...), feeds, 1000, 1014, nil, 5).Change
		if ch == nil || (ch.DecayLoss < 0) != test.decay || (ch.NewActivity > 0) != test.new || (ch.BarChange != 0) != test.bar {
			t.Errorf("%s: %+v", name, ch)
		}
	}
	// A feed that begins is no activity of this partner's.
	feeds[score.Training] = 1010
	if ch := c.Explain(base, feeds, 1000, 1014, nil, 5).Change; ch.BarChange != -250*50_000 || ch.NewActivity != 0 {
		t.Errorf("a feed begins: %+v", ch)
	}
}

// TestActions: what is said that one more would add is what it adds.
func TestActions(t *testing.T) {
	c := calculator(t)
	days := []score.Day{{Day: 1000, Values: [...]int64{3_000_000, 1_000_000, 500_000, 6_000_000}, Responses: 1, Detractors: 1}}
	e := c.Explain(days, score.Feeds{}, 1000, 1005, nil, 5)
	adds := map[string]int64{}
	for _, a := range e.Actions {
		adds[a.Kind] = a.Adds
	}
	x := .5 * math.Exp2(-5./90)
	sub := func(x float64) int64 { return int64(math.Round(100_000 * math.Log1p(x) / math.Log1p(10))) }
	want := 250 * ((600*sub(x+2)+400*100_000)/1000 - 600*sub(x)/1000)
	if adds["certification"] != want {
		t.Errorf("a certification adds %d, want %d", adds["certification"], want)
	}
	days = append(days, score.Day{Day: 1005, Values: [...]int64{0, 0, 0, 3_000_000}})
	if got := c.Explain(days, score.Feeds{}, 1000, 1005, nil, 5).Score - e.Score; got != adds["deal_registered"] || got <= 0 {
		t.Errorf("a deal added %d, said was %d", got, adds["deal_registered"])
	}
	imputed := c.Explain(days, score.Feeds{0, 0, score.NoFeed, 0, 0}, 1000, 1005, nil, 5)
	for _, a := range imputed.Actions {
		if a.Component == score.Training && a.Adds != 0 {
			t.Errorf("%s adds %d to an imputed component", a.Kind, a.Adds)
		}
	}
}

// TestInfluences: the margin of an event is the score with it less without.
func TestInfluences(t *testing.T) {
	c := calculator(t)
	days := []score.Day{
		{Day: 1000, Values: [...]int64{0, 0, 2_000_000, 3_000_000}, Completions: 1},
		{Day: 1040, Values: [...]int64{0, 0, 0, 7_000_000}, Responses: 1, Promoters: 1},
	}
	counted := []score.Counted{
		{ID: "cert", Day: 1000, Component: score.Training, Value: 2_000_000, Completion: true},
		{ID: "old", Day: 1000, Component: score.Pipeline, Value: 3_000_000},
		{ID: "won", Day: 1040, Component: score.Pipeline, Value: 4_000_000},
		{ID: "deal", Day: 1040, Component: score.Pipeline, Value: 3_000_000},
		{ID: "later", Day: 1050, Component: score.Pipeline, Value: 3_000_000},
		{ID: "nps", Day: 1040, Component: score.Sentiment, Response: true, Net: 1},
	}
	e := c.Explain(days, score.Feeds{}, 1000, 1045, counted, 2)
	if p := e.Top[score.Pipeline]; len(p) != 2 || p[0].ID != "won" || p[1].ID != "deal" {
		t.Fatalf("%+v", p)
	}
	for j, drop := range map[score.Component]score.Day{
		score.Training:  {Day: 1000, Values: [...]int64{0, 0, -2_000_000, 0}, Completions: -1},
		score.Pipeline:  {Day: 1040, Values: [...]int64{0, 0, 0, -4_000_000}},
		score.Sentiment: {Day: 1040, Responses: -1, Promoters: -1},
	} {
		changed := []score.Day{days[0], days[1]}
		for i := range changed {
			if changed[i].Day == drop.Day {
				for k := range drop.Values {
					changed[i].Values[k] += drop.Values[k]
				}
				changed[i].Completions += drop.Completions
				changed[i].Responses += drop.Responses
				changed[i].Promoters += drop.Promoters
			}
		}
		want := e.Score - c.Rows(changed, score.Feeds{}, 1045, 1045, none)[0].Score
		if got := e.Top[j][0].Points; got != want || got <= 0 {
			t.Errorf("%s: %d, want %d", j, got, want)
		}
	}
}
