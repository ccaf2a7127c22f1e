// Command partnerpulse is PartnerPulse in one binary: every role, the embedded
// engines, and the tools of the operator.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command ran and failed
	exitUsage  = 2 // wrong flags or configuration
)

// signalsTogether is how long further signals count as the first one: timeout(1), for
// one, signals a process and then the group that it is in.
const signalsTogether = time.Second

// version is set when building.
var version = "dev"

type cli struct {
	globals

	Up         upCmd         `cmd:"" help:"Start everything in one process; embedded Kafka and ClickHouse unless others are configured."`
	Collector  collectorCmd  `cmd:"" help:"Run the collector: HTTP in, Kafka out."`
	Enricher   enricherCmd   `cmd:"" help:"Run an enricher: Kafka in, ClickHouse out."`
	Aggregator aggregatorCmd `cmd:"" help:"Run the aggregator: rollups, scores, alerts."`
	Console    consoleCmd    `cmd:"" help:"Run the console: web pages and read API."`
	Notifier   notifierCmd   `cmd:"" help:"Run the notifier (signed webhooks), or see to its dead messages."`
	Alerts     alertsCmd     `cmd:"" help:"List alerts; acknowledge, snooze or rebaseline them."`
	Migrate    migrateCmd    `cmd:"" help:"Create or upgrade the topics and the tables, then exit."`
	Simulate   simulateCmd   `cmd:"" help:"Send realistic portal traffic to a collector."`
	Bench      benchCmd      `cmd:"" help:"Measure a role against its floor on this machine."`
	Replay     replayCmd     `cmd:"" help:"Send refused events again, after what they were refused for was mended."`
	Forget     forgetCmd     `cmd:"" help:"Erase a user or a partner everywhere, and report what was erased."`
	Import     importCmd     `cmd:"" help:"Import partners, users, content, courses or training commitments from a CSV file."`
	Docs       docsCmd       `cmd:"" help:"Write pages of the documentation that are made from the product."`
	Model      modelCmd      `cmd:"" help:"Freeze and list score models."`
	Explain    explainCmd    `cmd:"" help:"Take the score of a partner apart, to the last point."`
	Rescore    rescoreCmd    `cmd:"" help:"Compute the scores of past days again, under any stored model."`
	Recompute  recomputeCmd  `cmd:"" help:"Have rollups, scores and alerts of past days computed again from their events."`
	Backtest   backtestCmd   `cmd:"" help:"Hold the scores of the past, as they were known then, to what happened after."`
	Doctor     doctorCmd     `cmd:"" help:"Check configuration, engines, ports and disk, and say how to mend what is wrong."`
	Config     configCmd     `cmd:"" help:"Check or show the configuration."`
	Keys       keysCmd       `cmd:"" help:"Make write keys, and sign identities to try them."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// globals are the flags of every command.
type globals struct {
	ConfigFile string   `name:"config" short:"c" placeholder:"FILE" env:"PARTNERPULSE_CONFIG" help:"Configuration file (YAML)."`
	Set        []string `placeholder:"KEY=VALUE" sep:"none" help:"Set one configuration key, such as kafka.brokers=a:9092,b:9092. May be repeated."`
	LogLevel   string   `placeholder:"LEVEL" env:"PARTNERPULSE_LOG_LEVEL" help:"debug, info, warn or error; over the configuration's log.level."`
}

// usageError is a mistake in flags or configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second signal ends the process at once
		<-ctx.Done()
		time.Sleep(signalsTogether)
		stop()
	}()

	var c cli
	parser, err := kong.New(&c, kong.Name("partnerpulse"),
		kong.Description("Engagement tracking for partner portals: events in, explained scores and drop alerts out."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&c.globals))
	if err != nil {
		fmt.Fprintln(os.Stderr, "partnerpulse:", err)
		return exitFailed
	}
	kctx, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%s", err)
		return exitUsage
	}
	err = kctx.Run()
	var usage usageError
	switch {
	case err == nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "partnerpulse:", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "partnerpulse:", err)
	return exitFailed
}

// load reads the configuration for a command.
func (g *globals) load() (app.Config, error) {
	cfg := app.DefaultConfig()
	err := config.Load(&cfg, config.Sources{File: g.ConfigFile, Environ: os.Environ(), Sets: g.Set})
	if err != nil {
		return cfg, usageError{err}
	}
	if g.LogLevel != "" {
		cfg.Log.Level = g.LogLevel
	}
	return cfg, nil
}

// start gives what every long-running command needs.
func (g *globals) start() (app.Config, *zap.Logger, error) {
	cfg, err := g.load()
	if err != nil {
		return cfg, nil, err
	}
	log, err := obs.NewLogger(cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return cfg, nil, usageError{err}
	}
	return cfg, log, nil
}
