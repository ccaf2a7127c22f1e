package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/internal/session"
)

// Scoring gives the operator's commands about scores: models, explanations and more,
// for one tenant of the configured ClickHouse. Close it when it is over.
type Scoring struct {
	cfg    Config
	tenant string
	loc    *time.Location
	store  *chstore.Store
	log    *zap.Logger
}

// NewScoring prepares the commands; it does no I/O.
func NewScoring(cfg Config, tenant string, log *zap.Logger, reg *prometheus.Registry) (*Scoring, error) {
	if err := cfg.needEngines(false, true); err != nil {
		return nil, err
	}
	if tenant == "" {
		return nil, errors.New("the tenant is empty: name one with --tenant")
	}
	zone := cfg.Tenants[tenant].Timezone
	if zone == "" {
		zone = cfg.Aggregator.Timezone
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("loading the time zone of tenant %s: %w", tenant, err)
	}
	store, err := newApp(cfg, log, reg).store("scoring")
	if err != nil {
		return nil, err
	}
	return &Scoring{cfg: cfg, tenant: tenant, loc: loc, store: store, log: log}, nil
}

// Close releases the connections.
func (s *Scoring) Close() error { return s.store.Close() }

// Today is the tenant's day, days since 1970-01-01.
func (s *Scoring) Today() int32 { return session.LocalDay(time.Now(), s.loc) }

// base is the tenant's described model.
func (s *Scoring) base() (score.Model, error) {
	return s.cfg.Aggregator.Model.With(s.cfg.Tenants[s.tenant].Model.Changes)
}

// ActiveVersion is the version that the tenant is scored with.
func (s *Scoring) ActiveVersion() (string, error) {
	if v := s.cfg.Tenants[s.tenant].Model.Active; v != "" {
		return v, nil
	}
	m, err := s.base()
	return m.Version, err
}

// Freeze stores a model with bars from the tenant's data as of a day.
func (s *Scoring) Freeze(ctx context.Context, version string, asOf int32, partnersMin int) (score.Model, error) {
	base, err := s.base()
	if err != nil {
		return score.Model{}, err
	}
	return scoring.Freeze(ctx, s.store, s.tenant, base, version, asOf, partnersMin, time.Now())
}

// Mark has the aggregator recompute what rests on events of the UTC days from low to
// high, days since 1970-01-01.
func (s *Scoring) Mark(ctx context.Context, low, high int32) (aggregator.Marked, error) {
	return aggregator.Mark(ctx, s.store, s.tenant, low, high)
}

// Models lists the tenant's stored models.
func (s *Scoring) Models(ctx context.Context) ([]scoring.ModelInfo, error) {
	return scoring.ListModels(ctx, s.store, s.tenant)
}

// Explain takes a score apart; an empty version is the active model's.
func (s *Scoring) Explain(ctx context.Context, partner, version string, asOf int32) (*scoring.Report, error) {
	if version == "" {
		var err error
		if version, err = s.ActiveVersion(); err != nil {
			return nil, err
		}
	}
	return scoring.NewExplainer(scoring.ExplainConfig{
		Tenant: s.tenant, Version: version, Location: s.loc, DealStages: s.cfg.Aggregator.DealStages,
	}, s.store).Explain(ctx, partner, asOf)
}

// explainer takes the scores of the console's tenant apart.
func (a *app) explainer(tenant string, store *chstore.Store) *activeExplainer {
	return &activeExplainer{&Scoring{cfg: a.cfg, tenant: tenant, loc: a.location(tenant), store: store, log: a.log}}
}

// location is the time zone of a tenant; Validate has loaded it before.
func (a *app) location(tenant string) *time.Location {
	zone := cmp.Or(a.cfg.Tenants[tenant].Timezone, a.cfg.Aggregator.Timezone)
	loc, err := time.LoadLocation(zone)
	if err != nil {
		a.log.Error("loading a tenant's time zone failed, using UTC", zap.String("tenant", tenant), zap.Error(err))
		return time.UTC
	}
	return loc
}

// activeExplainer explains by the active model.
type activeExplainer struct{ *Scoring }

// Explain takes a score apart.
func (x *activeExplainer) Explain(ctx context.Context, partner string, asOf int32) (*scoring.Report, error) {
	return x.Scoring.Explain(ctx, partner, "", asOf)
}

// Rescore recomputes past scores; an empty version is the active model's.
func (s *Scoring) Rescore(ctx context.Context, version string, from, to int32, progress func(aggregator.RescoreProgress)) (aggregator.RescoreReport, error) {
	base, err := s.base()
	if err != nil {
		return aggregator.RescoreReport{}, err
	}
	if version == "" {
		if version, err = s.ActiveVersion(); err != nil {
			return aggregator.RescoreReport{}, err
		}
	}
	if version == base.Version { // it may never have been used
		if err := scoring.SaveModel(ctx, s.store, s.tenant, &base, time.Now()); err != nil {
			return aggregator.RescoreReport{}, err
		}
	}
	r, err := aggregator.NewRescore(aggregator.RescoreConfig{
		Tenant: s.tenant, Version: version, From: from, To: min(to, s.Today()), RowsMax: s.cfg.Aggregator.ScoreRowsMax,
	}, s.store, progress, time.Now)
	if err != nil {
		return aggregator.RescoreReport{}, err
	}
	return r.Run(ctx)
}

// Backtest holds the score to what happened after; an empty version is the active model's.
func (s *Scoring) Backtest(ctx context.Context, cfg scoring.BacktestConfig) (*scoring.BacktestReport, error) {
	if cfg.Version == "" {
		var err error
		if cfg.Version, err = s.ActiveVersion(); err != nil {
			return nil, err
		}
	}
	cfg.Tenant, cfg.Location, cfg.DealStages = s.tenant, s.loc, s.cfg.Aggregator.DealStages
	return scoring.Backtest(ctx, s.store, cfg)
}
