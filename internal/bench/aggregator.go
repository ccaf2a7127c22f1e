package bench

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
)

//go:embed aggregatorsql/*.sql
var aggregatorStatements embed.FS

// AggregatorConfig says how the aggregator is measured.
type AggregatorConfig struct {
	Partners int // of the programme that is scored again
	Days     int // of history, one row of inputs for each partner and day
	Many     int // partners of the programme that only its newest scores are computed of; 0: not measured
	Rounds   int // of the re-score and its floor in turn; medians are reported
}

// DefaultAggregatorConfig is what the goals are stated for.
func DefaultAggregatorConfig() AggregatorConfig {
	return AggregatorConfig{Partners: 100_000, Days: 180, Many: 1_000_000, Rounds: 3}
}

// Validate checks the values.
func (c AggregatorConfig) Validate() error {
	if c.Partners < 100 || c.Partners > 10_000_000 || c.Days < 8 || c.Days > 3650 || c.Many < 0 || c.Many > 10_000_000 || c.Rounds < 1 || c.Rounds > 100 {
		return errors.New("checking the bench: partners 100–10,000,000, days 8–3650, many 0–10,000,000, rounds 1–100")
	}
	return nil
}

// AggregatorReport is what a measurement of the aggregator found.
type AggregatorReport struct {
	Name   string             `json:"name"`
	Unit   string             `json:"unit"` // of ours and floors
	Ours   float64            `json:"ours"` // the re-score of all partners as of one day, from all days of input
	Floors map[string]float64 `json:"floors"`
	Ratios map[string]float64 `json:"ratios"` // ours ÷ floor
	// CPUSeconds and CPURatios are the same by CPU time of the process, which has the
	// embedded engine in it: where others use the machine, they say more.
	CPUSeconds map[string]float64 `json:"cpu_seconds"`
	CPURatios  map[string]float64 `json:"cpu_ratios"`
	Partners   int                `json:"partners"`
	Days       int                `json:"days"`
	History    HistoryFigures     `json:"history"`
	Many       *ManyFigures       `json:"many"`
	Tick       TickFigures        `json:"tick"`
	Environs   Environment        `json:"environment"`
}

