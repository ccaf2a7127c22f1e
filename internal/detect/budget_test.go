package detect

import (
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// draw gives a count of the mean and the dispersion r, 0 for Poisson.
func draw(src rand.Source, mean, r float64) int {
	if r > 0 && mean > 0 {
		mean = distuv.Gamma{Alpha: r, Beta: r / mean, Src: src}.Rand()
	}
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: src}.Rand())
}

// random gives n Poisson days.
func random(src rand.Source, n int, mean float64) []Input {
	in := make([]Input, n)
	for i := range in {
		in[i] = Input{Sessions: draw(src, mean, 0), Factor: 1}
	}
	return in
}

// A healthy partner of constant rate fires about as often as the budget says, with
// its rate unknown to the detector. Allowed is a fifth more or less than the budget,
// widened by the exact 99.9 % Poisson limits of the simulated number; the benchmark
// has the numbers for whole tenants.
func TestFalseAlarmsKeepTheBudget(t *testing.T) {
	for _, r := range []float64{0, 8} {
		d := build(t, func(c *Config) { c.Dispersion = r })
		for _, mu := range []float64{.1, .3, 1, 3, 10} {
			src := rand.NewPCG(20261122, uint64(mu*100))
			alarms, days := 0, 0
			for range 60 {
				history := make([]Input, 1200)
				for i := range history {
					history[i] = Input{Sessions: draw(src, mu, r), Factor: 1}
				}
				_, obs := d.Run(d.Start(first), history)
				alarms += countFiring(obs)
				for _, o := range obs {
					if o.Armed && o.Drop.Status != StatusFiring && o.Ghosting.Status != StatusFiring {
						days++
					}
				}
			}
			expected := float64(days) / d.arl0
			least := distuv.Poisson{Lambda: expected * .8}
			most := distuv.Poisson{Lambda: expected * 1.2}
			if n := float64(alarms); least.CDF(n) < .0005 || most.CDF(n-1) > .9995 {
				t.Errorf("r %v, μ %v: %d false alarms in %d days, the budget is %.0f", r, mu, alarms, days, expected)
			}
			t.Logf("r %v, μ %v: one false alarm in %.0f days", r, mu, float64(days)/max(1, float64(alarms)))
		}
	}
}

// countFiring counts drop and ghosting alerts.
func countFiring(obs []Observation) int {
	n := 0
	for _, rule := range []Rule{RuleDrop, RuleGhosting} {
		for _, tr := range transitions(obs, rule) {
			if tr.Status == StatusFiring {
				n++
			}
		}
	}
	return n
}

// A partner that stops is noticed in the days that its rate allows: the silence
// must reach h, a little more because the baseline is tested with caution, and at
// least Config.SilentDaysMin days.
func TestStopIsNoticedInTime(t *testing.T) {
	d := build(t, func(c *Config) { c.Dispersion = 0 })
	for _, mu := range []float64{.2, .5, 1, 3, 10} {
		limit := d.ghostLimit(&today{tested: mu, spread: .1, crowding: 1})
		within := int(1.5*limit/mu) + d.cfg.SilentDaysMin + 1
		src := rand.NewPCG(7, uint64(mu*100))
		noticed := 0
		const partners = 40
		for range partners {
			s, _ := d.Run(d.Start(first), random(src, 250, mu))
			_, obs := d.Run(s, constant(within, 0))
			if s.firing() || countFiring(obs) > 0 {
				noticed++
			}
		}
		if noticed < partners*9/10 {
			t.Errorf("μ %v: %d of %d stopped partners noticed within %d days", mu, noticed, partners, within)
		}
	}
}

// A partner that comes back to its old level is resolved.
func TestRecoveryResolves(t *testing.T) {
	d := build(t, nil)
	src := rand.NewPCG(11, 12)
	for _, mu := range []float64{.5, 2, 8} {
		resolved := 0
		const partners = 40
		for range partners {
			days := append(random(src, 150, mu), random(src, 60, 0)...)
			s, _ := d.Run(d.Start(first), days)
			if !s.firing() {
				t.Fatalf("μ %v: nothing fires after 60 silent days", mu)
			}
			_, obs := d.Run(s, random(src, 120, mu))
			for _, o := range obs {
				if o.Drop.Status != StatusFiring && o.Ghosting.Status != StatusFiring {
					resolved++
					break
				}
			}
		}
		if resolved < partners*9/10 {
			t.Errorf("μ %v: %d of %d recovered partners resolved within 120 days", mu, resolved, partners)
		}
	}
}
