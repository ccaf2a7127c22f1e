// Package aggregator turns stored events into daily metrics, sessions, scores
// and alerts. It recomputes what the dirty keys name and nothing else, always
// from the events themselves, so that repetition and lateness cannot change a
// number: the same events give the same rows.
//
// One batch of a tenant goes: take dirty keys and partners that have fallen
// behind → read their events, once → sessions → partner_daily, and side by side with
// these the entities → scores → detection → publish → progress, and side by side with
// these all other tables → mark the keys done. Each step can be repeated. A row of
// partner_daily that is newer than its partner's progress tells the steps up to the
// progress what to redo, a key that is dirty the others, so an interruption anywhere
// leaves nothing out.
package aggregator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
)

// Store is what the aggregator needs of ClickHouse.
type Store interface {
	Exec(ctx context.Context, query string, p chstore.Params) error
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

// Publisher makes messages durable: nil means that all are.
type Publisher interface {
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// Deps are the things that the aggregator talks to.
type Deps struct {
	Store     Store
	Publisher Publisher
	Group     Group            // nil: this worker is the only one
	Now       func() time.Time // nil: time.Now
}

// Aggregator runs one worker. Make it with New, start it with Run.
type Aggregator struct {
	cfg         Config
	deps        Deps
	log         *zap.Logger
	metrics     *metrics
	detector    *detect.Detector
	tenantModel *detect.TenantModel

	share     kafkabus.Share // whose tenants are worked on
	epoch     uint64         // the batches of this epoch have larger numbers; 0 without a group
	lastBatch uint64
	started   bool
	swept     time.Time       // when finished hours of marks were last looked for
	left      map[uint64]bool // batches over that had events in the work table then
	tenants   map[string]*tenant
}

// New checks the configuration and prepares the models (about a second of one
// core for the detector's thresholds). It does no I/O.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) (*Aggregator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("checking aggregator: %w", err)
	}
	detector, tenantModel, err := cfg.detectors()
	if err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	a := &Aggregator{
		cfg: cfg, deps: deps, log: log, metrics: newMetrics(reg),
		detector: detector, tenantModel: tenantModel, share: all{}, tenants: make(map[string]*tenant),
	}
	if a.deps.Store, err = newTimedStore(deps.Store, a.metrics.statements); err != nil {
		return nil, err
	}
	for _, t := range cfg.Tenants {
		loc, err := time.LoadLocation(cmp.Or(t.Timezone, cfg.Timezone))
		if err != nil {
			return nil, fmt.Errorf("checking aggregator: time zone of tenant %s: %w", t.ID, err)
		}
		model, err := cfg.Model.With(t.Model.Changes)
		if err != nil {
			return nil, fmt.Errorf("checking aggregator: model of tenant %s: %w", t.ID, err)
		}
		state := newTenant(t.ID, loc)
		state.model, state.active = model, t.Model.Active
		a.tenants[t.ID] = state
	}
	return a, nil
}

// Run works until ctx ends. Errors are logged, counted and retried with backoff:
// nothing is lost meanwhile, because the dirty keys stay. A batch that is under
// way when ctx ends gets Config.StopTimeout to finish. With a group, it works on the
// tenants of its shards only.
func (a *Aggregator) Run(ctx context.Context) error {
	if a.deps.Group == nil {
		return a.loop(ctx)
	}
	return a.deps.Group.Run(ctx, a.serve)
}

// loop ticks until ctx ends or the shards are lost.
func (a *Aggregator) loop(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = a.cfg.Interval, a.cfg.RetryMax
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		begin := time.Now()
		work, err := a.detached(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			a.log.Info("stopped within a batch; it will be repeated", zap.Error(err))
			return nil
		case errors.Is(err, kafkabus.ErrGenerationEnded):
			a.log.Warn("the shards went to another worker within a batch, which will be repeated there", zap.Error(err))
			return nil
		case err != nil:
			wait := retry.NextBackOff()
			a.log.Error("aggregating failed", zap.Error(err), zap.Duration("retry_in", wait))
			timer.Reset(wait)
		case work.More:
			retry.Reset()
			timer.Reset(0)
		default:
			retry.Reset()
			timer.Reset(a.pause(work, time.Since(begin)))
		}
	}
}

