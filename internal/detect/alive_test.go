package detect

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Parameters of the CDNOW sample (Fader, Hardie and Lee 2005), customer 0001.
func TestAliveGolden(t *testing.T) {
	m := BGNBD{R: .243, Alpha: 4.414, A: .793, B: 2.426}
	if got := fmt.Sprintf("%.5f", m.Alive(2, 30.43, 38.86)); got != "0.72658" {
		t.Errorf("P(alive) = %s, want 0.72658", got)
	}
}

// A longer silence makes it less likely that a partner is alive.
func TestAliveFallsWithSilence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		positive := rapid.Float64Range(.01, 20)
		m := BGNBD{positive.Draw(rt, "r"), positive.Draw(rt, "alpha"), positive.Draw(rt, "a"), positive.Draw(rt, "b")}
		x := rapid.IntRange(0, 400).Draw(rt, "x")
		last := rapid.Float64Range(0, 500).Draw(rt, "last")
		silence := rapid.Float64Range(0, 500).Draw(rt, "silence")
		p, later := m.Alive(x, last, last+silence), m.Alive(x, last, last+silence+10)
		if !(p >= 0 && p <= 1) || later > p {
			rt.Fatalf("P(alive) = %v after %v, %v ten later", p, silence, later)
		}
	})
}

// The smallest drop that is detectable within a month is what the chain of the
// member that sees it first needs a month for.
func TestDetectableDrop(t *testing.T) {
	for _, r := range []float64{0, 4} {
		d := build(t, func(c *Config) { c.Dispersion = r })
		for _, mu := range []float64{.5, 1, 3, 10} {
			today := today{tested: mu, spread: .05, crowding: 1, r: r}
			drop := d.detectable(&today)
			if drop <= 0 || drop >= 100 {
				t.Errorf("μ %v, r %v: smallest detectable drop %v %%", mu, r, drop)
				continue
			}
			fastest := 1e9
			for i, ratio := range d.cfg.Ratios {
				fastest = min(fastest, ARL(d.limit(i, &today), mu, ratio, r, mu*(1-drop/100)))
			}
			if fastest < detectableDays*.75 || fastest > detectableDays*1.25 {
				t.Errorf("μ %v, r %v: a drop of %.0f %% takes %.1f days on average, want about %v", mu, r, drop, fastest, detectableDays)
			}
		}
		if drop := d.detectable(&today{tested: .02, spread: .4, crowding: 1, r: r}); drop != 0 {
			t.Errorf("r %v: a drop of %v %% of a partner that comes every seven weeks can be seen in a month", r, drop)
		}
	}
	// More sessions make smaller drops visible.
	d := build(t, nil)
	before := 101.0
	for _, mu := range []float64{.3, 1, 4, 16} {
		drop := d.detectable(&today{tested: mu, spread: .05, crowding: 1, r: 8})
		if !(drop < before) {
			t.Errorf("μ %v: %v %%, %v %% at a lower rate", mu, drop, before)
		}
		before = drop
	}
}
