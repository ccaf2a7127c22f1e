package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"partnerpulse/internal/bench"
	"partnerpulse/internal/kafkabus"
)

type benchCmd struct {
	Collector  benchCollectorCmd  `cmd:"" help:"Measure the collector against a handler that only decodes and produces."`
	Enricher   benchEnricherCmd   `cmd:"" help:"Measure the whole way from Kafka to ClickHouse against bare inserts and ClickHouse's Kafka engine."`
	Backlog    benchBacklogCmd    `cmd:"" help:"Measure the enricher's memory while it works off a backlog."`
	Aggregator benchAggregatorCmd `cmd:"" help:"Measure the aggregator against a query that only reads what scores are computed from."`
	Detector   benchDetectorCmd   `cmd:"" help:"Measure the drop detector on simulated tenants against the exact bound and the rules people use."`
	E2E        benchE2ECmd        `cmd:"" name:"e2e" help:"Measure the time from an event's acceptance until a score includes it, under load."`
	Serve      benchServeCmd      `cmd:"" hidden:"" help:"Serve one part of a measurement."`
}

type benchCollectorCmd struct {
	JSON        bool    `help:"Print the report as JSON."`
	Seconds     float64 `default:"5" help:"Length of one measurement."`
	Rounds      int     `default:"5" help:"Measurements of each kind, ours and the floor in turn; medians are reported."`
	Connections int     `default:"64" help:"Connections, kept alive, one request at a time each."`
	Batch       int     `default:"50" help:"Events of a request, where batches are measured."`
	CPUProfile  string  `name:"cpuprofile" placeholder:"FILE" help:"Write a CPU profile of the collector's process."`
}

// Run starts the parts as processes of their own and measures.
func (b *benchCollectorCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg := bench.CollectorConfig{
		Length: time.Duration(b.Seconds * float64(time.Second)), Rounds: b.Rounds, Connections: b.Connections, Batch: b.Batch,
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	p, err := newProcesses(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	broker, err := p.start(ctx, "broker", "--data-dir", filepath.Join(p.dir, "kafka"))
	if err != nil {
		return err
	}
	addr := broker.Address().Addr
	kafka := kafkabus.Config{Brokers: []string{addr}, ClientID: "partnerpulse-bench"}
	if err := kafkabus.EnsureTopics(ctx, kafka, kafkabus.Topics(0)); err != nil {
		return err
	}
	more := []string{"--kafka", addr}
	floor, err := p.start(ctx, "floor", more...)
	if err != nil {
		return err
	}
	if b.CPUProfile != "" {
		more = append(more, "--cpuprofile", b.CPUProfile)
	}
	ours, err := p.start(ctx, "collector", more...)
	if err != nil {
		return err
	}
	report, err := bench.Collector(ctx, cfg, bench.CollectorStand{
		Kafka: kafka, Ours: ours, Floor: floor, Version: version,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	})
	if err != nil {
		return err
	}
	return printReport(report, b.JSON)
}

// args gives the flags that make the same globals in another process.
func (g *globals) args() []string {
	var out []string
	if g.ConfigFile != "" {
		out = append(out, "--config", g.ConfigFile)
	}
	for _, s := range g.Set {
		out = append(out, "--set", s)
	}
	return append(out, "--log-level", "warn")
}
