package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// E2EReport is what a measurement of the whole way found.
type E2EReport struct {
	Name   string             `json:"name"`
	Unit   string             `json:"unit"`   // of ours and floors
	Ours   float64            `json:"ours"`   // 99th percentile, accepted → in a row of partner_scores
	Floors map[string]float64 `json:"floors"` // the same of accepted → in a row of events
	Ratios map[string]float64 `json:"ratios"` // ours ÷ floor
	Goal   float64            `json:"goal"`

	Scored  Latencies   `json:"accepted_to_score"`
	Stored  Latencies   `json:"accepted_to_events"`
	Due     Latencies   `json:"due_to_score"`  // from when the schedule wanted the probe sent
	Answers Latencies   `json:"due_to_answer"` // of the load's requests
	Late    Latencies   `json:"due_to_sent"`   // how far the generator fell behind its schedule
	Spans   []E2ESpan   `json:"spans"`         // how the first goes on with time
	Load    LoadFigures `json:"load"`
	Lag     LagFigures  `json:"lag_at_the_end_of_load"`

	Processes map[string]ProcessFigures `json:"processes"`
	Tick      E2ETick                   `json:"aggregator"`
	Setting   E2ESetting                `json:"setting"`
	Engines   string                    `json:"engines"`
	Environs  Environment               `json:"environment"`
}

// Latencies are in seconds.
type Latencies struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_s"`
	P90     float64 `json:"p90_s"`
	P99     float64 `json:"p99_s"`
	P999    float64 `json:"p999_s"`
	Max     float64 `json:"max_s"`
}

// E2ESpan is a part of the time that is counted.
type E2ESpan struct {
	From    float64 `json:"from_s"` // since counting began
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_s"`
	P99     float64 `json:"p99_s"`
}

// LoadFigures say what arrived.
type LoadFigures struct {
	EventsPerSecond float64 `json:"accepted_per_second"` // of what is counted
	Accepted        int64   `json:"accepted"`            // in all, warming up and probes included
	Stored          int64   `json:"stored"`              // the same number, or the measurement fails
}

// LagFigures say what was on its way when the load ended.
type LagFigures struct {
	Events  int64   `json:"events_not_stored"`
	Keys    int64   `json:"partner_days_not_worked_off"`
	Seconds float64 `json:"seconds_until_the_last_probe"`
}

// ProcessFigures are of one process.
type ProcessFigures struct {
	CPUSeconds float64 `json:"cpu_seconds"` // of what is counted
	Cores      float64 `json:"cores"`       // the same per second
	PeakMiB    float64 `json:"peak_mib"`    // most memory resident since it began; 0: not told
}

// E2ETick says what the aggregator did, warming up included.
type E2ETick struct {
	Ticks       uint64             `json:"ticks"`
	MeanSeconds float64            `json:"mean_s"`
	Partners    float64            `json:"partners_brought_up_to_date"`
	Statements  []StatementFigures `json:"statements"` // that took longest together
}

// E2ESetting is how was measured.
type E2ESetting struct {
	Rate        int     `json:"events_per_second"`
	WarmUp      float64 `json:"warm_up_s"`
	Seconds     float64 `json:"seconds"`
	Batch       int     `json:"events_per_request"`
	Connections int     `json:"connections"`
	Partners    int     `json:"partners"`
	Visits      int     `json:"visits_at_once"`
	Probes      int     `json:"probes_per_second"`
	LookSeconds float64 `json:"look_every_s"` // a part of every figure of visibility
}

// storedFloor names the floor: no score can be visible before its event is stored.
const storedFloor = "visible_in_events"

// E2EGoalSeconds is DESIGN.md's goal for the 99th percentile.
const E2EGoalSeconds = 5