// HistoryFigures are about computing the scores of every day of a part of the partners.
type HistoryFigures struct {
	Partners      int     `json:"partners"`
	Rows          int64   `json:"rows"`
	Seconds       float64 `json:"seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
}

// ManyFigures are about the newest scores of a larger programme.
type ManyFigures struct {
	Partners int     `json:"partners"`
	Seconds  float64 `json:"seconds"`
}

// TickFigures are about a working aggregator after some partners had one event each:
// rollups, scores, detection and publishing, to a bus that takes everything.
type TickFigures struct {
	Partners int     `json:"partners"`
	Scores   int     `json:"scores_published"`
	Seconds  float64 `json:"seconds"`
	Ticks    int     `json:"ticks"`
	// Statements are those that took longest together, in seconds.
	Statements []StatementFigures `json:"statements"`
}

// StatementFigures are about one of the statements of a tick.
type StatementFigures struct {
	Name    string  `json:"name"`
	Times   uint64  `json:"times"`
	Seconds float64 `json:"seconds"`
}

// Tenants of the measurement.
const (
	benchTenant = "bench"
	manyTenant  = "many"
)

// historyPartners is how many partners' whole histories are scored.
const historyPartners = 2000

// Aggregator measures in an empty, migrated database.
func Aggregator(ctx context.Context, cfg AggregatorConfig, store *chstore.Store, version string, progress func(string)) (*AggregatorReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &aggregatorBench{cfg: cfg, store: store, tell: progress, now: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)}
	b.today = int32(b.now.Unix() / 86400)
	r := &AggregatorReport{Name: "aggregator", Unit: "seconds", Partners: cfg.Partners, Days: cfg.Days}
	if err := b.generate(ctx, benchTenant, cfg.Partners); err != nil {
		return nil, err
	}
	if err := b.rescores(ctx, r); err != nil {
		return nil, err
	}
	if err := b.tick(ctx, r); err != nil {
		return nil, err
	}
	if cfg.Many > 0 {
		if err := b.generate(ctx, manyTenant, cfg.Many); err != nil {
			return nil, err
		}
		took, rows, err := b.rescore(ctx, manyTenant, b.today)
		if err != nil {
			return nil, err
		}
		if rows != int64(cfg.Many) {
			return nil, fmt.Errorf("%d scores of %d partners", rows, cfg.Many)
		}
		r.Many = &ManyFigures{cfg.Many, took.Seconds()}
		b.tell(fmt.Sprintf("scores of %d partners: %.2f s", cfg.Many, took.Seconds()))
	}
	r.Environs = environment(version)
	return r, nil
}

type aggregatorBench struct {
	cfg   AggregatorConfig
	store *chstore.Store
	tell  func(string)
	now   time.Time
	today int32
}

func (b *aggregatorBench) exec(ctx context.Context, name string, p chstore.Params) (time.Duration, error) {
	text, err := aggregatorStatements.ReadFile("aggregatorsql/" + name + ".sql")
	if err != nil {
		return 0, fmt.Errorf("reading statement: %w", err)
	}
	begin := time.Now()
	if err := b.store.Exec(ctx, string(text), p); err != nil {
		return 0, fmt.Errorf("running %s: %w", name, err)
	}
	return time.Since(begin), nil
}

// generate makes inputs of all days, a score of yesterday to go on from, and a tenant's
// model, inside the store and in pieces.
func (b *aggregatorBench) generate(ctx context.Context, tenant string, partners int) error {
	b.tell(fmt.Sprintf("generating %d partners × %d days", partners, b.cfg.Days))
	model := score.DefaultModel()
	if err := scoring.SaveModel(ctx, b.store, tenant, &model, b.now); err != nil {
		return err
	}
	const piece = 50_000
	for from := 0; from < partners; from += piece {
		p := chstore.Params{
			"tenant": tenant, "from": uint64(from), "n": uint64(min(piece, partners-from)), "days": uint64(b.cfg.Days),
			"today": day(b.today), "model": model.Version,
		}
		for _, name := range []string{"generate_daily", "generate_scores", "generate_progress"} {
			if _, err := b.exec(ctx, name, p); err != nil {
				return err
			}
		}
	}
	return b.merge(ctx)
}

// merge brings the tables to the state that they have after a quiet while.
func (b *aggregatorBench) merge(ctx context.Context) error {
	for _, table := range []string{"partner_daily", "partner_scores", "partner_progress"} {
		if err := b.store.Exec(ctx, "OPTIMIZE TABLE "+table, nil); err != nil {
			return fmt.Errorf("merging %s: %w", table, err)
		}
	}
	return nil
}

// rescores measures the re-score of one day and its floors in turn, then histories.
func (b *aggregatorBench) rescores(ctx context.Context, r *AggregatorReport) error {
	var ours []float64
	floors, cpu := map[string][]float64{}, map[string][]float64{}
	for range b.cfg.Rounds {
		for _, name := range []string{"floor_read", "floor_read_final"} {
			used := processCPU()
			took, err := b.exec(ctx, name, chstore.Params{"tenant": benchTenant})
			if err != nil {
				return err
			}
			name = strings.TrimPrefix(name, "floor_")
			floors[name], cpu[name] = append(floors[name], took.Seconds()), append(cpu[name], (processCPU()-used).Seconds())
		}
		used := processCPU()
		took, rows, err := b.rescore(ctx, benchTenant, b.today)
		if err != nil {
			return err
		}
		cpu["ours"] = append(cpu["ours"], (processCPU() - used).Seconds())
		if rows != int64(b.cfg.Partners) {
			return fmt.Errorf("%d scores of %d partners", rows, b.cfg.Partners)
		}
		ours = append(ours, took.Seconds())
		b.tell(fmt.Sprintf("re-score of %d partners: %.2f s, reading alone: %.2f s, with FINAL %.2f s", b.cfg.Partners, took.Seconds(),
			floors["read"][len(ours)-1], floors["read_final"][len(ours)-1]))
	}
	r.Ours, r.Floors, r.Ratios = middle(ours), map[string]float64{}, map[string]float64{}
	for name, seconds := range floors {
		r.Floors[name] = middle(seconds)
		r.Ratios[name] = r.Ours / r.Floors[name]
	}
	r.CPUSeconds, r.CPURatios = map[string]float64{}, map[string]float64{}
	for name, seconds := range cpu {
		r.CPUSeconds[name] = middle(seconds)
	}
	for name := range floors {
		r.CPURatios[name] = r.CPUSeconds["ours"] / r.CPUSeconds[name]
	}
	partners := min(historyPartners, b.cfg.Partners)
	const part = "history"
	if _, err := b.exec(ctx, "copy_partners", chstore.Params{"tenant": benchTenant, "part": part, "n": uint64(partners)}); err != nil {
		return err
	}
	model := score.DefaultModel()
	if err := scoring.SaveModel(ctx, b.store, part, &model, b.now); err != nil {
		return err
	}
	took, rows, err := b.rescore(ctx, part, b.today-int32(b.cfg.Days)+1)
	if err != nil {
		return err
	}
	r.History = HistoryFigures{partners, rows, took.Seconds(), float64(rows) / took.Seconds()}
	b.tell(fmt.Sprintf("histories of %d partners: %d rows in %.2f s", partners, rows, took.Seconds()))
	return nil
}

// rescore computes the scores from a day on, as the command does.
func (b *aggregatorBench) rescore(ctx context.Context, tenant string, from int32) (time.Duration, int64, error) {
	r, err := aggregator.NewRescore(aggregator.RescoreConfig{
		Tenant: tenant, Version: score.DefaultModel().Version, From: from, To: b.today, RowsMax: aggregator.DefaultConfig().ScoreRowsMax,
	}, b.store, nil, time.Now)
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	report, err := r.Run(ctx)
	return time.Since(begin), report.Rows, err
}

// nowhere is a bus that takes everything.
type nowhere struct{}

func (nowhere) Publish(context.Context, ...kafkabus.Message) error { return nil }

// tick measures an aggregator that has nothing to do, after one in a hundred partners
// had an event.
func (b *aggregatorBench) tick(ctx context.Context, r *AggregatorReport) error {
	cfg := aggregator.DefaultConfig()
	cfg.Detect.Thresholds = detect.FormLorden // the table of thresholds is of the start, not of a tick
	reg := prometheus.NewRegistry()
	agg, err := aggregator.New(cfg, aggregator.Deps{
		Store: b.store, Publisher: nowhere{}, Now: func() time.Time { return b.now },
	}, zap.NewNop(), reg)
	if err != nil {
		return fmt.Errorf("making an aggregator: %w", err)
	}
	settle := func() (work aggregator.Work, ticks int, err error) {
		for {
			w, err := agg.Tick(ctx)
			if err != nil {
				return work, ticks, fmt.Errorf("ticking: %w", err)
			}
			ticks++
			work.Partners += w.Partners
			work.Scores += w.Scores
			if !w.More {
				return work, ticks, nil
			}
		}
	}
	if _, _, err := settle(); err != nil {
		return err
	}
	n := max(1, b.cfg.Partners/100)
	for _, name := range []string{"news_events", "news_marks"} {
		if _, err := b.exec(ctx, name, chstore.Params{"tenant": benchTenant, "n": uint64(n), "at": b.now.Add(-time.Hour).Format(time.DateTime)}); err != nil {
			return err
		}
	}
	before, err := statementTimes(reg)
	if err != nil {
		return err
	}
	begin := time.Now()
	work, ticks, err := settle()
	if err != nil {
		return err
	}
	if work.Partners != n {
		return fmt.Errorf("%d partners were brought up to date after news of %d", work.Partners, n)
	}
	r.Tick = TickFigures{Partners: work.Partners, Scores: work.Scores, Seconds: time.Since(begin).Seconds(), Ticks: ticks}
	b.tell(fmt.Sprintf("news of %d partners: %.2f s", n, r.Tick.Seconds))
	after, err := statementTimes(reg)
	if err != nil {
		return err
	}
	r.Tick.Statements = longest(before, after)
	return nil
}

// statementTimes reads the aggregator's metric.
func statementTimes(reg *prometheus.Registry) (map[string]StatementFigures, error) {
	families, err := reg.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering metrics: %w", err)
	}
	out := make(map[string]StatementFigures)
	for _, f := range families {
		if f.GetName() != "partnerpulse_aggregator_statement_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			name := m.GetLabel()[0].GetValue()
			out[name] = StatementFigures{name, m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()}
		}
	}
	return out, nil
}

// statementsMax is how many statements a report names.
const statementsMax = 15

// longest gives the statements that took longest between two readings.
func longest(before, after map[string]StatementFigures) []StatementFigures {
	var out []StatementFigures
	for name, f := range after {
		was := before[name]
		if f.Times > was.Times {
			out = append(out, StatementFigures{name, f.Times - was.Times, f.Seconds - was.Seconds})
		}
	}
	slices.SortFunc(out, func(a, b StatementFigures) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return out[:min(len(out), statementsMax)]
}

func day(d int32) string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

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
	for _, name := range []string{"read", "read_final"} {
		line("  floor %-28s %8.2f s  ratio %.2f  (goal ≤ 3), CPU %.2f s  ratio %.2f", name, r.Floors[name], r.Ratios[name],
			r.CPUSeconds[name], r.CPURatios[name])
	}
	line("  histories of %d partners: %d rows in %.2f s, %.0f rows/s", r.History.Partners, r.History.Rows, r.History.Seconds, r.History.RowsPerSecond)
	line("  news of %d partners: %.2f s in %d ticks (goal < 2 s)", r.Tick.Partners, r.Tick.Seconds, r.Tick.Ticks)
	for _, f := range r.Tick.Statements {
		line("    %-34s %8.3f s  %d times", f.Name, f.Seconds, f.Times)
	}
	if r.Many != nil {
		line("  scores of %d partners: %.2f s (goal < 60 s)", r.Many.Partners, r.Many.Seconds)
	}
	line("%s, %d cores, %s, %s, load %s", r.Environs.CPU, r.Environs.Cores, r.Environs.Go, r.Environs.Commit, r.Environs.LoadAvg)
	return b.String()
}
