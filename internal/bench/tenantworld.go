package bench

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"partnerpulse/internal/detect"
)

// simulated is a tenant made up for the detector's benchmark: partners with
// constant healthy rates, a weekday profile, holidays, and a common dispersion.
// Only the counts are shown to a detector.
type simulated struct {
	Days       int
	Rates      []float64 // by partner, sessions per average day
	Dispersion float64   // 0: Poisson
	Weekdays   [7]float64
	Holidays   map[int]float64 // day → share of the sessions that come
	First      detect.Day
	counts     [][]uint16 // by partner and day
	// Change is the first day of each partner's new rate, Ratio × the old; 0: none.
	Change []int
	Ratio  float64
}

// business is the weekday profile of the simulated portals, Sunday first; it is not
// the one that the tenant model starts with.
var business = [7]float64{.15, 1.45, 1.35, 1.35, 1.3, 1.15, .25}

// holidays gives eleven public holidays a year, at a tenth of the usual sessions,
// and a quiet week at the year's end.
func holidays(src *rand.Rand, days int) map[int]float64 {
	out := make(map[int]float64)
	for year := 0; year*365 < days; year++ {
		for range 11 {
			out[year*365+src.IntN(350)] = .12
		}
		for d := range 7 {
			out[year*365+357+d] = .35
		}
	}
	return out
}

// exposure is what a day is worth relative to an average one.
func (s *simulated) exposure(day int) float64 {
	e := s.Weekdays[(s.First + detect.Day(day)).Weekday()]
	if share, ok := s.Holidays[day]; ok {
		e *= share
	}
	return e
}

// fill draws the counts. Partners are drawn from their own streams, so more of them
// leave the first ones as they were.
func (s *simulated) fill(seed uint64) {
	exposures := make([]float64, s.Days)
	for day := range exposures {
		exposures[day] = s.exposure(day)
	}
	s.counts = make([][]uint16, len(s.Rates))
	for p, rate := range s.Rates {
		src := rand.NewPCG(seed, uint64(p))
		counts := make([]uint16, s.Days)
		for day := range counts {
			mean := rate * exposures[day]
			if s.Change != nil && s.Change[p] > 0 && day >= s.Change[p] {
				mean *= s.Ratio
			}
			counts[day] = uint16(min(draw(src, mean, s.Dispersion), math.MaxUint16))
		}
		s.counts[p] = counts
	}
}

// draw gives a negative-binomial count of the mean and dispersion r, 0 for Poisson.
func draw(src rand.Source, mean, r float64) int {
	if r > 0 && mean > 0 {
		mean = distuv.Gamma{Alpha: r, Beta: r / mean, Src: src}.Rand()
	}
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: src}.Rand())
}

// context is what a detector can know of each day from the tenant's totals: the
// input without the partner's own sessions.
func (s *simulated) context(m *detect.TenantModel) []detect.Input {
	out := make([]detect.Input, s.Days)
	state := m.Start(s.First)
	var e estimator
	for day := range out {
		var groups [detect.TenantGroups]uint64
		for p, counts := range s.counts {
			groups[p%detect.TenantGroups] += uint64(counts[day])
		}
		var t detect.TenantDay
		state, t = m.Step(state, groups)
		out[day] = detect.Input{Factor: t.Factor(), Frozen: t.Frozen}
		e.see(s, day, &t)
		e.prior.Into(&out[day])
	}
	return out
}

// estimator renews the tenant's prior every month from the days before.
type estimator struct {
	usable []bool
	weight []float64
	prior  detect.Prior
}

// priorWindowDays is the window behind a prior, as in the aggregator.
const (
	priorWindowDays = 90
	priorDaysMin    = 28
)

func (e *estimator) see(s *simulated, day int, t *detect.TenantDay) {
	if day == priorDaysMin || day > priorDaysMin && t.Day.Time().Day() == 1 {
		from := max(day-priorWindowDays, 0)
		var m detect.Moments
		exposure := 0.0
		for d := from; d < day; d++ {
			exposure += e.weight[d]
		}
		for _, counts := range s.counts {
			e.add(&m, counts, from, day)
		}
		e.prior = m.Estimate(exposure)
	}
	e.usable = append(e.usable, !t.Frozen && t.Steps == 0)
	w := t.Factor()
	if t.Frozen {
		w = 0
	}
	e.weight = append(e.weight, w)
}

// add takes one partner's window into the moments.
func (e *estimator) add(m *detect.Moments, counts []uint16, from, to int) {
	sum := uint64(0)
	for d := from; d < to; d++ {
		if e.weight[d] > 0 {
			sum += uint64(counts[d])
		}
		if d-7 < from || !e.usable[d] || !e.usable[d-7] {
			continue
		}
		a, b := uint64(counts[d]), uint64(counts[d-7])
		m.PairSums += a + b
		m.PairProduct += a * b
		m.PairSquares += (max(a, b) - min(a, b)) * (max(a, b) - min(a, b))
	}
	m.Partners++
	m.Sum += sum
	m.SumSquares += sum * sum
}
