package main

import (
	"context"
	"fmt"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
)

type (
	collectorCmd  struct{}
	enricherCmd   struct{}
	aggregatorCmd struct{}
	consoleCmd    struct{}
	migrateCmd    struct{}
)

// Run runs the collector until a signal.
func (*collectorCmd) Run(ctx context.Context, g *globals) error { return g.role(ctx, app.Collector) }

// Run runs an enricher until a signal.
func (*enricherCmd) Run(ctx context.Context, g *globals) error { return g.role(ctx, app.Enricher) }

// Run runs the aggregator until a signal.
func (*aggregatorCmd) Run(ctx context.Context, g *globals) error { return g.role(ctx, app.Aggregator) }

// Run runs the console until a signal.
func (*consoleCmd) Run(ctx context.Context, g *globals) error { return g.role(ctx, app.Console) }

func (g *globals) role(ctx context.Context, role app.Role) error {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	cfg.Reload = onHangup(ctx, cfg)
	limitMemory()
	return app.RunRole(ctx, role, cfg, log, obs.NewRegistry())
}

// Run migrates and returns.
func (*migrateCmd) Run(ctx context.Context, g *globals) error {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	return app.Migrate(ctx, cfg, log, obs.NewRegistry())
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check the configuration and say all that is wrong."`
	Show  configShowCmd  `cmd:"" help:"Print the whole configuration as YAML, secrets hidden."`
}

type (
	configCheckCmd struct{}
	configShowCmd  struct{}
)

// Run checks.
func (*configCheckCmd) Run(g *globals) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	_, err = fmt.Println("the configuration is valid")
	return err
}

// Run prints.
func (*configShowCmd) Run(g *globals) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	text, err := config.Show(cfg)
	if err != nil {
		return fmt.Errorf("encoding the configuration: %w", err)
	}
	_, err = fmt.Print(text)
	return err
}