// pause is how long to wait after a tick that left nothing over. While events keep coming,
// ticks begin every Interval or, when they take longer, follow each other: a shorter one
// finds fewer partners with news.
func (a *Aggregator) pause(work Work, took time.Duration) time.Duration {
	if work.Keys == 0 {
		return a.cfg.Interval
	}
	return max(0, a.cfg.Interval-took)
}

// detached runs one tick that outlives ctx by at most the time of grace.
func (a *Aggregator) detached(ctx context.Context) (Work, error) {
	tick, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(a.grace(context.Cause(ctx)))
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-tick.Done():
		}
	})
	defer stop()
	return a.Tick(tick)
}

// grace is how long a tick may go on after its context has ended: StopTimeout, but when
// the group is being divided anew no longer than it takes to join in time. A member of the
// group says nothing until its tick has ended; if it were silent for TakeoverAfter it would
// be put out, and its coming back would divide the group anew again, and so on for ever.
func (a *Aggregator) grace(cause error) time.Duration {
	if errors.Is(cause, kafkabus.ErrGenerationEnded) {
		return min(a.cfg.StopTimeout, a.cfg.TakeoverAfter/3)
	}
	return a.cfg.StopTimeout
}

// Work says what a tick did.
type Work struct {
	Keys      int  // dirty keys worked off
	Partners  int  // partners brought up to date
	ScoreRows int  // rows of partner_scores written
	Alerts    int  // transitions published
	Scores    int  // scores published
	More      bool // there was more than one batch holds
}

func (w *Work) add(o Work) {
	w.Keys += o.Keys
	w.Partners += o.Partners
	w.ScoreRows += o.ScoreRows
	w.Alerts += o.Alerts
	w.Scores += o.Scores
	w.More = w.More || o.More
}

// Tick works off one batch of each tenant that has something to do. A tenant that
// fails does not hold up the others; their errors are joined.
func (a *Aggregator) Tick(ctx context.Context) (Work, error) {
	begin := time.Now()
	work, err := a.tick(ctx)
	a.metrics.observe(work, err, time.Since(begin), a.deps.Now())
	return work, err
}

func (a *Aggregator) tick(ctx context.Context) (Work, error) {
	if err := a.start(ctx); err != nil {
		return Work{}, err
	}
	var dirty []struct {
		Tenant string `ch:"tenant"`
		Keys   uint64 `ch:"keys"`
	}
	if err := a.deps.Store.Select(ctx, &dirty, query("dirty_tenants"), nil); err != nil {
		return Work{}, fmt.Errorf("reading dirty keys: %w", err)
	}
	keys := make(map[string]uint64, len(dirty))
	total := uint64(0)
	for _, d := range dirty {
		if !a.share.Owns(d.Tenant) {
			continue
		}
		keys[d.Tenant] = d.Keys
		total += d.Keys
		a.meet(d.Tenant)
	}
	a.metrics.dirtyKeys.Set(float64(total))
	var work Work
	var errs []error
	for _, id := range a.tenantIDs() {
		if !a.share.Owns(id) {
			continue
		}
		w, err := a.batch(ctx, a.tenants[id], keys[id])
		if err == nil && !w.More {
			w.More, err = a.scoreContent(ctx, a.tenants[id])
		}
		if err == nil && !w.More {
			err = a.collateralRules(ctx, a.tenants[id], &w)
		}
		work.add(w)
		if err != nil {
			errs = append(errs, fmt.Errorf("aggregating tenant %s: %w", id, err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, a.sweep(ctx))
	}
	return work, errors.Join(errs...)
}
