package bench

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"partnerpulse/internal/detect"
)

// setting is a world in which partners drop.
type setting struct {
	Name       string // steady: all days alike; business: weekdays and holidays
	Dispersion float64
	Business   bool
}

// The days of a history with a drop.
const (
	changeDay  = 420 // partners change within the four weeks from here
	afterDays  = 240 // watched after the change
	delayDays  = changeDay + 28 + afterDays
	neverFound = math.MaxInt32
)

var (
	delayRates = []float64{.1, .3, 1, 3, 10}
	dropRatios = []float64{.5, .25, 0}
)

// tenants makes the healthy tenant of a setting.
func (b *detectorBench) settled(s setting) *simulated {
	w := &simulated{Days: delayDays, Dispersion: s.Dispersion, Weekdays: [7]float64{1, 1, 1, 1, 1, 1, 1}, First: firstMonday}
	if s.Business {
		w.Weekdays = business
		w.Holidays = holidays(rand.New(rand.NewPCG(b.cfg.Seed, 1)), w.Days)
	}
	for p := range b.cfg.Changing * len(delayRates) {
		w.Rates = append(w.Rates, delayRates[p%len(delayRates)])
	}
	return w
}

// delays measures, for each rate and drop, the days from the change to the alert of
// the detector, of an oracle that knows the rates, and of the rules that people use.
// The tenant is otherwise healthy: partners drop one at a time.
func (b *detectorBench) delays(ctx context.Context, set setting) ([]Delays, []RuleFigures, error) {
	healthy := b.settled(set)
	healthy.fill(b.cfg.Seed + 7)
	inputs := healthy.context(b.tenant)
	n := len(healthy.Rates)
	seen := make([]watched, n)
	if err := eachPartner(ctx, n, func(p int) { seen[p] = b.watch(healthy, p, inputs) }); err != nil {
		return nil, nil, err
	}
	rules, err := b.tuneRules(ctx, set, healthy)
	if err != nil {
		return nil, nil, err
	}
	var out []Delays
	for _, drop := range dropRatios {
		sick := b.settled(set)
		sick.Ratio, sick.Change = drop, make([]int, n)
		for p := range sick.Change {
			sick.Change[p] = changeDay + p/len(delayRates)%28
		}
		sick.fill(b.cfg.Seed + 7)
		ours, oracle := make([]int, n), make([]int, n)
		byRule := make([][]int, len(rules))
		for i := range byRule {
			byRule[i] = make([]int, n)
		}
		oracles := b.oracles(set, drop)
		err := eachPartner(ctx, n, func(p int) {
			ours[p] = b.delay(sick, p, inputs)
			oracle[p] = oracles[p%len(delayRates)].delay(sick, p)
			for i := range rules {
				byRule[i][p] = rules[i].delay(sick, p)
			}
		})
		if err != nil {
			return nil, nil, err
		}
		for k, rate := range delayRates {
			d := Delays{Setting: set.Name, Dispersion: set.Dispersion, Rate: rate, Ratio: drop}
			alerts, days := 0, 0
			for p := k; p < n; p += len(delayRates) {
				alerts += seen[p].alerts
				days += seen[p].days - seen[p].open
			}
			d.RealisedARL0 = math.Round(float64(days) / max(float64(alerts), 1))
			d.Ours = summarise(ours, k)
			d.Oracle = summarise(oracle, k)
			d.Rules = make(map[string]DelayFigures)
			for i, rule := range rules {
				d.Rules[rule.name] = summarise(byRule[i], k)
			}
			d.Bound, d.BoundRealised = bound(rate, drop, set.Dispersion, b.arl0), bound(rate, drop, set.Dispersion, d.RealisedARL0)
			d.WholeBound = wholeBound(rate, drop, set.Dispersion, b.arl0)
			d.RatioToBound = ratio(d.Ours.Median, d.Bound)
			d.RatioToWhole = ratio(d.Ours.Median, d.WholeBound)
			d.RatioAtEqual = ratio(d.Ours.Median, d.BoundRealised)
			out = append(out, d)
		}
	}
	figures := make([]RuleFigures, len(rules))
	for i, rule := range rules {
		figures[i] = rule.RuleFigures
	}
	return out, figures, nil
}

