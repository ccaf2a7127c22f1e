package bench

import (
	"context"
	"math"
	"slices"
)

// rule is a rule that people use: it alerts while its statistic is at least knob.
type rule struct {
	RuleFigures
	name      string
	statistic func(counts []uint16, out []float32)
	knob      float32
}

// rearmDays is how long a rule has to be quiet before it can alert again.
const rearmDays = 14

// tuneRules gives each rule the knob at which it alerts about the healthy tenant as
// often as the budget says, or the strictest one where it cannot be so rare.
func (b *detectorBench) tuneRules(ctx context.Context, set setting, healthy *simulated) ([]rule, error) {
	rules := []rule{
		{name: "no session for N days", statistic: silentDays, RuleFigures: RuleFigures{Unit: "days"}},
		{name: "week over week", statistic: weekOverWeek, RuleFigures: RuleFigures{Unit: "% lost"}},
		{name: "robust z of the week", statistic: robustZ, RuleFigures: RuleFigures{Unit: "σ"}},
	}
	// Two of them as everybody has them, untuned.
	fixed := []rule{
		{name: "no session for 14 days", statistic: silentDays, knob: 14, RuleFigures: RuleFigures{Unit: "days"}},
		{name: "half of the week before", statistic: weekOverWeek, knob: 50, RuleFigures: RuleFigures{Unit: "% lost"}},
	}
	n := len(healthy.Rates)
	for i := range rules {
		r := &rules[i]
		values := make([][]float32, n)
		err := eachPartner(ctx, n, func(p int) {
			values[p] = make([]float32, healthy.Days)
			r.statistic(healthy.counts[p], values[p])
		})
		if err != nil {
			return nil, err
		}
		budget := float64(n*(healthy.Days-ruleWarmUp)) / b.arl0
		low, high := float32(0), strictest(values)
		for range 24 {
			r.knob = (low + high) / 2
			if float64(episodes(values, r.knob)) > budget {
				low = r.knob
			} else {
				high = r.knob
			}
		}
		r.knob = high
		r.figures(set, values)
		if i < len(fixed) {
			fixed[i].figures(set, values)
		}
	}
	return append(rules, fixed...), nil
}

// figures fills in how the rule does on the healthy tenant; rates about which it never
// alerted are left out.
func (r *rule) figures(set setting, values [][]float32) {
	r.Setting, r.Dispersion, r.Name = set.Name, set.Dispersion, r.name
	r.Knob = math.Round(float64(r.knob)*100) / 100
	r.ARL0 = make(map[string]float64)
	for k, rate := range delayRates {
		var mine [][]float32
		for p := k; p < len(values); p += len(delayRates) {
			mine = append(mine, values[p])
		}
		days := float64(len(mine) * (len(mine[0]) - ruleWarmUp))
		if n := episodes(mine, r.knob); n > 0 {
			r.ARL0[rateName(rate)] = math.Round(days / float64(n))
		}
	}
}

// ruleWarmUp is the history that the rules look back on.
const ruleWarmUp = 63

// strictest is a knob that nothing reaches.
func strictest(values [][]float32) float32 {
	top := float32(0)
	for _, v := range values {
		top = max(top, slices.Max(v))
	}
	return math.Nextafter32(top, math.MaxFloat32)
}

// episodes counts how often the rule alerts.
func episodes(values [][]float32, knob float32) int {
	n := 0
	for _, v := range values {
		quiet := rearmDays
		for _, x := range v[ruleWarmUp:] {
			if x >= knob {
				if quiet >= rearmDays {
					n++
				}
				quiet = 0
			} else {
				quiet++
			}
		}
	}
	return n
}

// delay is that of detectorBench.delay for the rule.
func (r *rule) delay(s *simulated, p int) int {
	values := make([]float32, s.Days)
	r.statistic(s.counts[p], values)
	change := s.Change[p]
	for day := change - rearmDays; day < s.Days; day++ {
		switch alarm := values[day] >= r.knob; {
		case alarm && day < change:
			return -1
		case alarm:
			return day - change + 1
		}
	}
	return neverFound
}

// silentDays is the number of days without a session.
func silentDays(counts []uint16, out []float32) {
	silent := float32(0)
	seen := false
	for day, y := range counts {
		silent++
		if y > 0 {
			silent, seen = 0, true
		}
		if seen {
			out[day] = silent
		}
	}
}

// weeks gives the sums of seven days that end day, day−7, …
func weeks(counts []uint16, day, n int) []float64 {
	sums := make([]float64, n)
	for i := range sums {
		for _, y := range counts[day-7*i-6 : day-7*i+1] {
			sums[i] += float64(y)
		}
	}
	return sums
}

// weekOverWeek is what was lost from one week to the next, per cent.
func weekOverWeek(counts []uint16, out []float32) {
	for day := 14; day < len(counts); day++ {
		if w := weeks(counts, day, 2); w[1] > 0 {
			out[day] = float32(max(0, 100*(1-w[0]/w[1])))
		}
	}
}

// robustZ is how many scaled median absolute deviations a week is below the median
// of the eight before, with a deviation of at least one session.
func robustZ(counts []uint16, out []float32) {
	for day := ruleWarmUp; day < len(counts); day++ {
		w := weeks(counts, day, 9)
		now, past := w[0], w[1:]
		slices.Sort(past)
		median := (past[3] + past[4]) / 2
		for i := range past {
			past[i] = math.Abs(past[i] - median)
		}
		slices.Sort(past)
		mad := 1.4826 * (past[3] + past[4]) / 2
		out[day] = float32(max(0, (median-now)/max(mad, 1)))
	}
}
