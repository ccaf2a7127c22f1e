package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/simulate"
	"partnerpulse/internal/simulate/plan"
)

// Demo is a simulated programme that `up` loads at first and keeps alive. Its
// state stays in the data directory, so that a later start goes on where the last
// one ended, filling the gap between.
type Demo struct {
	Partners int    // 1–9999
	Days     int    // of history before today
	Seed     uint64 // the same seed gives the same world
	Live     bool   // go on in real time after the history
	// Progress is told how far the history is.
	Progress func(simulate.Progress)
}

// part is the simulator as a part; loaded is closed when the history is accepted.
func (d *Demo) part(at Addresses, dataDir string, log *zap.Logger) (p Part, loaded <-chan struct{}) {
	done := make(chan struct{})
	var once sync.Once
	finish := func() { once.Do(func() { close(done) }) }
	run := func(ctx context.Context) error {
		state := filepath.Join(dataDir, "demo.json")
		cfg, err := d.config(at, state)
		if err != nil {
			return err
		}
		deps := simulate.Deps{
			Progress:   d.Progress,
			Checkpoint: func(s simulate.State) error { return simulate.WriteState(state, s) },
			Backfilled: func(r simulate.Report) {
				log.Info("the demo's history is loaded", zap.Int64("events", r.Acked), zap.Float64("seconds", r.Seconds))
				finish()
			},
		}
		if _, err := simulate.New(cfg, deps, log).Run(ctx); err != nil {
			return err
		}
		<-ctx.Done() // without live traffic the part stays, so that it does not count as failed
		return nil
	}
	return Part{Name: "demo", Run: run}, done
}

func (d *Demo) config(at Addresses, state string) (simulate.Config, error) {
	now := time.Now().UTC()
	cfg := simulate.DefaultConfig(now)
	cfg.World = plan.Config{
		Seed: d.Seed, Tenant: at.Tenant, Portal: cfg.World.Portal, Partners: d.Partners,
		Start: plan.DayOf(now, time.UTC) - plan.Day(d.Days), Days: d.Days, Location: time.UTC,
	}
	cfg.URL, cfg.Key, cfg.Live = at.Collector, at.ServerKey, d.Live
	if cfg.Key == "" {
		return cfg, fmt.Errorf("the demo needs the keys that `up` makes: remove `keys` from the configuration, or leave --demo out")
	}
	saved, found, err := simulate.ReadState(state)
	if err != nil {
		return cfg, err
	}
	if found {
		saved.Resume(&cfg)
	}
	return cfg, nil
}
