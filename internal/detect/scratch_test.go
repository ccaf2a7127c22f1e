package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestScratchCalib(t *testing.T) {
	for _, k := range []float64{0, .5} {
		for _, r := range []float64{0, 8, 2} {
			d := build(t, func(c *Config) { c.Dispersion = r; c.CautionSE = k; c.ARL0Days = 730 })
			for _, mu := range []float64{.1, .3, 1, 3, 10, 30} {
				src := rand.NewPCG(20261122, uint64(mu*100))
				first, all, armed, watched, early := 0, 0, 0, 0, 0
				for range 120 {
					lambda := mu * math.Exp(.3*(rand.New(src).Float64()*2-1))
					s := d.Start(20003)
					open := false
					for day := range 730 {
						m := lambda
						if r > 0 {
							m = distuv.Gamma{Alpha: r, Beta: r / lambda, Src: src}.Rand()
						}
						y := int(distuv.Poisson{Lambda: m, Src: src}.Rand())
						o := d.step(&s, Input{Sessions: y, Factor: 1})
						if o.Armed {
							armed++
						}
						f := s.firing()
						if f && !open {
							first++
							if day < 120 {
								early++
							}
						}
						if o.Armed && !f {
							watched++
						}
						open = f
						for _, tr := range o.Transitions {
							if tr.Status == StatusFiring && tr.Rule != RuleNeverActivated {
								all++
							}
						}
					}
				}
				t.Logf("k %v r %v mu %v: episodes/budget %.2f alerts/budget %.2f per watched %.2f early %.2f of all", k, r, mu,
					float64(first)/(float64(armed)/730), float64(all)/(float64(armed)/730), float64(first)/(float64(watched)/730), float64(early)/float64(first))
			}
		}
	}
}
