// Package simulate plays the partner portals: it plans a world of partners
// (package plan) and sends what they do to the collector over HTTP, like any
// client, retrying until each event is acknowledged.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"partnerpulse/internal/simulate/plan"
)

// Deps are what the simulator uses; each may be nil.
type Deps struct {
	Transport  http.RoundTripper     // nil: a transport of its own, closed at the end of Run
	AckLog     io.Writer             // gets the id of each accepted event on a line, after its 202
	Progress   func(Progress)        // called four times a second and at the end of a backfill
	Checkpoint func(State) error     // called each second and at the end with where to resume
	Backfilled func(Report)          // called once, when the whole backfill is acknowledged
	Registerer prometheus.Registerer // nil: metrics are not exposed
}

// Simulator sends a planned world to a collector.
type Simulator struct {
	cfg  Config
	deps Deps
	log  *zap.Logger

	world   *plan.World
	sender  *sender
	started time.Time
	budget  budget
}

// New makes a simulator; nothing happens before Run.
func New(cfg Config, deps Deps, log *zap.Logger) *Simulator {
	return &Simulator{cfg: cfg, deps: deps, log: log}
}

// ErrRejected is wrapped by Run's error when the collector refused events of the plan.
var ErrRejected = errors.New("the collector rejected events")

// Run sends the backfill, then stays live if told to, until ctx ends. The report
// is valid with an error too. The end of ctx is the ordinary end of a live run and
// no error; it is one for a backfill that was not finished. Run may be called once.
func (s *Simulator) Run(ctx context.Context) (Report, error) {
	if err := s.cfg.Validate(); err != nil {
		return Report{}, err
	}
	world, err := plan.New(s.cfg.World)
	if err != nil {
		return Report{}, err
	}
	s.world, s.started, s.budget = world, time.Now(), newBudget(s.cfg.Events)
	if s.cfg.Through.IsZero() {
		s.cfg.Through = s.started
	}
	if s.cfg.From.IsZero() && (s.cfg.Backfill || !s.cfg.Live) {
		s.cfg.From = world.Config().Start.Start(world.Config().Location)
	}
	s.sender, err = newSender(s.cfg, s.deps, s.log)
	if err != nil {
		return Report{}, err
	}
	defer s.sender.close()
	err = s.phases(ctx)
	report := s.report()
	if err == nil && report.Rejected > 0 {
		err = fmt.Errorf("%w: %d of %d", ErrRejected, report.Rejected, report.Events)
	}
	return report, err
}

func (s *Simulator) phases(ctx context.Context) error {
	if s.cfg.Backfill {
		if err := s.backfill(ctx); err != nil {
			return fmt.Errorf("sending the history: %w", err)
		}
	}
	if (s.cfg.Live || s.cfg.Rate > 0) && !s.budget.exhausted() {
		if err := s.live(ctx); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx))) {
			return fmt.Errorf("sending live: %w", err)
		}
	}
	return nil
}

func (s *Simulator) report() Report {
	r := s.sender.tally.report()
	r.Seconds = time.Since(s.started).Seconds()
	return r
}

// backfill sends [From, Through) and returns when all of it is answered.
func (s *Simulator) backfill(ctx context.Context) error {
	s.sender.tally.reached(s.cfg.From)
	stop := s.watch(ctx, s.cfg.From, s.cfg.Through)
	err := s.sender.run(ctx, func(ctx context.Context, emit emitFunc) error {
		for e := range s.world.Events(s.cfg.From) {
			if !e.Time.Before(s.cfg.Through) || !s.budget.take() {
				return nil
			}
			if err := emit(ctx, outgoing{e, true}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !s.budget.spent() {
		s.sender.tally.reached(s.cfg.Through)
	}
	if err = errors.Join(err, stop()); err == nil && s.deps.Backfilled != nil {
		s.deps.Backfilled(s.report())
	}
	return err
}

// live sends each event when it is due, and the synthetic load besides.
func (s *Simulator) live(ctx context.Context) error {
	from := s.cfg.From
	switch {
	case s.cfg.Backfill:
		from = s.cfg.Through
	case from.IsZero():
		from = time.Now()
	}
	s.sender.tally.reached(from)
	stop := s.watch(ctx, time.Time{}, time.Time{})
	err := s.sender.run(ctx, func(ctx context.Context, emit emitFunc) error {
		g, ctx := errgroup.WithContext(ctx)
		if s.cfg.Live {
			g.Go(func() error { return s.dispatch(ctx, from, emit) })
		}
		if s.cfg.Rate > 0 {
			g.Go(func() error { return s.load(ctx, emit) })
		}
		return g.Wait()
	})
	return errors.Join(err, stop())
}

// dispatch waits for the planned instant of each event.
func (s *Simulator) dispatch(ctx context.Context, from time.Time, emit emitFunc) error {
	p := pace{began: time.Now(), from: from, speed: s.cfg.Speed}
	for e := range s.world.Events(from) {
		if err := sleepUntil(ctx, p.due(e.Time)); err != nil {
			return err
		}
		if !s.budget.take() {
			return nil
		}
		if err := emit(ctx, outgoing{e, true}); err != nil {
			return err
		}
	}
	return nil
}

// load sends events of now at a steady rate; they are no part of the plan, so
// they have other ids in each run and do not move the checkpoint.
func (s *Simulator) load(ctx context.Context, emit emitFunc) error {
	const burstsPerSecond = 20
	limiter := rate.NewLimiter(rate.Limit(s.cfg.Rate), 1+int(s.cfg.Rate/burstsPerSecond))
	for e := range s.world.Load(uint64(s.started.UnixNano())) {
		if err := sleepUntil(ctx, time.Now().Add(limiter.Reserve().Delay())); err != nil {
			return err
		}
		if !s.budget.take() {
			return nil
		}
		stamped := *e
		stamped.Time = time.Now().UTC().Truncate(time.Millisecond)
		if err := emit(ctx, outgoing{&stamped, false}); err != nil {
			return err
		}
	}
	return errors.New("planning the load: no partner is healthy")
}
