package bench

import (
	"fmt"
	"math"
	"strings"
)

// delayGoal is the median delay aimed at, in bounds, at goalRateMin sessions a day
// and more.
const (
	delayGoal   = 1.15
	goalRateMin = 1
)

// byTenant writes the ratios of the tenants.
func byTenant(ratios []float64) string {
	out := make([]string, len(ratios))
	for i, v := range ratios {
		out[i] = fmt.Sprintf("%.2f", v)
	}
	return strings.Join(out, " ")
}

// aboveSection says which delays miss the goal, and what meeting it would cost.
func (r *DetectorReport) aboveSection(line func(string, ...any)) {
	cells, met, metWhole := 0, 0, 0
	var above []*Delays
	for i := range r.Delays {
		d := &r.Delays[i]
		if d.Rate < goalRateMin {
			continue
		}
		cells++
		if d.RatioToBound > 0 && d.RatioToBound <= delayGoal {
			met++
		} else {
			above = append(above, d)
		}
		if d.RatioToWhole > 0 && d.RatioToWhole <= delayGoal {
			metWhole++
		}
	}
	line("### Above %g\n", delayGoal)
	line("Of %d cells at %d session a day and more, %d have a median of at most %g × the bound, and %d of at most %g × the bound without lots. The others:\n",
		cells, goalRateMin, met, delayGoal, metWhole, delayGoal)
	line("| days | dispersion | rate | left | bound | without lots | median | days above it | median ÷ without lots | mean | oracle median | oracle mean | mean ÷ oracle's |")
	line("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, d := range above {
		line("| %s | %s | %g | %g | %.2f | %.2f | %s | %.1f | %.2f | %g | %s | %g | %.2f |", d.Setting, dispersionName(d.Dispersion), d.Rate, d.Ratio,
			d.Bound, d.WholeBound, days(d.Ours.Median), math.Max(0, math.Round(10*(d.Ours.Median-d.WholeBound))/10), d.RatioToWhole, d.Ours.Mean, days(d.Oracle.Median), d.Oracle.Mean,
			ratio(d.Ours.Mean, d.Oracle.Mean))
	}
	line("")
	line("A median of whole days jumps by a day; the means do not. Business days have weekends, of which the bound knows nothing.\n")
	line("A stop is told after a whole number of days without a session, and the number decides by itself how often healthy partners are silent for so long. The table has the least number of days that fits into the budget, the share of the budget that it takes, and the least mean delay of a halving with what is left: by the exact chain of both together, rates known. Where the share is large, one day for stops costs days for everything else, so the detector tells the stop a day later.\n")
	line("| dispersion | rate | least days for a stop | share of the budget | halving then | halving, stops a day later | bound of a halving |")
	line("|---|---|---|---|---|---|---|")
	for _, s := range r.Stops {
		line("| %s | %g | %d | %.0f %% | %.1f (%.2f ×) | %.1f (%.2f ×) | %.1f |", dispersionName(s.Dispersion), s.Rate, s.Days, 100*s.Share,
			s.Halved, ratio(s.Halved, s.Bound), s.HalvedLater, ratio(s.HalvedLater, s.Bound), s.Bound)
	}
	line("")
}
