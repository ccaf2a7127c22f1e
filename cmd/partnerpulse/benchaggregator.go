package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/bench"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
	"partnerpulse/schemas"
)

type benchAggregatorCmd struct {
	JSON     bool `help:"Print the report as JSON."`
	Partners int  `default:"100000" help:"Partners of the programme that is scored again."`
	Days     int  `default:"180" help:"Days of history."`
	Many     int  `default:"1000000" help:"Partners of a larger programme whose newest scores are computed; 0: none."`
	ManyDays int  `default:"180" help:"Days of their history."`
	Rounds   int  `default:"3" help:"Measurements of the re-score and its floors in turn, and of ticks; medians are reported."`
}

// Run measures in an embedded ClickHouse of its own, in a process of its own.
func (b *benchAggregatorCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg := bench.AggregatorConfig{Partners: b.Partners, Days: b.Days, Many: b.Many, ManyDays: b.ManyDays, Rounds: b.Rounds}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	p, err := newProcesses(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	engine, err := p.start(ctx, "clickhouse", "--data-dir", filepath.Join(p.dir, "clickhouse"))
	if err != nil {
		return err
	}
	limitMemory()
	ch := chstore.DefaultConfig()
	ch.Addr, ch.QueryTimeout = config.List{engine.Address().Addr}, time.Hour
	store, err := chstore.Open(ch, zap.NewNop(), obs.NewRegistry())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		return err
	}
	if _, err := store.Migrate(ctx, migrations); err != nil {
		return err
	}
	report, err := bench.Aggregator(ctx, cfg, bench.AggregatorStand{
		Store: store, Process: engine, Version: version, Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	})
	if err != nil {
		return err
	}
	return printReport(report, b.JSON)
}
