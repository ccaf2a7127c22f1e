package bench

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
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
	ManyDays int // of their history
	Rounds   int // of the re-score and its floor in turn, and of ticks; medians are reported
}

// DefaultAggregatorConfig is what the goals are stated for.
func DefaultAggregatorConfig() AggregatorConfig {
	return AggregatorConfig{Partners: 100_000, Days: 180, Many: 1_000_000, ManyDays: 180, Rounds: 3}
}

// Validate checks the values.
func (c AggregatorConfig) Validate() error {
	days := func(n int) bool { return n >= 8 && n <= 3650 }
	if c.Partners < 100 || c.Partners > 10_000_000 || !days(c.Days) || !days(c.ManyDays) || c.Many < 0 || c.Many > 10_000_000 || c.Rounds < 1 || c.Rounds > 50 {
		return errors.New("checking the bench: partners 100–10,000,000, days 8–3650, many 0–10,000,000, rounds 1–50")
	}
	return nil
}

// AggregatorStand is what the aggregator is measured with.
type AggregatorStand struct {
	Store    *chstore.Store // of an empty, migrated database
	Process  Rememberer     // the store's, another than this one
	Version  string         // of the program, for a build that does not know its commit
	Progress func(line string)
}

// Tenants of the measurement.
const (
	benchTenant = "bench"
	manyTenant  = "many"
	partTenant  = "history"
)

// historyPartners is how many partners' whole histories are scored.
const historyPartners = 2000

// Aggregator measures in an empty, migrated database. The aggregator works in this
// process, the store in another one.
func Aggregator(ctx context.Context, cfg AggregatorConfig, stand AggregatorStand) (*AggregatorReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &aggregatorBench{
		cfg: cfg, store: stand.Store, process: stand.Process, tell: stand.Progress, now: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC),
		report: &AggregatorReport{Name: "aggregator", Unit: "seconds", Partners: cfg.Partners, Days: cfg.Days},
	}
	b.today = int32(b.now.Unix() / 86400)
	for _, part := range []func(context.Context) error{b.load, b.rescores, b.histories, b.ticks, b.many, b.sizes} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	b.report.Environs = environment(stand.Version)
	return b.report, nil
}

type aggregatorBench struct {
	cfg     AggregatorConfig
	store   *chstore.Store
	process Rememberer
	tell    func(string)
	now     time.Time
	today   int32
	report  *AggregatorReport
}

// timed measures a part and tells about it.
func (b *aggregatorBench) timed(name string, part func() error) (PhaseFigures, error) {
	store, err := b.process.CPU()
	if err != nil {
		return PhaseFigures{}, err
	}
	own, begin := processCPU(), time.Now()
	if err := part(); err != nil {
		return PhaseFigures{}, err
	}
	f := PhaseFigures{Name: name, Seconds: time.Since(begin).Seconds(), Aggregator: (processCPU() - own).Seconds()}
	after, err := b.process.CPU()
	f.Store = (after - store).Seconds()
	b.tell(fmt.Sprintf("%s: %.2f s, CPU %.2f s", name, f.Seconds, f.CPU()))
	return f, err
}

// phase is timed, and is in the report.
func (b *aggregatorBench) phase(name string, part func() error) (PhaseFigures, error) {
	f, err := b.timed(name, part)
	b.report.Phases = append(b.report.Phases, f)
	return f, err
}

func (b *aggregatorBench) exec(ctx context.Context, name string, p chstore.Params) error {
	text, err := aggregatorStatements.ReadFile("aggregatorsql/" + name + ".sql")
	if err != nil {
		return fmt.Errorf("reading statement: %w", err)
	}
	if err := b.store.Exec(ctx, string(text), p); err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	return nil
}

func (b *aggregatorBench) load(ctx context.Context) error {
	_, err := b.phase(fmt.Sprintf("loading %d partners × %d days", b.cfg.Partners, b.cfg.Days), func() error {
		return b.generate(ctx, benchTenant, b.cfg.Partners, b.cfg.Days, "generate_daily", "generate_scores", "generate_progress", "generate_events")
	})
	return err
}

// generate makes inputs of all days, a score of yesterday to go on from, and a tenant's
// model, inside the store and in pieces.
func (b *aggregatorBench) generate(ctx context.Context, tenant string, partners, days int, statements ...string) error {
	model := score.DefaultModel()
	if err := scoring.SaveModel(ctx, b.store, tenant, &model, b.now); err != nil {
		return err
	}
	const piece = 50_000
	for from := 0; from < partners; from += piece {
		p := chstore.Params{
			"tenant": tenant, "from": uint64(from), "n": uint64(min(piece, partners-from)), "days": uint64(days),
			"today": day(b.today), "model": model.Version,
		}
		for _, name := range statements {
			if err := b.exec(ctx, name, p); err != nil {
				return err
			}
		}
		b.tell(fmt.Sprintf("loaded %d of %d partners", min(from+piece, partners), partners))
	}
	return b.merge(ctx)
}

