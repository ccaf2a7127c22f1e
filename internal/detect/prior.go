package detect

import "math"

// Limits of what is estimated from a tenant's partners.
const (
	priorPartnersMin   = 20 // partners behind a prior
	priorDaysMin       = 1. / 16
	priorDaysMax       = 30.  // a prior is not worth more than a month of the partner's own
	dispersionPairsMin = 2000 // Σ of products of counts behind a dispersion
	dispersionMin      = .25
	dispersionPoisson  = 64 // from here on Poisson
)

// Moments are sums over a segment's partners whose history covers a whole window of
// days; they are integers, so the order of summation cannot change them. Pairs are
// the counts a and b of a partner on a day and seven days before, frozen and
// factored days left out.
type Moments struct {
	Partners    uint64 // partners
	Sum         uint64 // Σ Y, Y the sessions of a partner in the window
	SumSquares  uint64 // Σ Y²
	PairSums    uint64 // Σ a + b
	PairProduct uint64 // Σ a·b
	PairSquares uint64 // Σ (a − b)²
}

// Prior is what a segment says about a partner before its own history does.
type Prior struct {
	Dispersion     float64 // r; +Inf: Poisson; 0: not enough to tell
	Sessions, Days float64 // α₀ and β₀; 0: not enough to tell
}

// Estimate gives the prior by moments (empirical Bayes; Casella 1985). exposure is
// the window in average days.
//
// With counts a and b of mean m a week apart, E(a−b)² = 2(m + m²/r) and E(ab) = m²,
// whatever the partner's rate, its trend over months, or the weekday; so
//
//	1/r = (Σ(a−b)²/2 − Σ(a+b)/2) / Σab
//
// Over partners, Var(Y) = E·λ̄ + E·mean(λ²)/r + E²·Var(λ); of the Gamma prior
// β₀ = λ̄/Var(λ) and α₀ = λ̄β₀. Results come in steps, so that a few late events
// leave them: r and the rest in sixteenths and quarters of a doubling.
func (m *Moments) Estimate(exposure float64) Prior {
	var p Prior
	if m.PairProduct >= dispersionPairsMin {
		rough := (float64(m.PairSquares) - float64(m.PairSums)) / 2 / float64(m.PairProduct)
		if rough <= 1./dispersionPoisson {
			p.Dispersion = math.Inf(1)
		} else {
			p.Dispersion = max(inSteps(1/rough, 16), dispersionMin)
		}
	}
	p.Sessions, p.Days = m.EstimateRate(exposure, p.Dispersion)
	return p
}

// EstimateRate gives α₀ and β₀ alone, as Estimate does, for counts of a known
// dispersion (+Inf or 0: Poisson): those of a tenant's segment, whose counts are too
// few to tell a dispersion of their own. Both are 0 if the partners are too few.
func (m *Moments) EstimateRate(exposure, dispersion float64) (sessions, days float64) {
	if m.Partners < priorPartnersMin || m.Sum == 0 || !(exposure > 0) {
		return 0, 0
	}
	rough := 0.0
	if dispersion > 0 {
		rough = 1 / dispersion
	}
	n := float64(m.Partners)
	mean, square := float64(m.Sum)/n, float64(m.SumSquares)/n
	rate := mean / exposure
	spread := (square - mean*mean - mean - square*rough/exposure) / (exposure * exposure)
	days = priorDaysMax
	if spread > 0 {
		days = min(max(inSteps(rate/spread, 4), priorDaysMin), priorDaysMax)
	}
	return inSteps(rate, 4) * days, days
}

// Add joins two groups of partners.
func (m *Moments) Add(o *Moments) {
	m.Partners += o.Partners
	m.Sum += o.Sum
	m.SumSquares += o.SumSquares
	m.PairSums += o.PairSums
	m.PairProduct += o.PairProduct
	m.PairSquares += o.PairSquares
}

// inSteps rounds to the nearest power of 2^(1/steps).
func inSteps(v, steps float64) float64 {
	return math.Exp2(math.Round(steps*math.Log2(v)) / steps)
}

// Into puts the prior into a day's input; what could not be told is left out.
func (p Prior) Into(in *Input) {
	in.Dispersion, in.PriorSessions, in.PriorDays = p.Dispersion, p.Sessions, p.Days
}