// bound is the exact least mean delay on days that are all alike, both rates known.
// For a partner that stops the ratio is as small as the chain takes.
func bound(rate, drop, r, arl0 float64) float64 {
	d, _ := detect.DelayBound(rate, max(drop, .001), r, arl0)
	return math.Round(d*100) / 100
}

// wholeBound is that of a CUSUM that draws no lots: with the least limit that keeps
// the budget. Where a day tells much, it differs.
func wholeBound(rate, drop, r, arl0 float64) float64 {
	drop = max(drop, .001)
	h := detect.Threshold(rate, drop, r, arl0)
	return math.Round(detect.ARL(h, rate, drop, r, drop*rate)*100) / 100
}

// stops says, for each rate of at least a session a day, what telling stops as early
// as the budget allows would cost those who come half as often.
func (b *detectorBench) stops() []StopFigures {
	var out []StopFigures
	for _, r := range []float64{0, 4} {
		for _, rate := range delayRates {
			if rate < 1 {
				continue
			}
			f := StopFigures{Dispersion: r, Rate: rate, Days: detect.SilentDays(rate, r, b.arl0), Bound: bound(rate, .5, r, b.arl0)}
			f.Share, f.Halved = detect.StopPrice(rate, .5, r, b.arl0, f.Days)
			_, f.HalvedLater = detect.StopPrice(rate, .5, r, b.arl0, f.Days+1)
			f.Share, f.Halved, f.HalvedLater = ratio(f.Share, 1), ratio(f.Halved, 1), ratio(f.HalvedLater, 1)
			out = append(out, f)
		}
	}
	return out
}

// delay is the number of days from the change to the first alert, the day of the
// alert included; −1 when an alert was open at the change.
func (b *detectorBench) delay(s *simulated, p int, inputs []detect.Input) int {
	state := s.start(b.detector)
	for day, in := range inputs {
		in.Sessions = int(s.counts[p][day])
		var o detect.Observation
		state, o = b.detector.Step(state, in)
		firing := o.Drop.Status == detect.StatusFiring || o.Ghosting.Status == detect.StatusFiring
		switch {
		case day == s.Change[p]-1 && firing:
			return -1
		case day >= s.Change[p] && firing:
			return day - s.Change[p] + 1
		}
	}
	return neverFound
}

// oracleCusum is the optimal CUSUM of one rate, drop and dispersion.
type oracleCusum struct{ rate, ratio, r, h float64 }

func (b *detectorBench) oracles(set setting, drop float64) []oracleCusum {
	var out []oracleCusum
	for _, rate := range delayRates {
		ratio := max(drop, .001)
		_, h := detect.DelayBound(rate, ratio, set.Dispersion, b.arl0)
		out = append(out, oracleCusum{rate, ratio, set.Dispersion, h})
	}
	return out
}

// delay is that of detectorBench.delay for the oracle, which also knows the weekdays
// and holidays.
func (o oracleCusum) delay(s *simulated, p int) int {
	statistic, open := 0.0, false
	for day := range s.Days {
		mu := o.rate * s.exposure(day)
		statistic = max(0, statistic+detect.Increment(int(s.counts[p][day]), mu, o.ratio, o.r))
		alarm := statistic >= o.h
		if alarm && day < s.Change[p] {
			open, statistic = day >= s.Change[p]-1, 0
		}
		if day >= s.Change[p] && alarm && !open {
			return day - s.Change[p] + 1
		}
	}
	return neverFound
}

// summarise gives the figures of the k-th rate.
func summarise(delays []int, k int) DelayFigures {
	var found []int
	missed := 0
	for p := k; p < len(delays); p += len(delayRates) {
		if delays[p] > 0 {
			found = append(found, delays[p])
			if delays[p] > afterDays {
				missed++
			}
		}
	}
	if len(found) == 0 {
		return DelayFigures{Missed: 1}
	}
	slices.Sort(found)
	f := DelayFigures{Median: middleDelay(found), P90: float64(found[len(found)*9/10]), Missed: ratio(float64(missed), float64(len(found)))}
	if f.Median > afterDays {
		f.Median = 0
	}
	if f.P90 > afterDays {
		f.P90 = 0
	}
	sum := 0.0
	for _, d := range found {
		sum += float64(min(d, afterDays))
	}
	f.Mean = math.Round(sum/float64(len(found))*10) / 10
	return f
}

func middleDelay(sorted []int) float64 {
	return float64(sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2]) / 2
}
