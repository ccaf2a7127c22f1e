package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"partnerpulse/internal/bench"
)

type benchDetectorCmd struct {
	JSON     bool   `help:"Print the report as JSON."`
	Report   string `placeholder:"DIR" help:"Write report.md, its plots and detector.json there."`
	Partners int    `default:"2000" help:"Healthy partners of each healthy tenant."`
	Days     int    `default:"730" help:"Days of their history."`
	Tenants  int    `default:"3" help:"Healthy tenants of each of the three dispersions."`
	Changing int    `default:"600" help:"Partners of each rate that drop, in each of the four settings."`
	Seed     uint64 `default:"20261122" help:"Seed of everything drawn."`
}

// Run simulates and prints what was found.
func (b *benchDetectorCmd) Run(ctx context.Context) error {
	cfg := bench.DefaultDetectorConfig()
	cfg.Tenants, cfg.Partners, cfg.Days, cfg.Changing, cfg.Seed, cfg.Version = b.Tenants, b.Partners, b.Days, b.Changing, b.Seed, version
	cfg.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	report, err := bench.Detector(ctx, cfg)
	if err != nil {
		return err
	}
	if b.Report != "" {
		if err := report.Write(b.Report); err != nil {
			return err
		}
	}
	if !b.JSON {
		_, err = fmt.Print(report)
		return err
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
