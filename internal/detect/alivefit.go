package detect

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// Visits sums up a partner's visiting days for the BG/NBD model. Times are days since
// the first visit.
type Visits struct {
	Repeat   int     // days with a visit after the first
	LastSeen float64 // the last of them; 0 when there is none
	Watched  float64 // end of the days watched; not before LastSeen
}

// DefaultBGNBD is what is supposed of a tenant whose partners say nothing yet: a
// visiting day a week (rates spread as an exponential distribution), and one in a
// hundred of them the last. Time is in days.
func DefaultBGNBD() BGNBD { return BGNBD{R: 1, Alpha: 7, A: 1, B: 99} }

// aliveSpread is how far, in logarithms, a parameter may lie from its default before
// the partners' visits have to pay for it: a standard deviation of e².
const aliveSpread = 2

// aliveSteps rounds fitted parameters to steps of a sixteenth of a doubling, so that
// a few late events leave them alone.
const aliveSteps = 16

// LogLikelihood of one partner's visits (Fader, Hardie and Lee 2005, eq. 6):
//
//	Γ(r+x)αʳ/Γ(r) · B(a, b+x)/B(a, b) · ((α+T)^−(r+x) + [x > 0]·a/(b+x−1)·(α+t_x)^−(r+x))
func (m BGNBD) LogLikelihood(v Visits) float64 {
	n := float64(v.Repeat)
	ll := gammaLog(m.R+n) - gammaLog(m.R) + m.R*math.Log(m.Alpha) +
		gammaLog(m.A+m.B) - gammaLog(m.B) + gammaLog(m.B+n) - gammaLog(m.A+m.B+n)
	alive := -(m.R + n) * math.Log(m.Alpha+v.Watched)
	if v.Repeat <= 0 {
		return ll + alive
	}
	gone := math.Log(m.A) - math.Log(m.B+n-1) - (m.R+n)*math.Log(m.Alpha+v.LastSeen)
	high, low := max(alive, gone), min(alive, gone)
	return ll + high + math.Log1p(math.Exp(low-high))
}

func gammaLog(v float64) float64 {
	g, _ := math.Lgamma(v)
	return g
}

// FitBGNBD gives the parameters at which the visits and a weak prior around
// DefaultBGNBD are likeliest (a log-normal one, two wide, on each parameter: the empirical
// Bayes estimate when there are many partners, the default when there are none). The
// same visits in the same order give the same parameters. An error means that the
// search failed, which no visits are known to cause.
func FitBGNBD(visits []Visits) (BGNBD, error) {
	start := DefaultBGNBD()
	centre := []float64{math.Log(start.R), math.Log(start.Alpha), math.Log(start.A), math.Log(start.B)}
	at := func(x []float64) BGNBD {
		return BGNBD{R: math.Exp(x[0]), Alpha: math.Exp(x[1]), A: math.Exp(x[2]), B: math.Exp(x[3])}
	}
	cost := func(x []float64) float64 {
		penalty := 0.0
		for i, c := range centre {
			if math.Abs(x[i]-c) > 6*aliveSpread {
				return math.Inf(1) // nothing plausible is there, and Γ has no digits left
			}
			penalty += (x[i] - c) * (x[i] - c) / (2 * aliveSpread * aliveSpread)
		}
		m := at(x)
		for _, v := range visits {
			penalty -= m.LogLikelihood(v)
		}
		return penalty
	}
	settings := &optimize.Settings{
		FuncEvaluations: 1000,
		Converger:       &optimize.FunctionConverge{Absolute: 1e-4, Iterations: 40},
	}
	result, err := optimize.Minimize(optimize.Problem{Func: cost}, centre, settings, &optimize.NelderMead{})
	if err != nil {
		return start, fmt.Errorf("fitting visits: %w", err)
	}
	if math.IsNaN(result.F) || math.IsInf(result.F, 0) {
		return start, errors.New("fitting visits: no likelihood anywhere")
	}
	m := at(result.X)
	return BGNBD{
		R: inSteps(m.R, aliveSteps), Alpha: inSteps(m.Alpha, aliveSteps),
		A: inSteps(m.A, aliveSteps), B: inSteps(m.B, aliveSteps),
	}, nil
}