// merge brings the tables to the state that they have after a quiet while.
func (b *aggregatorBench) merge(ctx context.Context) error {
	for _, table := range []string{"partner_daily", "partner_scores", "partner_progress", "events"} {
		if err := b.store.Exec(ctx, "OPTIMIZE TABLE "+table, nil); err != nil {
			return fmt.Errorf("merging %s: %w", table, err)
		}
	}
	return nil
}

// rescores measures the re-score of one day and its floors in turn.
func (b *aggregatorBench) rescores(ctx context.Context) error {
	var ours []PhaseFigures
	floors := make(map[string][]PhaseFigures)
	for range b.cfg.Rounds {
		for _, name := range floorNames() {
			f, err := b.phase("floor "+name, func() error { return b.exec(ctx, "floor_"+name, chstore.Params{"tenant": benchTenant}) })
			if err != nil {
				return err
			}
			floors[name] = append(floors[name], f)
		}
		f, err := b.phase("re-score as of one day", func() error { return b.rescoreAll(ctx, benchTenant, b.cfg.Partners) })
		if err != nil {
			return err
		}
		ours = append(ours, f)
	}
	b.report.compare(ours, floors)
	return nil
}

// histories measures the scores of all days of some partners.
func (b *aggregatorBench) histories(ctx context.Context) error {
	partners := min(historyPartners, b.cfg.Partners)
	if err := b.exec(ctx, "copy_partners", chstore.Params{"tenant": benchTenant, "part": partTenant, "n": uint64(partners)}); err != nil {
		return err
	}
	model := score.DefaultModel()
	if err := scoring.SaveModel(ctx, b.store, partTenant, &model, b.now); err != nil {
		return err
	}
	var rows int64
	f, err := b.phase(fmt.Sprintf("scores of all days of %d partners", partners), func() (err error) {
		rows, err = b.rescore(ctx, partTenant, b.today-int32(b.cfg.Days)+1)
		return err
	})
	b.report.History = HistoryFigures{partners, rows, f.Seconds, f.CPU(), float64(rows) / f.Seconds}
	return err
}

// many measures the newest scores of the larger programme.
func (b *aggregatorBench) many(ctx context.Context) error {
	if b.cfg.Many == 0 {
		return nil
	}
	_, err := b.phase(fmt.Sprintf("loading %d partners × %d days", b.cfg.Many, b.cfg.ManyDays), func() error {
		return b.generate(ctx, manyTenant, b.cfg.Many, b.cfg.ManyDays, "generate_daily", "generate_scores", "generate_progress")
	})
	if err != nil {
		return err
	}
	f, err := b.phase(fmt.Sprintf("scores of %d partners", b.cfg.Many), func() error { return b.rescoreAll(ctx, manyTenant, b.cfg.Many) })
	b.report.Many = &ManyFigures{b.cfg.Many, b.cfg.ManyDays, f.Seconds, f.CPU()}
	return err
}

// rescoreAll computes today's scores, one for each partner.
func (b *aggregatorBench) rescoreAll(ctx context.Context, tenant string, partners int) error {
	rows, err := b.rescore(ctx, tenant, b.today)
	if err == nil && rows != int64(partners) {
		err = fmt.Errorf("%d scores of %d partners", rows, partners)
	}
	return err
}

// rescore computes the scores from a day on, as the command does.
func (b *aggregatorBench) rescore(ctx context.Context, tenant string, from int32) (int64, error) {
	r, err := aggregator.NewRescore(aggregator.RescoreConfig{
		Tenant: tenant, Version: score.DefaultModel().Version, From: from, To: b.today, RowsMax: aggregator.DefaultConfig().ScoreRowsMax,
	}, b.store, nil, time.Now)
	if err != nil {
		return 0, err
	}
	report, err := r.Run(ctx)
	return report.Rows, err
}

// sizes notes what memory and disk the measurement took.
func (b *aggregatorBench) sizes(ctx context.Context) error {
	peak, err := b.process.PeakMemory()
	if err != nil {
		return err
	}
	disk, err := b.number(ctx, "SELECT toUInt64(sum(bytes_on_disk)) AS n FROM system.parts WHERE database = currentDatabase()")
	const mib = 1 << 20
	b.report.PeakMiB = map[string]float64{"store": round(float64(peak) / mib), "aggregator": round(float64(peakMemory()) / mib)}
	b.report.StoreMiB = round(float64(disk) / mib)
	return err
}

func (b *aggregatorBench) number(ctx context.Context, query string) (uint64, error) {
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := b.store.Select(ctx, &rows, query, nil); err != nil {
		return 0, fmt.Errorf("reading a number: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("reading a number: %d rows", len(rows))
	}
	return rows[0].N, nil
}

func day(d int32) string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }
