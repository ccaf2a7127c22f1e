package bench

import (
	"fmt"
	"strings"
)

// DetectorReport is what a measurement of the drop detector found.
type DetectorReport struct {
	Name   string             `json:"name"`
	Unit   string             `json:"unit"` // of ours and floors
	Ours   float64            `json:"ours"`
	Floors map[string]float64 `json:"floors"`
	Ratios map[string]float64 `json:"ratios"` // ours ÷ floor

	BudgetDays           float64 `json:"budget_arl0_days"`
	AlertsPerManagerWeek float64 `json:"alerts_per_manager_week"`
	PartnersPerManager   float64 `json:"partners_per_manager"`

	FalseAlarms []FalseAlarms `json:"false_alarms"`
	Delays      []Delays      `json:"delays"`
	Stops       []StopFigures `json:"stops"`
	Rules       []RuleFigures `json:"rules"`
	Day         DayFigures    `json:"one_day"`
	Seed        uint64        `json:"seed"`
	Environs    Environment   `json:"environment"`
}

// FalseAlarms are the alerts about one band of healthy partners.
type FalseAlarms struct {
	Dispersion float64 `json:"dispersion"`           // true r; 0: Poisson
	Estimated  float64 `json:"dispersion_estimated"` // in the last month; 0: Poisson
	RateFrom   float64 `json:"rate_from"`
	RateTo     float64 `json:"rate_to"`
	Partners   int     `json:"partners"`
	Days       int     `json:"days"`      // with enough baseline
	OpenDays   int     `json:"open_days"` // of them, with an alert open
	Alerts     int     `json:"alerts"`
	Second     int     `json:"second"`       // ghosting on top of a drop that fires; inhibits it
	Expected   float64 `json:"expected"`     // by the budget
	Ratio      float64 `json:"ratio"`        // alerts ÷ expected
	Error      float64 `json:"ratio_stderr"` // Poisson
	// ByTenant is the ratio of each tenant, whose holidays differ.
	ByTenant []float64 `json:"ratio_by_tenant"`
}

// Delays are the days from a drop to its alert, for one rate.
type Delays struct {
	Setting       string                  `json:"setting"`
	Dispersion    float64                 `json:"dispersion"`
	Rate          float64                 `json:"rate"`  // before, sessions per average day
	Ratio         float64                 `json:"ratio"` // after ÷ before
	Bound         float64                 `json:"bound"` // exact, at the budget
	WholeBound    float64                 `json:"bound_without_lots"`
	BoundRealised float64                 `json:"bound_at_realised"`
	RealisedARL0  float64                 `json:"realised_arl0_days"`
	Ours          DelayFigures            `json:"ours"`
	Oracle        DelayFigures            `json:"oracle"`
	Rules         map[string]DelayFigures `json:"rules"`
	RatioToBound  float64                 `json:"median_to_bound"`
	RatioToWhole  float64                 `json:"median_to_bound_without_lots"`
	RatioAtEqual  float64                 `json:"median_to_bound_at_realised"`
}

// StopFigures say what telling a stop as early as possible would cost, exactly, with
// both rates known.
type StopFigures struct {
	Dispersion  float64 `json:"dispersion"`
	Rate        float64 `json:"rate"`
	Days        int     `json:"days"`               // the least that the budget has room for
	Share       float64 `json:"budget_share"`       // of the budget that it takes
	Halved      float64 `json:"halved"`             // mean delay of a halving with what is left
	HalvedLater float64 `json:"halved_a_day_later"` // the same when stops are told a day later
	Bound       float64 `json:"halved_bound"`       // with the whole budget
}

// DelayFigures are days; 0 where more than half, or a tenth, were not found in time.
type DelayFigures struct {
	Median float64 `json:"median"`
	Mean   float64 `json:"mean"` // those not found count as the whole time watched
	P90    float64 `json:"p90"`
	Missed float64 `json:"missed"` // share not found within 240 days
}

// RuleFigures say how a rule was tuned and how often it alerts about the healthy.
type RuleFigures struct {
	Setting    string             `json:"setting"`
	Dispersion float64            `json:"dispersion"`
	Name       string             `json:"name"`
	Knob       float64            `json:"knob"`
	Unit       string             `json:"unit"`
	ARL0       map[string]float64 `json:"arl0_days"` // by rate; none: it never alerted
}

// DayFigures are about many partners stepped through one day: state decoded,
// stepped, encoded.
type DayFigures struct {
	Partners       int     `json:"partners"`
	Seconds        float64 `json:"seconds"`
	CPUSeconds     float64 `json:"cpu_seconds"`
	StateBytes     float64 `json:"state_bytes"`     // of a partner, as stored
	AllocatedBytes float64 `json:"allocated_bytes"` // by partner and day
	HeapMiB        float64 `json:"heap_mib"`
}

func rateName(rate float64) string { return fmt.Sprintf("%g", rate) }

// headline sets ours and its floors.
func (r *DetectorReport) headline() {
	r.Floors, r.Ratios = make(map[string]float64), make(map[string]float64)
	for _, d := range r.Delays {
		if d.Setting == "business" && d.Dispersion == 0 && d.Rate == 1 && d.Ratio == .5 {
			r.Ours = d.Ours.Median
			r.Floors["exact_bound"], r.Floors["oracle"] = d.Bound, d.Oracle.Median
		}
	}
	for name, floor := range r.Floors {
		r.Ratios[name] = ratio(r.Ours, floor)
	}
}

// String is the report for people.
func (r *DetectorReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("budget: %g alerts a week for a manager of %g partners, one false alert in %.0f days of a partner",
		r.AlertsPerManagerWeek, r.PartnersPerManager, r.BudgetDays)
	line("\n%-10s %-12s %8s %9s %9s %8s", "dispersion", "rate", "alerts", "expected", "ratio", "±")
	for _, f := range r.FalseAlarms {
		line("%-10s %-12s %8d %9.0f %9.2f %8.2f", dispersionName(f.Dispersion),
			fmt.Sprintf("%g–%g", f.RateFrom, f.RateTo), f.Alerts, f.Expected, f.Ratio, f.Error)
	}
	line("\n%-9s %-8s %5s %5s %8s %8s %8s %8s %8s %8s", "days", "disp.", "rate", "left", "bound", "median", "ratio", "equal", "oracle", "ARL0")
	for _, d := range r.Delays {
		line("%-9s %-8s %5g %5g %8.1f %8.1f %8.2f %8.2f %8.1f %8.0f", d.Setting, dispersionName(d.Dispersion), d.Rate, d.Ratio,
			d.Bound, d.Ours.Median, d.RatioToBound, d.RatioAtEqual, d.Oracle.Median, d.RealisedARL0)
	}
	line("\none day of %d partners: %.1f s (%.1f s of CPU), %.0f bytes of state each, %.0f MiB of heap",
		r.Day.Partners, r.Day.Seconds, r.Day.CPUSeconds, r.Day.StateBytes, r.Day.HeapMiB)
	e := r.Environs
	line("%s, %d cores, %s, %s, commit %s, load average %s", e.CPU, e.Cores, e.System, e.Go, e.Commit, e.LoadAvg)
	return b.String()
}
