package detect

import (
	"fmt"
	"math"
	"testing"
)

// The golden values are printed by R packages or in papers; the conventions differ
// in whether reaching the limit is already an alarm.
func TestRunLengthGolden(t *testing.T) {
	tests := []struct {
		name  string
		chain chain
		mean  float64
		start int
		form  string
		want  string
	}{
		// spc alarms only above the limit, so the states reach hm itself.
		{"spc pois.cusum.arl lower, k .72, H 6.24, healthy", chain{step: 18, unit: 25, limit: 156 + 1}, 1, 0, "%.2f", "759.01"},
		{"spc pois.cusum.arl lower, k .72, H 6.24, halved", chain{step: 18, unit: 25, limit: 156 + 1}, .5, 0, "%.3f", "25.844"},
		{"the same on a finer lattice", chain{step: 72, unit: 100, limit: 624 + 1}, 1, 0, "%.2f", "759.01"},
		{"surveillance arlCusum(h=10, k=3, theta=2.4)", chain{step: 3, unit: 1, limit: 10, upper: true}, 2.4, 0, "%.2f", "548.36"},
		{"Lucas 1985, table 2", chain{step: 1, unit: 4, limit: 40, upper: true}, .25, 0, "%.0f", "438"},
		{"Lucas 1985, table 3, head start", chain{step: 1, unit: 4, limit: 40, upper: true}, .25, 20, "%.0f", "333"},
		{"Lucas 1985, table 4", chain{step: 1, unit: 4, limit: 40}, .25, 0, "%.0f", "437"},
		{"Lucas 1985, table 5, head start", chain{step: 1, unit: 4, limit: 40}, .25, 20, "%.0f", "318"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fmt.Sprintf(tt.form, tt.chain.runLengths(poisson(tt.mean))[tt.start])
			if got != tt.want {
				t.Errorf("average run length %s, want %s", got, tt.want)
			}
		})
	}
}

// Poisson, ρ = .5, one false alarm in 730 days.
func TestDelayBoundGolden(t *testing.T) {
	tests := []struct {
		mu    float64
		form  string
		delay string
		h     float64
	}{
		{.3, "%.0f", "62", 3.4}, {1, "%.0f", "26", 4.3}, {3, "%.0f", "11", 4.9}, {10, "%.1f", "4.0", 5.2},
	}
	for _, tt := range tests {
		delay, h := DelayBound(tt.mu, .5, 0, 730)
		if got := fmt.Sprintf(tt.form, delay); got != tt.delay {
			t.Errorf("μ = %v: delay %s, want %s", tt.mu, got, tt.delay)
		}
		if math.Abs(h-tt.h) > .1 {
			t.Errorf("μ = %v: h = %v, want about %v", tt.mu, h, tt.h)
		}
	}
}

// The limit printed for μ = .3 as "≈ 3.4" is 3.48 on a fine lattice and 3.4 on the one
// of k = 3/14 = .2143 for .2164, where it is the largest value that does not alarm (as
// in spc): the run length is a step function of h whose steps lie where multiples of k
// fall, so h is only as sharp as k. The delay, 62 days, does not depend on it.
func TestLimitIsAsSharpAsTheLattice(t *testing.T) {
	at := func(limit int, mean float64) float64 {
		return chain{step: 3, unit: 14, limit: limit}.runLengths(poisson(mean))[0]
	}
	limit := 1
	for at(limit, .3) < 730 {
		limit++
	}
	if h := float64(limit-1) / 14 * math.Ln2; fmt.Sprintf("%.1f", h) != "3.4" {
		t.Errorf("h = %v, want 3.4", h)
	}
	if delay := fmt.Sprintf("%.0f", at(limit, .15)); delay != "62" {
		t.Errorf("delay %s, want 62", delay)
	}
	if got := ARL(3.40, .3, .5, 0, .3); math.Abs(got-664) > 10 {
		t.Errorf("ARL₀ %v of h = 3.40 on a fine lattice, want about 664", got)
	}
}

// A geometric chart has a closed form: a run of n empty days.
func TestRunLengthOfSilence(t *testing.T) {
	for _, mean := range []float64{.1, .5, 2} {
		for _, days := range []int{1, 3, 7} {
			p := math.Exp(-mean)
			want := (math.Pow(p, -float64(days)) - 1) / (1 - p)
			// One empty day adds 1, any session resets.
			got := chain{step: 1, unit: 1000, limit: days}.runLengths(poisson(mean))[0]
			if math.Abs(got/want-1) > 1e-9 {
				t.Errorf("mean %v, %d days: %v, want %v", mean, days, got, want)
			}
		}
	}
}

