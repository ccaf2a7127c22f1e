package score_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/score"
)

func calculator(t testing.TB, change ...func(*score.Model)) *score.Calculator {
	t.Helper()
	m := score.DefaultModel()
	for _, f := range change {
		f(&m)
	}
	c, err := score.NewCalculator(m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// none is the row before the first.
var none = score.Row{Score: score.NoScore}

// TestFormulas checks one partner against numbers worked out by hand.
func TestFormulas(t *testing.T) {
	c := calculator(t)
	days := []score.Day{
		{Day: 1000, Values: [...]int64{1_000_000, 500_000, 1_000_000, 3_000_000}, Completions: 1},
		{Day: 1014, Values: [...]int64{2_000_000, 0, 0, 0}, Responses: 2, Promoters: 2},
	}
	row := c.Rows(days, score.Feeds{}, 1014, 1014, none)[0]
	sub := func(x, bar float64) int64 { return int64(math.Round(100_000 * math.Log1p(x) / math.Log1p(bar))) }
	training := (600*sub(math.Exp2(-14./90), 10) + 400*100_000) / 1000 // completed 14 days ago: compliant
	want := [score.ComponentCount]int64{
		sub(2+.5, 50), // one half-life ago counts half
		sub(.5*math.Exp2(-14./30), 100),
		training,
		sub(3*math.Exp2(-14./45), 40),
		70_000, // (2·100 + 3·0)/5 = NPS 40
	}
	if diff := cmp.Diff(want, row.Sub); diff != "" {
		t.Error(diff)
	}
	if row.Coverage != 1000 || row.Tier != score.TierSteady && row.Tier != score.TierAtRisk {
		t.Errorf("coverage %d, tier %q", row.Coverage, row.Tier)
	}
}

func TestCompliance(t *testing.T) {
	c := calculator(t, func(m *score.Model) { m.ComplianceShare = 1 })
	days := []score.Day{{Day: 1000, Completions: 1}, {Day: 1030, Cadence: 20}}
	for asOf, want := range map[int32]int64{
		1010: 100_000, // default cadence of 60 days
		1029: 100_000,
		1030: 0, // 30 days are 1.5 × the new cadence of 20
	} {
		if got := c.Rows(days, score.Feeds{}, asOf, asOf, none)[0].Sub[score.Training]; got != want {
			t.Errorf("day %d: %d, want %d", asOf, got, want)
		}
	}
	if got := c.Rows(days[:1], score.Feeds{}, 1075, 1075, none)[0].Sub[score.Training]; got != 50_000 {
		t.Errorf("75 days after, halfway from 60 to 90: %d", got)
	}
	if got := c.Rows(nil, score.Feeds{}, 1000, 1000, none)[0].Sub[score.Training]; got != 0 {
		t.Errorf("never trained: %d", got)
	}
}

func TestMissingFeedsAreImputedAndBelowCoverageThereIsNoScore(t *testing.T) {
	c := calculator(t)
	feeds := score.Feeds{0, 0, 0, 1005, score.NoFeed}
	rows := c.Rows([]score.Day{{Day: 1000, Values: [...]int64{1_000_000, 0, 0, 0}}}, feeds, 1004, 1005, none)
	if r := rows[0]; r.Coverage != 600 || !r.Imputed[score.Pipeline] || r.Sub[score.Pipeline] != 50_000 || r.Score == score.NoScore {
		t.Errorf("before the pipeline feed: %+v", r)
	}
	if r := rows[1]; r.Coverage != 900 || r.Imputed[score.Pipeline] || r.Sub[score.Pipeline] != 0 || !r.Imputed[score.Sentiment] {
		t.Errorf("with the pipeline feed: %+v", r)
	}
	feeds[score.Content] = score.NoFeed
	if r := c.Rows(nil, feeds, 1004, 1004, none)[0]; r.Score != score.NoScore || r.Tier != score.TierNone || r.Coverage != 450 {
		t.Errorf("coverage .45: %+v", r)
	}
}

// TestTiers drives the score by the number of active users and checks the path.
func TestTiers(t *testing.T) {
	// Only activity counts, and forgets at once, so a day's value is its score.
	c := calculator(t, func(m *score.Model) {
		for _, p := range []*score.ComponentModel{&m.Content, &m.Training, &m.Pipeline, &m.Sentiment} {
			p.Weight = 0
		}
		m.Activity = score.ComponentModel{Weight: 1, HalfLifeDays: 1, Bar: 99}
	})
	// value gives the input that makes a day's score, after what is left of before.
	value := func(points, left float64) float64 { return math.Expm1(points/100*math.Log(100)) - left }
	for name, path := range map[string]struct {
		scores []float64
		want   []score.Tier
	}{
		"one day past is not enough":   {[]float64{49, 53, 53}, []score.Tier{"at_risk", "at_risk", "steady"}},
		"within the margin it stays":   {[]float64{49, 51, 51.9, 51}, []score.Tier{"at_risk", "at_risk", "at_risk", "at_risk"}},
		"the first day sets it":        {[]float64{81, 90}, []score.Tier{"strong", "strong"}},
		"up two tiers at once":         {[]float64{40, 85, 86}, []score.Tier{"at_risk", "at_risk", "strong"}},
		"two days decide by the lower": {[]float64{40, 60, 90, 90}, []score.Tier{"at_risk", "at_risk", "steady", "strong"}},
	} {
		t.Run(name, func(t *testing.T) {
			var days []score.Day
			left := 0.
			for i, s := range path.scores {
				v := value(s, left)
				days = append(days, score.Day{Day: int32(1000 + i), Values: [...]int64{int64(v * 1e6), 0, 0, 0}})
				left = (left + v) / 2
			}
			var got []score.Tier
			for _, r := range c.Rows(days, score.Feeds{}, 1000, int32(1000+len(days)-1), none) {
				got = append(got, r.Tier)
			}
			if diff := cmp.Diff(path.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestProperties: points sum to the score, the order of days does not matter, and
// scoring in two runs is scoring in one.
func TestProperties(t *testing.T) {
	c := calculator(t)
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		var days []score.Day
		for i := range rapid.IntRange(0, 40).Draw(t, "days") {
			d := score.Day{Day: int32(1000 + i*(1+rng.IntN(3))), Responses: rng.Int64N(3), Completions: rng.Int64N(2), Cadence: rng.Int64N(2) * 30}
			d.Promoters = rng.Int64N(d.Responses + 1)
			d.Detractors = rng.Int64N(d.Responses - d.Promoters + 1)
			for j := range d.Values {
				d.Values[j] = rng.Int64N(6) * 700_000
			}
			if i == 0 || d.Day > days[len(days)-1].Day {
				days = append(days, d)
			}
		}
		feeds := score.Feeds{1000, 1000, 1000 + rng.Int32N(40), 1000 + rng.Int32N(40), score.NoFeed}
		all := c.Rows(days, feeds, 1000, 1080, none)
		for _, r := range all {
			sum := int64(0)
			for j := range r.Points {
				sum += r.Points[j]
				if r.Sub[j] < 0 || r.Sub[j] > score.SubMax {
					t.Fatalf("sub-score %d out of range", r.Sub[j])
				}
			}
			if r.Score != score.NoScore && (sum != r.Score || sum > score.PointsMax) {
				t.Fatalf("points sum to %d, score %d", sum, r.Score)
			}
		}
		rng.Shuffle(len(days), func(i, j int) { days[i], days[j] = days[j], days[i] })
		cut := int32(1000 + rng.IntN(80))
		two := c.Rows(days, feeds, 1000, cut, none)
		two = append(two, c.Rows(days, feeds, cut+1, 1080, two[len(two)-1])...)
		if diff := cmp.Diff(all, two); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(*score.Model){
		"weights":   func(m *score.Model) { m.Training.Weight = .3 },
		"step":      func(m *score.Model) { m.Training.Weight, m.Content.Weight = .2501, .1499 },
		"version":   func(m *score.Model) { m.Version = "" },
		"half-life": func(m *score.Model) { m.Content.HalfLifeDays = 0 },
		"bar":       func(m *score.Model) { m.Pipeline.Bar = 0 },
		"tiers":     func(m *score.Model) { m.SteadyFrom = 79 },
		"cadence":   func(m *score.Model) { m.CadenceDays = 0 },
		"prior":     func(m *score.Model) { m.NPSPrior = 101 },
	} {
		m := score.DefaultModel()
		spoil(&m)
		if _, err := score.NewCalculator(m); !errors.Is(err, score.ErrModel) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
