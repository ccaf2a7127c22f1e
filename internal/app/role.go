package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/httpserver"
)

// Role is what one process of a larger installation does.
type Role string

// The roles.
const (
	Collector  Role = "collector"
	Enricher   Role = "enricher"
	Aggregator Role = "aggregator"
	Console    Role = "console"
	Notifier   Role = "notifier"
)

// RunRole runs one role against the configured Kafka and ClickHouse until ctx ends.
// Topics and tables must exist: `migrate` makes them.
func RunRole(ctx context.Context, role Role, cfg Config, log *zap.Logger, reg *prometheus.Registry) error {
	if err := cfg.needEngines(role != Console, role != Collector); err != nil {
		return err
	}
	a := newApp(cfg, log, reg)
	ps := newParts(log)
	err := a.startRole(ctx, role, ps)
	if err == nil {
		log.Info("running", zap.String("role", string(role)))
		err = ps.wait(ctx)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, ps.stop())
}

func (a *app) startRole(ctx context.Context, role Role, ps *parts) error {
	var p Part
	var err error
	switch role {
	case Collector:
		l, lerr := httpserver.Listen(ctx, a.cfg.Collector.HTTP.Addr, "collector.http.addr")
		if lerr != nil {
			return lerr
		}
		p, err = a.collector(l)
	case Console:
		l, lerr := httpserver.Listen(ctx, a.cfg.Console.HTTP.Addr, "console.http.addr")
		if lerr != nil {
			return lerr
		}
		p, err = a.console(a.cfg.Console.Config, l)
	case Enricher:
		p, err = a.enricher(a.cfg.Reload)
	case Aggregator:
		p, err = a.aggregator()
	case Notifier:
		p, err = a.notifier()
	}
	if err != nil {
		return err
	}
	if (role == Enricher || role == Aggregator || role == Notifier) && a.cfg.Ops.Addr != "" {
		if err := a.startOps(ctx, ps); err != nil {
			return err
		}
	}
	return ps.start(ctx, p)
}

// startOps serves health and metrics of a role without a listener of its own.
func (a *app) startOps(ctx context.Context, ps *parts) error {
	l, err := httpserver.Listen(ctx, a.cfg.Ops.Addr, "ops.addr")
	if err != nil {
		return err
	}
	store, err := a.store("ops")
	if err != nil {
		return err
	}
	srv := httpserver.New(a.cfg.Ops, l, http.NotFoundHandler(), store.Ping, a.reg, a.log.Named("ops"))
	return ps.start(ctx, Part{Name: "ops", Run: func(ctx context.Context) error {
		return errors.Join(srv.Run(ctx), store.Close())
	}})
}

// Migrate creates what is missing of topics, database and tables, and returns.
func Migrate(ctx context.Context, cfg Config, log *zap.Logger, reg *prometheus.Registry) error {
	if err := cfg.needEngines(true, true); err != nil {
		return err
	}
	return newApp(cfg, log, reg).Migrate(ctx)
}