func TestRunLengthBeyondReach(t *testing.T) {
	// A mean so high that an alarm is beyond float64.
	got := chain{step: 1, unit: 1, limit: 5}.runLengths(poisson(1000))[0]
	if !math.IsInf(got, 1) {
		t.Errorf("average run length %v, want +Inf", got)
	}
}

func TestNegativeBinomial(t *testing.T) {
	for _, mean := range []float64{.05, 1, 20} {
		for _, size := range []float64{.5, 8, 1e7} {
			p := negativeBinomial(mean, size)
			var total, first, second float64
			for y := range 3000 {
				n, prob := float64(y), p(y)
				total += prob
				first += n * prob
				second += n * n * prob
			}
			variance := mean + mean*mean/size
			if math.Abs(total-1) > 1e-6 || math.Abs(first/mean-1) > 1e-5 ||
				math.Abs((second-first*first)/variance-1) > 1e-4 {
				t.Errorf("mean %v, size %v: total %v, mean %v, variance %v, want 1, %v, %v",
					mean, size, total, first, second-first*first, mean, variance)
			}
		}
	}
}

// ARL and Threshold agree, and the budget costs delay.
func TestThresholdMeetsBudget(t *testing.T) {
	for _, mu := range []float64{.1, 1, 5} {
		for _, r := range []float64{0, 4} {
			for _, ratio := range []float64{.5, .1} {
				h := Threshold(mu, ratio, r, 730)
				if got := ARL(h, mu, ratio, r, mu); got < 730*.99 {
					t.Errorf("μ %v, r %v, ρ %v: ARL₀ %v at h = %v, want ≥ 730", mu, r, ratio, got, h)
				}
				if lorden := math.Log(730); h > lorden {
					t.Errorf("μ %v, r %v, ρ %v: h = %v above Lorden's %v", mu, r, ratio, h, lorden)
				}
				if healthy, ill := ARL(h, mu, ratio, r, mu), ARL(h, mu, ratio, r, mu*ratio); ill >= healthy/5 {
					t.Errorf("μ %v, r %v, ρ %v: ARL₁ %v is not far below ARL₀ %v", mu, r, ratio, ill, healthy)
				}
			}
		}
	}
}

// The table between its nodes against the exact chain there.
func TestThresholdsTable(t *testing.T) {
	for _, r := range []float64{0, 8} {
		table := NewThresholds(FormExact, []float64{.5, .1}, r, 1460)
		for _, mu := range []float64{.07, .33, 1.2, 4.4, 15} {
			for i, ratio := range []float64{.5, .1} {
				got := ARL(table.At(i, mu), mu, ratio, r, mu)
				// Counts are discrete, so for ρ = .1 the run length jumps by up to a factor.
				if got < 1460/2.5 || got > 1460*2.5 {
					t.Errorf("r %v, ρ %v, μ %v: ARL₀ %v, want about 1460", r, ratio, mu, got)
				}
			}
		}
		for i := range 2 {
			for _, mu := range []float64{0, 1e-9, 1e9, math.Inf(1)} {
				if h := table.At(i, mu); !(h >= thresholdMin) || h > math.Log(1460) {
					t.Errorf("r %v, μ %v: h = %v outside %v–ln 1460", r, mu, h, thresholdMin)
				}
			}
		}
	}
}

func TestLordenForm(t *testing.T) {
	table := NewThresholds(FormLorden, []float64{.5}, 0, 1000)
	if got, want := table.At(0, 3), math.Log(1000); got != want {
		t.Errorf("h = %v, want %v", got, want)
	}
	if got, want := table.Ghosting(3), math.Log(1000); got != want {
		t.Errorf("ghosting limit %v, want %v", got, want)
	}
}

func TestGhostingThreshold(t *testing.T) {
	table := NewThresholds(FormExact, []float64{.5}, 0, 730)
	// At one session a day: (e^n − 1)/(1 − 1/e) = 730 days.
	want := math.Log(1 + 730*(1-math.Exp(-1)))
	if got := table.Ghosting(1); math.Abs(got-want) > 1e-12 {
		t.Errorf("limit %v, want %v", got, want)
	}
}
