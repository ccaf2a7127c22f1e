package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Write writes the report page, its plots and the figures behind it to dir.
func (r *DetectorReport) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the report's directory: %w", err)
	}
	figures, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	files := map[string]string{
		"detector.json":    string(figures) + "\n",
		"report.md":        r.page(),
		"false-alarms.svg": r.falseAlarmPlot().String(),
		"delay-halved.svg": r.delayPlot(.5, "Half of the sessions stay away").String(),
		"delay-silent.svg": r.delayPlot(0, "All sessions stay away").String(),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

func (r *DetectorReport) falseAlarmPlot() *plot {
	p := &plot{
		Title: "False alarms ÷ budget", X: "sessions per average day", Y: "realised ÷ stated",
		YMin: 0, YMax: 2, Marks: []float64{0, .5, .8, 1, 1.2, 1.5, 2}, XMarks: rateBands, Band: [2]float64{.8, 1.2},
	}
	byName := make(map[float64]int)
	for _, f := range r.FalseAlarms {
		i, ok := byName[f.Dispersion]
		if !ok {
			i = len(p.Series)
			byName[f.Dispersion] = i
			p.Series = append(p.Series, series{Name: dispersionName(f.Dispersion)})
		}
		s := &p.Series[i]
		s.X, s.Y = append(s.X, math.Sqrt(f.RateFrom*f.RateTo)), append(s.Y, f.Ratio)
	}
	return p
}

// ruleNames are the rules in the order of the page.
var ruleNames = []string{"no session for 14 days", "half of the week before", "no session for N days", "week over week", "robust z of the week"}

func (r *DetectorReport) delayPlot(left float64, title string) *plot {
	p := &plot{
		Title: title + " (business days, Poisson)", X: "sessions per average day before", Y: "median days until the alert",
		LogY: true, YMin: 1, YMax: 240, Marks: []float64{1, 2, 5, 10, 20, 50, 100, 240}, XMarks: delayRates,
	}
	of := func(name string, dashed bool, value func(d *Delays) float64) {
		s := series{Name: name, Dashed: dashed}
		for i := range r.Delays {
			if d := &r.Delays[i]; d.Setting == "business" && d.Dispersion == 0 && d.Ratio == left {
				s.X, s.Y = append(s.X, d.Rate), append(s.Y, value(d))
			}
		}
		p.Series = append(p.Series, s)
	}
	of("PartnerPulse", false, func(d *Delays) float64 { return d.Ours.Median })
	of("oracle", true, func(d *Delays) float64 { return d.Oracle.Median })
	of("exact bound (mean)", true, func(d *Delays) float64 { return d.Bound })
	for _, name := range ruleNames {
		of(name, false, func(d *Delays) float64 { return d.Rules[name].Median })
	}
	return p
}

// days writes a figure of days, and a dash for what was not found in time.
func days(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%g", v)
}

// page is the report as Markdown.
func (r *DetectorReport) page() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	e := r.Environs
	line("# The drop detector, measured\n")
	line("Written by `partnerpulse bench detector --report docs/detector` (seed %d, commit %s, %s, %s). How the detector works is in [DETECTION.md](../DETECTION.md); all figures are in [detector.json](detector.json).\n",
		r.Seed, e.Commit, e.Go, e.Date.Format("2006-01-02"))
	line("Budget: %g false alerts a week for a channel manager with %g partners, that is one in %.0f days of a healthy partner. Rates, dispersion, weekdays and holidays are drawn and **not** told to the detector; it learns them from the counts, as it does in production.\n",
		r.AlertsPerManagerWeek, r.PartnersPerManager, r.BudgetDays)
	r.falseAlarmSection(line)
	r.delaySection(line)
	r.ruleSection(line)
	line("## A million partners, one day\n")
	line("State decoded, stepped, encoded: %d partners in %.1f s (%.1f s of CPU) on %d cores; %.0f bytes of state a partner; %.0f MiB of heap; %.0f bytes allocated a partner. %s, load average %s.",
		r.Day.Partners, r.Day.Seconds, r.Day.CPUSeconds, e.Cores, r.Day.StateBytes, r.Day.HeapMiB, r.Day.AllocatedBytes, e.CPU, e.LoadAvg)
	return b.String()
}

