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
	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/obs"
	"partnerpulse/schemas"
)

type benchAggregatorCmd struct {
	JSON     bool `help:"Print the report as JSON."`
	Partners int  `default:"100000" help:"Partners of the programme that is scored again."`
	Days     int  `default:"180" help:"Days of history."`
	Many     int  `default:"1000000" help:"Partners of a larger programme whose newest scores are computed; 0: none."`
	Rounds   int  `default:"3" help:"Measurements of the re-score and its floors in turn; medians are reported."`
}

// Run measures in an embedded ClickHouse of its own.
func (b *benchAggregatorCmd) Run(ctx context.Context, _ *globals) (err error) {
	cfg := bench.AggregatorConfig{Partners: b.Partners, Days: b.Days, Many: b.Many, Rounds: b.Rounds}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	dir, err := os.MkdirTemp("", "partnerpulse-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	engine := clickhouse.New(clickhouse.Config{
		Addr: "127.0.0.1:0", DataDir: filepath.Join(dir, "clickhouse"), LibraryPath: os.Getenv("PARTNERPULSE_LIBCHDB"),
	}, zap.NewNop())
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(running) }()
	select {
	case <-engine.Ready():
	case err := <-ended:
		stop()
		return err
	}
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	report, err := b.measure(ctx, cfg, engine.Addr())
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(os.Stdout, report)
	}
	_, err = fmt.Print(report)
	return err
}

func (b *benchAggregatorCmd) measure(ctx context.Context, cfg bench.AggregatorConfig, addr string) (report *bench.AggregatorReport, err error) {
	ch := chstore.DefaultConfig()
	ch.Addr, ch.QueryTimeout = config.List{"http://" + addr}, time.Hour
	store, err := chstore.Open(ch, zap.NewNop(), obs.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		return nil, err
	}
	if _, err := store.Migrate(ctx, migrations); err != nil {
		return nil, err
	}
	return bench.Aggregator(ctx, cfg, store, version, func(line string) { fmt.Fprintln(os.Stderr, line) })
}