// report sums up.
func (b *e2eBench) report(ctx context.Context) (*E2EReport, error) {
	counted := b.probes.counted()
	of := func(f func(*probe) time.Duration) Latencies {
		times := make([]time.Duration, len(counted))
		for i, p := range counted {
			times[i] = f(p)
		}
		slices.Sort(times)
		return latencies(times)
	}
	b.lag.Seconds = seconds(b.lastSeen.Sub(b.end))
	answers, late := b.paced.sorted()
	accepted := b.paced.accepted.Load() + b.probes.accepted.Load()
	r := &E2EReport{
		Name: "e2e", Unit: "seconds from the answer to visibility, 99th percentile", Goal: E2EGoalSeconds,
		Scored:  of(func(p *probe) time.Duration { return p.scored.Sub(p.accepted) }),
		Stored:  of(func(p *probe) time.Duration { return p.stored.Sub(p.accepted) }),
		Due:     of(func(p *probe) time.Duration { return p.scored.Sub(p.due) }),
		Answers: latencies(answers), Late: latencies(late), Spans: b.spans(counted),
		Load:      LoadFigures{EventsPerSecond: round(float64(b.paced.events) / b.cfg.Length.Seconds()), Accepted: accepted, Stored: accepted},
		Lag:       b.lag,
		Processes: b.processes(),
		Setting: E2ESetting{
			Rate: b.cfg.Rate, WarmUp: b.cfg.WarmUp.Seconds(), Seconds: b.cfg.Length.Seconds(), Batch: b.cfg.Batch, Connections: b.cfg.Connections,
			Partners: b.cfg.Partners, Visits: b.cfg.Visits, Probes: b.cfg.Probes, LookSeconds: watchPause.Seconds(),
		},
		Engines:  "embedded Kafka (kfake, no fsync per acknowledgement: Apache Kafka's default) and embedded ClickHouse (libchdb), a process each",
		Environs: environment(b.stand.Version),
	}
	r.Ours, r.Floors = r.Scored.P99, map[string]float64{storedFloor: r.Stored.P99}
	r.Ratios = map[string]float64{storedFloor: ratio(r.Ours, r.Stored.P99)}
	var err error
	r.Tick, err = readTicks(ctx, b.stand.Aggregator)
	return r, err
}

// spanSeconds is the length of a span.
const spanSeconds = 10

func (b *e2eBench) spans(counted []*probe) []E2ESpan {
	times := make(map[int][]time.Duration)
	for _, p := range counted {
		i := int(p.due.Sub(b.begin).Seconds()) / spanSeconds
		times[i] = append(times[i], p.scored.Sub(p.accepted))
	}
	var out []E2ESpan
	for i := range int(b.cfg.Length.Seconds())/spanSeconds + 1 {
		if t := times[i]; len(t) > 0 {
			slices.Sort(t)
			out = append(out, E2ESpan{From: float64(i * spanSeconds), Samples: len(t), P50: seconds(quantile(t, .5)), P99: seconds(quantile(t, .99))})
		}
	}
	return out
}

func (b *e2eBench) processes() map[string]ProcessFigures {
	out := make(map[string]ProcessFigures, len(b.cpu))
	figures := func(name string, peak int64) {
		const mib = 1 << 20
		out[name] = ProcessFigures{
			CPUSeconds: seconds(b.cpu[name]), Cores: ratio(b.cpu[name].Seconds(), b.cfg.Length.Seconds()), PeakMiB: round(float64(max(0, peak)) / mib),
		}
	}
	figures(generatorName, peakMemory())
	for _, p := range b.stand.Parts {
		peak, err := p.PeakMemory()
		if err != nil { // not every system tells
			peak = 0
		}
		figures(p.Name, peak)
	}
	return out
}

func latencies(sorted []time.Duration) Latencies {
	return Latencies{
		Samples: len(sorted), P50: seconds(quantile(sorted, .5)), P90: seconds(quantile(sorted, .9)), P99: seconds(quantile(sorted, .99)),
		P999: seconds(quantile(sorted, .999)), Max: seconds(quantile(sorted, 1)),
	}
}