func (r *DetectorReport) falseAlarmSection(line func(string, ...any)) {
	line("## False alarms\n")
	line("![False alarms by rate](false-alarms.svg)\n")
	line("Healthy partners of constant rate in tenants with weekdays, eleven holidays a year, elsewhere in each tenant, and a quiet week at its end. An alert is counted when a drop or ghosting begins to fire while nothing does; days are those with enough baseline. ± is one Poisson standard error. *By tenant* shows how much a tenant's holidays and the errors of its weekday profile, which all of its partners share, add to that. *Also* counts ghosting that fires on top of a drop, whose alert it inhibits.\n")
	line("| dispersion | sessions a day | partners | days | alerts | budget | realised ÷ budget | ± | by tenant | also |")
	line("|---|---|---|---|---|---|---|---|---|---|")
	for _, f := range r.FalseAlarms {
		line("| %s | %g–%g | %d | %d | %d | %.0f | **%.2f** | %.2f | %s | %d |", dispersionName(f.Dispersion),
			f.RateFrom, f.RateTo, f.Partners, f.Days, f.Alerts, f.Expected, f.Ratio, f.Error, byTenant(f.ByTenant), f.Second)
	}
	line("")
}

func (r *DetectorReport) delaySection(line func(string, ...any)) {
	line("## Delay\n")
	line("![Half of the sessions stay away](delay-halved.svg)\n")
	line("![All sessions stay away](delay-silent.svg)\n")
	line("Days from the change to the alert, the alert's day included. *Left* is the share of the sessions that still come. The bound is the least **mean** delay that any detector can have in the worst case at the budget, on days that are all alike with both rates known (exact ARL₁ of the CUSUM, Moustakides 1986); *without lots* is the same CUSUM if it may not draw lots to use the budget up: where a day tells much, a whole day more. *At equal* takes the false-alarm rate that was realised at this rate instead of the budget. The oracle is that CUSUM on the same counts: it knows both rates, the dispersion, the weekdays and the holidays, and looks for this one drop only. Medians are below means and a CUSUM is seldom at its worst when the drop comes, so ratios below 1 are no contradiction. A dash: not found within 240 days.\n")
	line("| days | dispersion | rate | left | bound | without lots | median | mean | p90 | median ÷ bound | ÷ without lots | at equal | oracle median | oracle mean | 14 days | week halved | N days | week/week | robust z |")
	line("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, d := range r.Delays {
		row := fmt.Sprintf("| %s | %s | %g | %g | %.1f | %.1f | %s | %g | %s | **%.2f** | %.2f | %.2f | %s | %g |", d.Setting, dispersionName(d.Dispersion),
			d.Rate, d.Ratio, d.Bound, d.WholeBound, days(d.Ours.Median), d.Ours.Mean, days(d.Ours.P90), d.RatioToBound, d.RatioToWhole, d.RatioAtEqual, days(d.Oracle.Median), d.Oracle.Mean)
		for _, name := range ruleNames {
			row += " " + days(d.Rules[name].Median) + " |"
		}
		line("%s", row)
	}
	line("")
	r.aboveSection(line)
}

func (r *DetectorReport) ruleSection(line func(string, ...any)) {
	line("## The rules people use\n")
	line("The first two are as everybody has them. The others have one knob for all partners, tuned so that the healthy tenant of the setting gets as many alerts from it as the budget says; what is left is who gets them. (Week over week cannot be so rare before it alerts about nobody: small partners lose 100 %% of a week all the time.) Days between false alerts, by sessions a day; a dash: none in the whole simulation.\n")
	header, rule := "| days | dispersion | rule | knob |", "|---|---|---|---|"
	for _, rate := range delayRates {
		header += fmt.Sprintf(" %g |", rate)
		rule += "---|"
	}
	line("%s", header)
	line("%s", rule)
	for _, name := range ruleNames {
		for _, f := range r.Rules {
			if f.Name != name {
				continue
			}
			row := fmt.Sprintf("| %s | %s | %s | %g %s |", f.Setting, dispersionName(f.Dispersion), f.Name, f.Knob, f.Unit)
			for _, rate := range delayRates {
				row += " " + days(f.ARL0[rateName(rate)]) + " |"
			}
			line("%s", row)
		}
	}
	line("")
}
