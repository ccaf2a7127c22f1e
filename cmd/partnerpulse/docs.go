package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
)

type docsCmd struct {
	Data    docsDataCmd    `cmd:"" help:"Write docs/DATA.md, the views for BI tools and a query for each KPI, from a migrated ClickHouse."`
	Metrics docsMetricsCmd `cmd:"" help:"Write docs/METRICS.md, the metrics of every role."`
}

type docsMetricsCmd struct{}

// Run prints the page.
func (c *docsMetricsCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "partnerpulse-docs-")
	if err != nil {
		return fmt.Errorf("making a directory for the collector's spool: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return app.WriteMetricsPage(ctx, os.Stdout, dir)
}

type docsDataCmd struct {
	Clickhouse string `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
}

// Run prints the page.
func (c *docsDataCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{c.Clickhouse}
	}
	write, end, err := app.NewDataPage(cfg, log, obs.NewRegistry())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, end()) }()
	return write(ctx, os.Stdout)
}
