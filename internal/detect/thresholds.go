package detect

import (
	"math"
	"sort"
)

// Range of the table of thresholds, sessions per average day. Outside it the
// threshold at its end is taken: below, that is a little too high (fewer false
// alarms than stated).
const (
	rateTableMin  = .02
	rateTableMax  = 200
	rateTableStep = 1.3 // ratio of neighbouring nodes
)

// thresholdMin is the least limit in nats. At high rates a single day can tell so
// much that the budget alone would ask for less; a likelihood ratio of e² ≈ 7 is
// demanded anyway.
const thresholdMin = 2

// chainStates is the size aimed at for a tabulated chain; the lattice is then
// fine enough that h is exact to about 1 %.
const chainStates = 160

// Thresholds gives the alarm limits of a bank for one false-alarm budget. Build
// it once; it is immutable and safe for concurrent use.
type Thresholds struct {
	arl0 float64
	r    float64
	form Form
	bank []curve
}

// curve is h over ln μ for one ρ, linear between the nodes.
type curve struct{ logRate, h []float64 }

// NewThresholds tabulates h(μ) for each ratio so that one CUSUM alone has the
// zero-state in-control average run length arl0, in days. r is the dispersion, 0
// for Poisson. With FormLorden nothing is tabulated: h = ln(arl0), Lorden's bound
// (1971): ARL₀ ≥ eʰ for every distribution.
func NewThresholds(form Form, ratios []float64, r, arl0 float64) *Thresholds {
	t := &Thresholds{arl0: arl0, r: r, form: form}
	if form == FormLorden {
		return t
	}
	for _, ratio := range ratios {
		t.bank = append(t.bank, tabulate(ratio, r, arl0))
	}
	return t
}

// At is h in nats of the i-th ratio for a baseline of mu sessions per average day.
func (t *Thresholds) At(i int, mu float64) float64 {
	if t.form == FormLorden {
		return math.Log(t.arl0)
	}
	return t.bank[i].at(math.Log(mu))
}

// Ghosting is the limit of the accumulated silence, in nats (expected sessions
// missed, in the Poisson limit). A run of n empty days, each of probability p,
// takes (p⁻ⁿ − 1)/(1 − p) days on average (Feller 1968, XIII.7); solved for
// h = −n·ln p:
//
//	h = ln(1 + ARL₀·(1 − p))
func (t *Thresholds) Ghosting(mu float64) float64 {
	if t.form == FormLorden {
		return math.Log(t.arl0)
	}
	return math.Log1p(-t.arl0 * math.Expm1(-silence(mu, t.r)))
}

func (c *curve) at(x float64) float64 {
	last := len(c.logRate) - 1
	switch {
	case !(x > c.logRate[0]):
		return c.h[0]
	case x >= c.logRate[last]:
		return c.h[last]
	}
	i := sort.SearchFloat64s(c.logRate, x)
	share := (x - c.logRate[i-1]) / (c.logRate[i] - c.logRate[i-1])
	return c.h[i-1] + share*(c.h[i]-c.h[i-1])
}

// scale rewrites increment as −perSession·y + daily, in nats: divided by
// perSession it is a CUSUM of counts with reference value daily/perSession.
func scale(mu, ratio, r float64) (perSession, daily float64) {
	daily = increment(0, mu, ratio, math.Log(ratio), r)
	perSession = -math.Log(ratio)
	if r > 0 {
		perSession -= daily / r
	}
	return perSession, daily
}

// reference is the reference value k of the bank's CUSUM in sessions per day. It
// rises with mu.
func reference(mu, ratio, r float64) float64 {
	perSession, daily := scale(mu, ratio, r)
	return daily / perSession
}

// tabulate places the nodes where k is an exact fraction, so that the chain is
// the CUSUM itself and not an approximation of it.
func tabulate(ratio, r, arl0 float64) curve {
	var c curve
	guess := math.Log(arl0) / 2
	for target := rateTableMin; target < rateTableMax*rateTableStep; target *= rateTableStep {
		perSession, _ := scale(target, ratio, r)
		k := reference(target, ratio, r)
		unit := int(math.Ceil(max(chainStates*perSession/max(guess, thresholdMin), 2/k)))
		step := int(math.Round(k * float64(unit)))
		mu := rateOfReference(float64(step)/float64(unit), ratio, r)
		perSession, _ = scale(mu, ratio, r)
		h := limitFor(step, unit, arl0, negativeBinomial(mu, r), int(guess/perSession*float64(unit)))
		guess = max(h*perSession/float64(unit), thresholdMin)
		c.logRate = append(c.logRate, math.Log(mu))
		c.h = append(c.h, guess)
	}
	return c
}

