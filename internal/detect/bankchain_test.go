package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestScratchHazard(t *testing.T) {
	for _, r := range []float64{0, 4} {
		for _, mu := range []float64{.05, .3, 1, 3, 10, 40} {
			for _, q := range []float64{1, .6} {
				h := 4.37
				at := time.Now()
				got := 1 / BankARL(h, mu, [2]float64{.5, .1}, r, q*mu)
				took := time.Since(at)
				src := rand.NewPCG(1, 2)
				n, days := 0, 0
				var s1, s2 float64
				for days < 300000 {
					m := q * mu
					if r > 0 {
						m = distuv.Gamma{Alpha: r, Beta: r / (q * mu), Src: src}.Rand()
					}
					y := int(distuv.Poisson{Lambda: m, Src: src}.Rand())
					s1 = max(0, s1+increment(y, mu, .5, math.Log(.5), r))
					s2 = max(0, s2+increment(y, mu, .1, math.Log(.1), r))
					days++
					if s1 >= h || s2 >= h+secondOffset {
						n++
						s1, s2 = 0, 0
					}
				}
				t.Logf("r %v mu %v q %v: ARL %.1f sim %.1f (%d) single %.1f %.1f lorden %.0f %v", r, mu, q, 1/got, float64(days)/float64(n), n,
					ARL(h, mu, .5, r, q*mu), ARL(h+secondOffset, mu, .1, r, q*mu), math.Exp(h), took)
			}
		}
	}
}