// seconds gives a time to a tenth of a millisecond.
func seconds(d time.Duration) float64 { return d.Round(100 * time.Microsecond).Seconds() }

// readTicks reads the aggregator's metrics.
func readTicks(ctx context.Context, addr string) (t E2ETick, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return t, fmt.Errorf("reading the aggregator's metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return t, fmt.Errorf("reading the aggregator's metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	return ticksOf(resp.Body)
}

func ticksOf(text io.Reader) (t E2ETick, err error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return t, fmt.Errorf("reading the aggregator's metrics: %w", err)
	}
	for _, m := range metricsOf(families, "partnerpulse_aggregator_tick_seconds") {
		t.Ticks = m.GetHistogram().GetSampleCount()
		t.MeanSeconds = ratio(m.GetHistogram().GetSampleSum(), float64(t.Ticks))
	}
	for _, m := range metricsOf(families, "partnerpulse_aggregator_partners_total") {
		t.Partners = m.GetCounter().GetValue()
	}
	times := make(map[string]StatementFigures)
	for _, m := range metricsOf(families, "partnerpulse_aggregator_statement_seconds") {
		name := ""
		for _, l := range m.GetLabel() {
			if l.GetName() == "statement" {
				name = l.GetValue()
			}
		}
		times[name] = StatementFigures{name, m.GetHistogram().GetSampleCount(), ratio(m.GetHistogram().GetSampleSum(), 1)}
	}
	t.Statements = longest(nil, times)
	return t, nil
}

func metricsOf(families map[string]*dto.MetricFamily, name string) []*dto.Metric {
	return families[name].GetMetric()
}

// String is the report for people.
func (r *E2EReport) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("e2e at %.0f events/s (asked for %d): accepted → in a score, p99 %.2f s (goal ≤ %.0f); in events %.2f s, ratio %.2f",
		r.Load.EventsPerSecond, r.Setting.Rate, r.Ours, r.Goal, r.Stored.P99, r.Ratios[storedFloor])
	line("%-26s %8s %8s %8s %8s %8s %8s", "seconds", "samples", "p50", "p90", "p99", "p99.9", "max")
	for _, row := range []struct {
		name string
		Latencies
	}{{"accepted → score", r.Scored}, {"accepted → events", r.Stored}, {"due → score", r.Due}, {"due → answer", r.Answers}, {"due → sent", r.Late}} {
		line("%-26s %8d %8.3f %8.3f %8.3f %8.3f %8.3f", row.name, row.Samples, row.P50, row.P90, row.P99, row.P999, row.Max)
	}
	for _, s := range r.Spans {
		line("  from %3.0f s: p50 %.2f s, p99 %.2f s", s.From, s.P50, s.P99)
	}
	line("end of load: %d events not stored, %d partner-days not worked off; all visible %.1f s later", r.Lag.Events, r.Lag.Keys, r.Lag.Seconds)
	line("%d events accepted, %d stored", r.Load.Accepted, r.Load.Stored)
	for _, name := range sortedNames(r.Processes) {
		p := r.Processes[name]
		line("  %-12s %6.1f s of CPU, %.2f cores, %5.0f MiB at most", name, p.CPUSeconds, p.Cores, p.PeakMiB)
	}
	line("aggregator: %d ticks of %.2f s on average, %.0f partners brought up to date", r.Tick.Ticks, r.Tick.MeanSeconds, r.Tick.Partners)
	for _, s := range r.Tick.Statements {
		line("    %-34s %8.3f s  %d times", s.Name, s.Seconds, s.Times)
	}
	e := r.Environs
	line("%s, %d cores, %s, %s, commit %s, load average %s", e.CPU, e.Cores, e.System, e.Go, e.Commit, e.LoadAvg)
	return b.String()
}

func sortedNames(m map[string]ProcessFigures) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
