package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// The limits cover the true ratio in 95 of 100 drops, whatever is known of the
// baseline. Both are estimated from simulated days, as the detector does.
func TestLimitsOfADropCoverTheTruth(t *testing.T) {
	const rounds = 4000
	for _, c := range []struct {
		rate, ratio, r float64
		before, after  int // days
	}{
		{rate: .3, ratio: .5, before: 60, after: 40},
		{rate: 1, ratio: .5, before: 60, after: 30},
		{rate: 1, ratio: .25, before: 20, after: 10},
		{rate: 5, ratio: .5, before: 130, after: 8},
		{rate: 5, ratio: .5, r: 4, before: 130, after: 14},
		{rate: 10, ratio: .25, r: 4, before: 60, after: 10},
		{rate: 3, ratio: .8, r: 2, before: 30, after: 60},
		{rate: 20, ratio: .5, before: 14, after: 3},
	} {
		src := rand.NewPCG(8, uint64(c.rate*1000+c.r))
		covered, known := 0, 0
		for range rounds {
			sessions, level := 0, Cusum{Exposure: float64(c.after)}
			for range c.before {
				sessions += draw(src, c.rate, c.r)
			}
			for range c.after {
				level.Sessions += draw(src, c.rate*c.ratio, c.r)
			}
			d := &Detector{cfg: Config{PriorSessions: c.rate / 2, PriorDays: .5}}
			s := State{Sessions: float64(sessions), Exposure: float64(c.before), ExposureSq: float64(c.before), Squares: float64(c.before)}
			day := &today{r: c.r}
			d.rate(&s, day)
			if low, high := day.ratioLimits(level); low <= c.ratio && c.ratio <= high {
				covered++
			}
			day.spread = 0
			if low, high := day.ratioLimits(level); low <= c.ratio && c.ratio <= high {
				known++
			}
		}
		share := float64(covered) / rounds
		t.Logf("%+v: %.3f covered, %.3f with the baseline taken as known", c, share, float64(known)/rounds)
		if share < .94 {
			t.Errorf("%+v: %.3f covered", c, share)
		}
		if share > .992 {
			t.Errorf("%+v: %.3f covered, far too wide", c, share)
		}
	}
}

// With the baseline known and Poisson counts they are Garwood's, which have a closed
// form in quantiles of χ².
func TestLimitsOfAKnownBaselineAreGarwoods(t *testing.T) {
	for _, n := range []int{0, 1, 3, 20, 400} {
		day := &today{estimate: 2, crowding: 1}
		low, high := day.ratioLimits(Cusum{Sessions: n, Exposure: 10})
		wantLow := 0.0
		if n > 0 {
			wantLow = distuv.ChiSquared{K: 2 * float64(n)}.Quantile(.025) / 2 / 20
		}
		wantHigh := distuv.ChiSquared{K: 2*float64(n) + 2}.Quantile(.975) / 2 / 20
		if math.Abs(low-wantLow) > 1e-9 || math.Abs(high-wantHigh) > 1e-9 {
			t.Errorf("%d sessions: %v–%v, want %v–%v", n, low, high, wantLow, wantHigh)
		}
	}
}

// They hold the estimate, and less knowledge of the baseline makes them no narrower.
// (Of a handful of sessions the lower limit is as good as zero, and may wander there.)
func TestLimitsWidenWithIgnorance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := Cusum{Sessions: rapid.IntRange(0, 500).Draw(t, "sessions"), Exposure: rapid.Float64Range(.5, 200).Draw(t, "exposure")}
		day := &today{
			estimate: rapid.Float64Range(.02, 50).Draw(t, "baseline"), crowding: rapid.Float64Range(1, 1.5).Draw(t, "crowding"),
			spread: rapid.Float64Range(0, .35).Draw(t, "spread"), r: rapid.SampledFrom([]float64{0, 1, 4, 30}).Draw(t, "r"),
		}
		low, high := day.ratioLimits(level)
		estimate := float64(level.Sessions) / level.Exposure / day.estimate
		if !(low >= 0 && low <= estimate*(1+1e-9) && high >= estimate && !math.IsInf(high, 1)) {
			t.Fatalf("%v–%v around %v", low, high, estimate)
		}
		worse := *day
		worse.spread = day.spread*1.3 + .05
		wideLow, wideHigh := worse.ratioLimits(level)
		if wideLow > low*(1+1e-6) && level.Sessions >= 10 && day.r == 0 || wideHigh < high*(1-1e-6) {
			t.Fatalf("spread %v: %v–%v, spread %v: %v–%v", day.spread, low, high, worse.spread, wideLow, wideHigh)
		}
	})
}
