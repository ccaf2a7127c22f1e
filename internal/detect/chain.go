package detect

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// chain is a one-sided CUSUM of counts as a Markov chain (Brook and Evans 1972):
//
//	C ← max(0, C + step − unit·y)   (lower)
//	C ← max(0, C − step + unit·y)   (upper)
//
// on the integers 0 … limit−1; C ≥ limit is the alarm. A CUSUM with reference
// value k and limit h is the chain with k = step/unit, h = limit/unit.
type chain struct {
	step, unit, limit int
	upper             bool
}

// pmf gives P(y), y = 0, 1, …
type pmf func(y int) float64

// poisson is the Poisson distribution with the mean.
func poisson(mean float64) pmf {
	return func(y int) float64 {
		if mean <= 0 {
			return indicator(y == 0)
		}
		return distuv.Poisson{Lambda: mean}.Prob(float64(y))
	}
}

// negativeBinomial has the mean and the variance mean + mean²/size.
func negativeBinomial(mean, size float64) pmf {
	if size == 0 {
		return poisson(mean)
	}
	logP, logQ := -math.Log1p(mean/size), math.Log(mean/(size+mean))
	base, _ := math.Lgamma(size)
	return func(y int) float64 {
		if mean <= 0 {
			return indicator(y == 0)
		}
		n := float64(y)
		top, _ := math.Lgamma(n + size)
		bottom, _ := math.Lgamma(n + 1)
		return math.Exp(top - bottom - base + size*logP + n*logQ)
	}
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// runLengths gives the mean number of days until the alarm from each state, the
// solution L of (I − Q)·L = 1. L[0] is the zero-state average run length; the alarm
// day counts. It is +Inf where the alarm cannot be reached in float64.
//
// States are eliminated from the highest down without any subtraction (Grassmann,
// Taksar and Heyman 1985), so that long run lengths keep their digits; a lower
// CUSUM climbs at most step a day, which keeps the elimination short.
func (c chain) runLengths(p pmf) []float64 {
	n := c.limit
	q, alarm := c.transitions(p)
	days := make([]float64, n)
	climb := c.step
	if c.upper {
		climb = n
	}
	for i := n - 1; i >= 0; i-- {
		row := q[i*n : (i+1)*n]
		days[i] = 1
		for k := min(i+climb, n-1); k > i; k-- {
			share := row[k]
			if share == 0 {
				continue
			}
			through := q[k*n : k*n+k]
			for j, x := range through {
				row[j] += share * x
			}
			days[i] += share * days[k]
			alarm[i] += share * alarm[k]
		}
		leaving := alarm[i]
		for _, x := range row[:i] {
			leaving += x
		}
		for j := range row[:i] {
			row[j] /= leaving
		}
		days[i] /= leaving
		alarm[i] /= leaving
	}
	for i := range days {
		for j, x := range q[i*n : i*n+i] {
			days[i] += x * days[j]
		}
		if math.IsNaN(days[i]) {
			days[i] = math.Inf(1)
		}
	}
	return days
}

// transitions gives Q row by row and the alarm's probability from each state.
func (c chain) transitions(p pmf) (q, alarm []float64) {
	n := c.limit
	// A count beyond it leads from every state to 0 (lower) or the alarm (upper).
	probs := make([]float64, (n+c.step)/c.unit+2)
	for y := range probs {
		probs[y] = p(y)
	}
	q, alarm = make([]float64, n*n), make([]float64, n)
	for i := range n {
		rest := 1.0
		for y, prob := range probs {
			j := i + c.step - c.unit*y
			if c.upper {
				j = i - c.step + c.unit*y
			} else if j <= 0 {
				break
			}
			rest -= prob
			if j >= n {
				alarm[i] += prob
			} else {
				q[i*n+max(j, 0)] += prob
			}
		}
		if c.upper {
			alarm[i] += max(rest, 0)
		} else {
			q[i*n] += max(rest, 0)
		}
	}
	return q, alarm
}
