package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
)

// nowhere is a bus that takes everything.
type nowhere struct{}

func (nowhere) Publish(context.Context, ...kafkabus.Message) error { return nil }

// worker is a working aggregator, with what its statements took.
type worker struct {
	*aggregator.Aggregator
	registry *prometheus.Registry
}

func (b *aggregatorBench) worker() (worker, error) {
	cfg := aggregator.DefaultConfig()
	cfg.Detect.Thresholds = detect.FormLorden // the table of thresholds is of the start, not of a tick
	reg := prometheus.NewRegistry()
	agg, err := aggregator.New(cfg, aggregator.Deps{
		Store: b.store, Publisher: nowhere{}, Now: func() time.Time { return b.now },
	}, zap.NewNop(), reg)
	if err != nil {
		return worker{}, fmt.Errorf("making an aggregator: %w", err)
	}
	return worker{agg, reg}, nil
}

// settle ticks until nothing is left to do.
func (w worker) settle(ctx context.Context) (work aggregator.Work, ticks int, err error) {
	for {
		did, err := w.Tick(ctx)
		if err != nil {
			return work, ticks, fmt.Errorf("ticking: %w", err)
		}
		ticks++
		work.Partners += did.Partners
		work.Scores += did.Scores
		if !did.More {
			return work, ticks, nil
		}
	}
}

// ticks measures an aggregator that has nothing to do, after one in a hundred partners
// had an event; other ones in each round. Before it is measured, the last days of these
// partners are brought to what their events say: the inputs were made without events.
func (b *aggregatorBench) ticks(ctx context.Context) error {
	w, err := b.worker()
	if err != nil {
		return err
	}
	if _, err := b.phase("start of an aggregator", func() error { _, _, err := w.settle(ctx); return err }); err != nil {
		return err
	}
	n := max(1, b.cfg.Partners/100)
	var rounds []PhaseFigures
	for round := range b.cfg.Rounds {
		p := chstore.Params{"tenant": benchTenant, "n": uint64(n), "round": uint64(round), "today": day(b.today), "at": b.now.Add(-time.Hour).Format(time.DateTime)}
		if err := b.exec(ctx, "recent_marks", p); err != nil {
			return err
		}
		if _, err := b.phase(fmt.Sprintf("last days of %d partners", n), func() error { _, _, err := w.settle(ctx); return err }); err != nil {
			return err
		}
		for _, name := range []string{"news_events", "news_marks"} {
			if err := b.exec(ctx, name, p); err != nil {
				return err
			}
		}
		f, err := b.news(ctx, w, n)
		if err != nil {
			return err
		}
		rounds = append(rounds, f)
	}
	t := &b.report.Tick
	t.Seconds, t.CPUSeconds = middleOf(rounds, func(f PhaseFigures) float64 { return f.Seconds }), middleOf(rounds, PhaseFigures.CPU)
	t.Events, err = b.number(ctx, "SELECT toUInt64(count()) AS n FROM events")
	return err
}

// news measures the ticks after news of so many partners.
func (b *aggregatorBench) news(ctx context.Context, w worker, n int) (PhaseFigures, error) {
	before, err := statementTimes(w.registry)
	if err != nil {
		return PhaseFigures{}, err
	}
	var work aggregator.Work
	t := &b.report.Tick
	f, err := b.phase(fmt.Sprintf("news of %d partners", n), func() (err error) {
		work, t.Ticks, err = w.settle(ctx)
		return err
	})
	if err != nil {
		return f, err
	}
	if work.Partners != n || work.Scores != n {
		return f, fmt.Errorf("%d partners were brought up to date and %d scores published after news of %d", work.Partners, work.Scores, n)
	}
	t.Partners, t.Scores = work.Partners, work.Scores
	after, err := statementTimes(w.registry)
	t.Statements = longest(before, after)
	return f, err
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