// rateOfReference inverts reference in mu by bisection.
func rateOfReference(k, ratio, r float64) float64 {
	low, high := k, k
	for reference(low, ratio, r) > k {
		low /= 2
	}
	for reference(high, ratio, r) < k {
		high *= 2
	}
	for range 200 {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			break
		}
		if reference(middle, ratio, r) < k {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// limitFor finds the limit, in lattice units, at which the lower chain's average
// run length is arl0: by bisection on the integers, then log-linear in between,
// because ln ARL is nearly linear in h.
func limitFor(step, unit int, arl0 float64, p pmf, guess int) float64 {
	length := func(limit int) float64 {
		return math.Log(chain{step: step, unit: unit, limit: limit}.runLengths(p)[0])
	}
	target := math.Log(arl0)
	low, high := 1, max(guess, 2)
	lowLength, highLength := length(low), length(high)
	for highLength < target {
		low, lowLength = high, highLength
		high += high/3 + 1
		highLength = length(high)
	}
	if lowLength >= target {
		return float64(low)
	}
	for high-low > 1 {
		// Regula falsi, kept away from the ends so that the bracket shrinks.
		share := (target - lowLength) / (highLength - lowLength)
		margin := (high - low + 7) / 8
		middle := min(max(low+int(share*float64(high-low)), low+margin), high-margin)
		middle = min(max(middle, low+1), high-1)
		if l := length(middle); l < target {
			low, lowLength = middle, l
		} else {
			high, highLength = middle, l
		}
	}
	if math.IsInf(highLength, 1) || highLength == lowLength {
		return float64(high)
	}
	return float64(low) + (target-lowLength)/(highLength-lowLength)
}

// latticeStatesMax bounds the exact computation to a fraction of a second.
const latticeStatesMax = 600

// ARL is the zero-state average run length in days of the CUSUM designed for the
// baseline mu and the ratio, with limit h nats and dispersion r (0: Poisson), when
// the true rate is rate: ARL₀ for rate = mu, ARL₁ for rate = ratio·mu. All days
// have exposure 1; the alarm is S ≥ h, and the alarm day counts. The reference
// value is rounded to the best fraction that keeps the chain within 600 states.
func ARL(h, mu, ratio, r, rate float64) float64 {
	perSession, daily := scale(mu, ratio, r)
	k, limit := daily/perSession, h/perSession
	step, unit := fraction(k, int(max(latticeStatesMax/limit, 1)))
	states := int(math.Ceil(limit*float64(unit) - 1e-9))
	return chain{step: step, unit: unit, limit: max(states, 1)}.runLengths(negativeBinomial(rate, r))[0]
}

// Threshold is the smallest h in nats, exact on a lattice of at most 600 states,
// for which ARL(h, mu, ratio, r, mu) ≥ arl0.
func Threshold(mu, ratio, r, arl0 float64) float64 {
	perSession, daily := scale(mu, ratio, r)
	high := math.Log(arl0)
	step, unit := fraction(daily/perSession, int(max(latticeStatesMax*perSession/high, 1)))
	p := negativeBinomial(mu, r)
	first := sort.Search(int(math.Ceil(high/perSession*float64(unit)))+1, func(n int) bool {
		return n > 0 && chain{step: step, unit: unit, limit: n}.runLengths(p)[0] >= arl0
	})
	return float64(first) / float64(unit) * perSession
}

// DelayBound is the least mean delay in days that any detector can have between a
// drop from mu to ratio·mu and its alarm, in the worst case over what happened
// before (Lorden's sense), at a mean time of arl0 days between false alarms, both
// rates known: the exact ARL₁ of the CUSUM (Moustakides 1986). The run length is a
// step function of the limit; the CUSUM that alarms exactly every arl0 days draws
// lots at the step, so delay and limit h (nats) are interpolated between its sides.
func DelayBound(mu, ratio, r, arl0 float64) (delay, h float64) {
	perSession, daily := scale(mu, ratio, r)
	step, unit := fraction(daily/perSession, int(max(latticeStatesMax*perSession/math.Log(arl0), 1)))
	guess := int(math.Log(arl0) / 2 / perSession * float64(unit))
	limit := limitFor(step, unit, arl0, negativeBinomial(mu, r), guess)
	below := int(limit)
	after := func(n int) float64 {
		return chain{step: step, unit: unit, limit: max(n, 1)}.runLengths(negativeBinomial(ratio*mu, r))[0]
	}
	low, high := after(below), after(below+1)
	return low + (limit-float64(below))*(high-low), limit / float64(unit) * perSession
}

// fraction is the best approximation step/unit of k with 1 ≤ unit ≤ unitMax and
// step ≥ 1; the smallest unit among equals.
func fraction(k float64, unitMax int) (step, unit int) {
	best := math.Inf(1)
	for u := 1; u <= unitMax; u++ {
		s := max(math.Round(k*float64(u)), 1)
		if miss := math.Abs(s/float64(u) - k); miss < best*(1-1e-9) {
			best, step, unit = miss, int(s), u
		}
	}
	return step, unit
}
