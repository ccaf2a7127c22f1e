package bench

import (
	"fmt"
	"slices"
	"strings"
)

// AggregatorReport is what a measurement of the aggregator found.
type AggregatorReport struct {
	Name   string             `json:"name"`
	Unit   string             `json:"unit"` // of ours and floors
	Ours   float64            `json:"ours"` // the re-score of all partners as of one day, from all days of input
	Floors map[string]float64 `json:"floors"`
	Ratios map[string]float64 `json:"ratios"` // ours ÷ floor
	// CPUSeconds and CPURatios are the same by CPU time, of the store and of the
	// aggregator together: where others use the machine, they say more.
	CPUSeconds map[string]float64 `json:"cpu_seconds"`
	CPURatios  map[string]float64 `json:"cpu_ratios"`
	Partners   int                `json:"partners"`
	Days       int                `json:"days"`
	History    HistoryFigures     `json:"history"`
	Many       *ManyFigures       `json:"many"`
	Tick       TickFigures        `json:"tick"`
	Phases     []PhaseFigures     `json:"phases"`
	// PeakMiB is the most memory resident: of the aggregator, which is the process that
	// measures, and of the store, which loaded what is measured, too.
	PeakMiB  map[string]float64 `json:"peak_mib"`
	StoreMiB float64            `json:"store_mib"` // on disk at the end
	Environs Environment        `json:"environment"`
}

// PhaseFigures are about a part of the measurement, in seconds.
type PhaseFigures struct {
	Name       string  `json:"name"`
	Seconds    float64 `json:"seconds"`
	Store      float64 `json:"store_cpu_seconds"`
	Aggregator float64 `json:"aggregator_cpu_seconds"` // of the process that measures
}

// CPU is the time of both processes.
func (f PhaseFigures) CPU() float64 { return f.Store + f.Aggregator }

// HistoryFigures are about computing the scores of every day of a part of the partners.
type HistoryFigures struct {
	Partners      int     `json:"partners"`
	Rows          int64   `json:"rows"`
	Seconds       float64 `json:"seconds"`
	CPUSeconds    float64 `json:"cpu_seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
}

// ManyFigures are about the newest scores of a larger programme.
type ManyFigures struct {
	Partners   int     `json:"partners"`
	Days       int     `json:"days"` // of history
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// TickFigures are about a working aggregator after some partners had one event each:
// rollups, scores and publishing, to a bus that takes everything. The event is of today,
// and the days before have not changed, so detection has nothing new to see.
type TickFigures struct {
	Partners   int     `json:"partners"`
	Scores     int     `json:"scores_published"`
	Events     uint64  `json:"events"` // in the table that the rollups are computed from
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Ticks      int     `json:"ticks"`
	// Statements are those of the last round that took longest together, in seconds.
	Statements []StatementFigures `json:"statements"`
}

// StatementFigures are about one of the statements of a tick.
type StatementFigures struct {
	Name    string  `json:"name"`
	Times   uint64  `json:"times"`
	Seconds float64 `json:"seconds"`
}

// floorNames are the floors in the order of the report.
func floorNames() []string { return []string{"read", "read_final", "read_by_partner"} }

// compare fills in what is compared from the rounds of ours and of the floors.
func (r *AggregatorReport) compare(ours []PhaseFigures, floors map[string][]PhaseFigures) {
	wall := func(p PhaseFigures) float64 { return p.Seconds }
	r.Ours, r.Floors, r.Ratios = middleOf(ours, wall), make(map[string]float64), make(map[string]float64)
	r.CPUSeconds, r.CPURatios = map[string]float64{"ours": middleOf(ours, PhaseFigures.CPU)}, make(map[string]float64)
	for name, rounds := range floors {
		r.Floors[name], r.CPUSeconds[name] = middleOf(rounds, wall), middleOf(rounds, PhaseFigures.CPU)
		r.Ratios[name] = ratio(r.Ours, r.Floors[name])
		r.CPURatios[name] = ratio(r.CPUSeconds["ours"], r.CPUSeconds[name])
	}
}

func middleOf(rounds []PhaseFigures, value func(PhaseFigures) float64) float64 {
	values := make([]float64, len(rounds))
	for i, p := range rounds {
		values[i] = value(p)
	}
	return middle(values)
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// String is the report for people.
func (r *AggregatorReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("aggregator, %d partners × %d days (medians)", r.Partners, r.Days)
	line("  re-score as of one day             %8.2f s, CPU %.2f s", r.Ours, r.CPUSeconds["ours"])
	for _, name := range floorNames() {
		line("  floor %-28s %8.2f s  ratio %.2f  (goal ≤ 3 × read), CPU %.2f s  ratio %.2f", name, r.Floors[name], r.Ratios[name],
			r.CPUSeconds[name], r.CPURatios[name])
	}
	line("  histories of %d partners: %d rows in %.2f s, %.0f rows/s", r.History.Partners, r.History.Rows, r.History.Seconds, r.History.RowsPerSecond)
	line("  news of %d partners: %.2f s in %d ticks (goal < 2 s), CPU %.2f s", r.Tick.Partners, r.Tick.Seconds, r.Tick.Ticks, r.Tick.CPUSeconds)
	for _, f := range r.Tick.Statements {
		line("    %-34s %8.3f s  %d times", f.Name, f.Seconds, f.Times)
	}
	if r.Many != nil {
		line("  scores of %d partners × %d days: %.2f s (goal < 60 s), CPU %.2f s", r.Many.Partners, r.Many.Days, r.Many.Seconds, r.Many.CPUSeconds)
	}
	for _, p := range r.Phases {
		line("  %-34s %8.2f s, CPU of the store %.2f s, of the aggregator %.2f s", p.Name, p.Seconds, p.Store, p.Aggregator)
	}
	line("  most memory: aggregator %.0f MiB (limit %d), store %.0f MiB; %.0f MiB on disk", r.PeakMiB["aggregator"], MemoryLimitMiB, r.PeakMiB["store"], r.StoreMiB)
	line("%s, %d cores, %s, %s, load %s", r.Environs.CPU, r.Environs.Cores, r.Environs.Go, r.Environs.Commit, r.Environs.LoadAvg)
	return b.String()
}
