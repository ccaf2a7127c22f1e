package main

import (
	"context"
	"encoding/json"
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
	Aggregator benchAggregatorCmd `cmd:"" help:"Measure the aggregator against a query that only reads what scores are computed from."`
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
	dir, err := os.MkdirTemp("", "partnerpulse-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the broker: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var children []*bench.Child
	defer func() {
		for i := len(children) - 1; i >= 0; i-- {
			err = errors.Join(err, children[i].Stop())
		}
	}()
	start := func(part string, more ...string) (*bench.Child, error) {
		c, err := bench.StartChild(ctx, part, append(g.args(), append([]string{"bench", "serve", part}, more...)...)...)
		if err == nil {
			children = append(children, c)
		}
		return c, err
	}
	broker, err := start("broker", "--data-dir", filepath.Join(dir, "kafka"))
	if err != nil {
		return err
	}
	addr := broker.Address().Addr
	kafka := kafkabus.Config{Brokers: []string{addr}, ClientID: "partnerpulse-bench"}
	if err := kafkabus.EnsureTopics(ctx, kafka, kafkabus.Topics(0)); err != nil {
		return err
	}
	more := []string{"--kafka", addr}
	floor, err := start("floor", more...)
	if err != nil {
		return err
	}
	if b.CPUProfile != "" {
		more = append(more, "--cpuprofile", b.CPUProfile)
	}
	ours, err := start("collector", more...)
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
	if !b.JSON {
		_, err = fmt.Print(report)
		return err
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
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
