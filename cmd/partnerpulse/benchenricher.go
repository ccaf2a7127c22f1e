package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"go.uber.org/zap"

	"partnerpulse/internal/app"
	"partnerpulse/internal/bench"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/simulate"
)

type benchEnricherCmd struct {
	JSON       bool   `help:"Print the report as JSON."`
	Events     int    `default:"500000" help:"Events on the topic."`
	Rounds     int    `default:"5" help:"Measurements of each party, in turn; medians are reported."`
	CPUProfile string `name:"cpuprofile" placeholder:"FILE" help:"Write a CPU profile of the enricher's process (of the last round)."`
}

// Run starts the parts as processes of their own and measures.
func (b *benchEnricherCmd) Run(ctx context.Context, g *globals) (err error) {
	measured := bench.EnricherConfig{Events: b.Events, Rounds: b.Rounds}
	if err := measured.Validate(); err != nil {
		return usageError{err}
	}
	e, err := newEngines(ctx, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	ours := e.enricher
	if b.CPUProfile != "" {
		ours = append(ours, "--cpuprofile", b.CPUProfile)
	}
	live := newLivePrinter(os.Stderr, simulate.IsTerminal(os.Stderr))
	report, err := bench.Enricher(ctx, measured, bench.EnricherStand{
		Kafka: e.cfg.Kafka.Config, Broker: e.broker, ClickHouse: e.store, Store: e.clickhouse,
		BatchRows: e.cfg.Enricher.FlushRowsMax, Version: version, Live: live,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
		Ours: func(ctx context.Context, group string) (bench.Process, error) {
			return e.start(ctx, "enricher", append(ours, "--group", group)...)
		},
		Insert: func(ctx context.Context) (bench.Process, error) {
			return e.start(ctx, "insert", append(e.enricher, "--events", strconv.Itoa(b.Events))...)
		},
	})
	if err != nil {
		return err
	}
	return printReport(report, b.JSON)
}

type benchBacklogCmd struct {
	JSON   bool `help:"Print the report as JSON."`
	Events int  `default:"5000000" help:"Events on the topic."`
}

// Run fills a topic, then starts an enricher, and looks at its memory when it is done.
func (b *benchBacklogCmd) Run(ctx context.Context, g *globals) (err error) {
	if err := (bench.EnricherConfig{Events: b.Events, Rounds: 1}).Validate(); err != nil {
		return usageError{err}
	}
	e, err := newEngines(ctx, g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	report, err := bench.Backlog(ctx, b.Events, bench.BacklogStand{
		Kafka: e.cfg.Kafka.Config, ClickHouse: e.store, Version: version,
		Live: newLivePrinter(os.Stderr, simulate.IsTerminal(os.Stderr)),
		Ours: func(ctx context.Context, group string) (bench.Rememberer, error) {
			return e.start(ctx, "enricher", append(e.enricher, "--group", group)...)
		},
	})
	if err != nil {
		return err
	}
	return printReport(report, b.JSON)
}

// engines are a broker and a ClickHouse, each in a process of its own, with empty
// topics and tables.
type engines struct {
	*processes
	cfg                app.Config
	broker, clickhouse *bench.Child
	store              *chstore.Store
	enricher           []string // arguments of parts that work between the two
}

func newEngines(ctx context.Context, g *globals) (e *engines, err error) {
	e = new(engines)
	if e.cfg, err = g.load(); err != nil {
		return nil, err
	}
	if e.processes, err = newProcesses(g); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.processes.stop())
		}
	}()
	if e.broker, err = e.start(ctx, "broker", "--data-dir", filepath.Join(e.dir, "kafka")); err != nil {
		return nil, err
	}
	if e.clickhouse, err = e.start(ctx, "clickhouse", "--data-dir", filepath.Join(e.dir, "clickhouse")); err != nil {
		return nil, err
	}
	e.cfg.Kafka.Brokers, e.cfg.ClickHouse.Addr = []string{e.broker.Address().Addr}, []string{e.clickhouse.Address().Addr}
	e.enricher = []string{"--kafka", e.broker.Address().Addr, "--clickhouse", e.clickhouse.Address().Addr}
	if err = app.Migrate(ctx, e.cfg, zap.NewNop(), obs.NewRegistry()); err != nil {
		return nil, err
	}
	e.store, err = chstore.Open(e.cfg.ClickHouse, zap.NewNop(), obs.NewRegistry())
	return e, err
}

func (e *engines) stop() error { return errors.Join(e.store.Close(), e.processes.stop()) }

// liveLineStep is how often a line is written where there is no terminal.
const liveLineStep = 10 * time.Second

// newLivePrinter shows what is under way: as a bar on a terminal, else as a line now and then.
func newLivePrinter(w io.Writer, terminal bool) func(what string, done, total int) {
	var bar *progressbar.ProgressBar
	var shown string
	next := time.Now().Add(liveLineStep)
	return func(what string, done, total int) {
		if !terminal {
			if now := time.Now(); now.After(next) {
				next = now.Add(liveLineStep)
				// A progress line that cannot be written is not worth stopping for.
				_, _ = fmt.Fprintf(w, "%s: %d of %d events\n", what, done, total)
			}
			return
		}
		if bar == nil || shown != what {
			shown = what
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
				progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set(min(done, total)) // errors of drawing are not worth stopping for
	}
}
