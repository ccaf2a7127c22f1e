package detect

import "math"

// StopPrice says what a detector pays that tells a partner's stop after the given
// number of days without a session, and shares its budget of one false alarm in arl0
// days with a CUSUM that looks for a drop to ratio·mu. share is how much of the budget
// healthy partners' silences of that length take (above 1: more than there is), delay
// the CUSUM's mean delay in days from zero with what is left, +Inf if nothing is.
// Compare it with DelayBound, where the drop has the whole budget. Both rates known,
// all days alike; exact by the Markov chain of the CUSUM and the silence together.
func StopPrice(mu, ratio, r, arl0 float64, silent int) (share, delay float64) {
	p := negativeBinomial(mu, r)
	share = arl0 / silentRunLength(p(0), silent)
	if share >= 1 {
		return share, math.Inf(1)
	}
	perSession, daily := scale(mu, ratio, r)
	most := 2 * math.Log(arl0)
	step, unit := fraction(daily/perSession, int(max(latticeStatesMax/4*perSession/math.Log(arl0), 1)))
	low, high := 0, int(most/perSession*float64(unit))
	for high-low > 1 {
		middle := (low + high) / 2
		if (stopChain{chain{step: step, unit: unit, limit: middle}, silent}).runLength(p) < arl0 {
			low = middle
		} else {
			high = middle
		}
	}
	c := stopChain{chain{step: step, unit: unit, limit: high}, silent}
	return share, c.runLength(negativeBinomial(ratio*mu, r))
}

// SilentDays is the least number of days without a session that healthy partners go
// through no more often than once in arl0 days on average: the delay of a stop when
// the whole budget is spent on stops, without drawing lots.
func SilentDays(mu, r, arl0 float64) int {
	p := negativeBinomial(mu, r)(0)
	n := 1
	for silentRunLength(p, n) < arl0 {
		n++
	}
	return n
}

// silentRunLength is the mean number of days until n days in a row, each of
// probability p, have come: (p⁻ⁿ − 1)/(1 − p) (Feller 1968, XIII.7).
func silentRunLength(p float64, n int) float64 {
	return (math.Pow(p, -float64(n)) - 1) / (1 - p)
}

// stopChain is a lower CUSUM that also alarms after so many days without a count.
type stopChain struct {
	chain
	silent int
}

// runLength is the zero-state average run length in days. The distribution over the
// states is gone through day by day until the alarm has become geometric.
func (c stopChain) runLength(p pmf) float64 {
	probs := make([]float64, (c.limit+c.step)/c.unit+2)
	rest := 1.0
	for y := range probs {
		probs[y] = p(y)
		rest -= probs[y]
	}
	n := c.limit
	from, to := make([]float64, c.silent*n), make([]float64, c.silent*n)
	from[0] = 1
	sum, surviving, before := 0.0, 1.0, -1.0
	look := max(50, 4*c.silent)
	for day := 1; ; day++ {
		sum += surviving
		alive := c.day(from, to, probs, rest)
		hazard := 1 - alive
		surviving *= alive
		if surviving < 1e-12 {
			return sum
		}
		for i := range to {
			to[i] /= alive
		}
		from, to = to, from
		if day%look == 0 {
			if math.Abs(hazard-before) <= 1e-7*hazard || day > 100*look {
				return sum + surviving/hazard
			}
			before = hazard
		}
	}
}

// day moves the distribution by a day and gives the probability of no alarm.
func (c stopChain) day(from, to, probs []float64, rest float64) (alive float64) {
	clear(to)
	n, total := c.limit, 0.0
	for i, mass := range from {
		if mass == 0 {
			continue
		}
		total += mass
		silence, s := i/n, i%n
		if s+c.step < n && silence+1 < c.silent {
			to[(silence+1)*n+s+c.step] += mass * probs[0]
		}
		for y := 1; y < len(probs); y++ {
			if at := max(0, s+c.step-c.unit*y); at < n {
				to[at] += mass * probs[y]
			}
		}
	}
	to[0] += total * max(rest, 0)
	for _, mass := range to {
		alive += mass
	}
	return alive
}
