package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"partnerpulse/internal/simulate"
	"partnerpulse/internal/simulate/plan"
)

type simulateCmd struct {
	Collector string  `default:"http://127.0.0.1:8080" env:"PARTNERPULSE_COLLECTOR_URL" help:"The collector's base address."`
	Key       string  `required:"" env:"PARTNERPULSE_SERVER_KEY" help:"Server key with the backfill and directory scopes."`
	Tenant    string  `default:"demo" help:"Tenant of the key; it enters the event ids."`
	Partners  int     `default:"200" help:"Partners of the programme."`
	Days      int     `default:"90" help:"Days of history before today."`
	Seed      uint64  `default:"1" help:"The same seed gives the same programme and the same ids."`
	Backfill  bool    `default:"true" negatable:"" help:"Send the history."`
	Live      bool    `help:"Then send what happens in real time, until a signal."`
	Rate      float64 `help:"Besides, send synthetic load of so many events a second, until a signal."`
	Events    int64   `help:"Stop after so many events."`
	Workers   int     `default:"4" help:"Parallel requests."`
	AckLog    string  `placeholder:"FILE" help:"Append the id of each accepted event to this file, after its acknowledgement."`
	State     string  `placeholder:"FILE" help:"Keep in this file how far it went, and go on from there at the next start."`
	JSON      bool    `help:"Print the report as JSON."`
}

// Run sends until all is sent or a signal.
func (s *simulateCmd) Run(ctx context.Context, g *globals) (err error) {
	_, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	now := time.Now().UTC()
	cfg := simulate.DefaultConfig(now)
	cfg.World.Seed, cfg.World.Tenant, cfg.World.Partners = s.Seed, s.Tenant, s.Partners
	cfg.World.Days = s.Days
	cfg.World.Start = plan.DayOf(now, time.UTC) - plan.Day(s.Days)
	cfg.URL, cfg.Key, cfg.Workers = s.Collector, s.Key, s.Workers
	cfg.Backfill, cfg.Live, cfg.Rate, cfg.Events = s.Backfill, s.Live, s.Rate, s.Events
	deps := simulate.Deps{Progress: simulate.NewProgressPrinter(os.Stderr, simulate.IsTerminal(os.Stderr))}
	if s.AckLog != "" {
		f, err := os.OpenFile(s.AckLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("opening --ack-log: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		deps.AckLog = f
	}
	if s.State != "" {
		saved, found, err := simulate.ReadState(s.State)
		if err != nil {
			return err
		}
		if found {
			saved.Resume(&cfg)
		}
		deps.Checkpoint = func(st simulate.State) error { return simulate.WriteState(s.State, st) }
	}
	report, err := simulate.New(cfg, deps, log).Run(ctx)
	if s.JSON {
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(report))
	}
	_, perr := fmt.Println(report)
	return errors.Join(err, perr)
}
