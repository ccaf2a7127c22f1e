package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"partnerpulse/internal/bench"
)

type benchE2ECmd struct {
	JSON        bool    `help:"Print the report as JSON."`
	Rate        int     `default:"5000" help:"Events a second."`
	WarmUp      float64 `default:"20" help:"Seconds under load before anything is counted."`
	Seconds     float64 `default:"60" help:"Seconds that are counted."`
	Batch       int     `default:"10" help:"Events of a request."`
	Connections int     `default:"64" help:"Connections that the load is sent over."`
	Partners    int     `default:"5000" help:"Partners of the programme."`
	Visits      int     `default:"6400" help:"Visits that go on at once."`
	Probes      int     `default:"20" help:"Events a second, besides, whose way is timed."`
	CPUProfile  string  `name:"cpuprofile" placeholder:"FILE" help:"Write a CPU profile of the aggregator's process."`
}

// Run starts every part as a process of its own and measures.
func (b *benchE2ECmd) Run(ctx context.Context, g *globals) (err error) {
	cfg := bench.E2EConfig{
		Rate: b.Rate, WarmUp: time.Duration(b.WarmUp * float64(time.Second)), Length: time.Duration(b.Seconds * float64(time.Second)),
		Batch: b.Batch, Connections: b.Connections, Partners: b.Partners, Visits: b.Visits, Probes: b.Probes,
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	e, err := newEngines(ctx, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	collector, err := e.start(ctx, "collector", "--kafka", e.broker.Address().Addr)
	if err != nil {
		return err
	}
	enricher, err := e.start(ctx, "enricher", append(e.enricher, "--group", "partnerpulse-bench")...)
	if err != nil {
		return err
	}
	args := e.enricher
	if b.CPUProfile != "" {
		args = append(args[:len(args):len(args)], "--cpuprofile", b.CPUProfile)
	}
	aggregator, err := e.start(ctx, "aggregator", args...)
	if err != nil {
		return err
	}
	report, err := bench.E2E(ctx, cfg, bench.E2EStand{
		Collector: collector.Address(), Aggregator: aggregator.Address().Addr, ClickHouse: e.store,
		Parts: []bench.Part{
			{Name: "broker", Rememberer: e.broker}, {Name: "clickhouse", Rememberer: e.clickhouse}, {Name: "collector", Rememberer: collector},
			{Name: "enricher", Rememberer: enricher}, {Name: "aggregator", Rememberer: aggregator},
		},
		Model: e.cfg.Aggregator.Model.Version, Version: version, Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	})
	if err != nil {
		return err
	}
	return printReport(report, b.JSON)
}
