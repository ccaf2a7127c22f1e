package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// With a silence nobody reaches it is the CUSUM alone, and with a limit nobody
// reaches the silence alone, which has a closed form.
func TestStopChainHasItsPartsAsLimits(t *testing.T) {
	for _, c := range []struct{ mu, r float64 }{{.7, 0}, {1, 4}, {3, 4}, {2, 0}} {
		p := negativeBinomial(c.mu, c.r)
		alone := chain{step: 7, unit: 10, limit: 25}
		if got, want := (stopChain{alone, 60}).runLength(p), alone.runLengths(p)[0]; math.Abs(got/want-1) > 1e-6 {
			t.Errorf("%+v: the CUSUM alone runs %v days, want %v", c, got, want)
		}
		unreached := chain{step: 7, unit: 10, limit: 600}
		if got, want := (stopChain{unreached, 3}).runLength(p), silentRunLength(p(0), 3); math.Abs(got/want-1) > 1e-4 {
			t.Errorf("%+v: the silence alone runs %v days, want %v", c, got, want)
		}
	}
}

// The run length against simulated days.
func TestStopChainAgainstSimulation(t *testing.T) {
	const mu, r, rounds = 2., 4., 3000
	c := stopChain{chain{step: 3, unit: 2, limit: 14}, 4}
	src := rand.NewPCG(3, 4)
	total := 0
	for range rounds {
		for s, silent := 0, 0; ; {
			total++
			y := draw(src, mu, r)
			if silent++; y > 0 {
				silent = 0
			}
			if s = max(0, s+c.step-c.unit*y); s >= c.limit || silent >= c.silent {
				break
			}
		}
	}
	want := c.runLength(negativeBinomial(mu, r))
	if got := float64(total) / rounds; math.Abs(got/want-1) > .06 {
		t.Errorf("simulated %.1f days, the chain says %.1f", got, want)
	}
}

// Telling a stop a day earlier than the budget has room for cannot be bought, and the
// earliest day that can be bought costs the drops.
func TestStopPrice(t *testing.T) {
	const arl0 = 728.
	days := SilentDays(3, 4, arl0)
	if days != 3 {
		t.Fatalf("%d silent days, want 3", days)
	}
	if share, delay := StopPrice(3, .5, 4, arl0, days-1); share < 1 || !math.IsInf(delay, 1) {
		t.Errorf("two days: %v of the budget, delay %v", share, delay)
	}
	bound, _ := DelayBound(3, .5, 4, arl0)
	share, delay := StopPrice(3, .5, 4, arl0, days)
	if share < .7 || share > .85 || delay < 1.15*bound || delay > 1.3*bound {
		t.Errorf("three days: %v of the budget, a halving is told after %v days, the bound is %v", share, delay, bound)
	}
	_, later := StopPrice(3, .5, 4, arl0, days+1)
	if later < bound*.99 || later > 1.05*bound {
		t.Errorf("four days: a halving is told after %v days, the bound is %v", later, bound)
	}
}
