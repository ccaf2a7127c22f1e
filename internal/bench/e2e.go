package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/chstore"
)

// E2EConfig says how the way from a portal's request to a score is measured.
type E2EConfig struct {
	Rate        int           // events a second, of the load
	WarmUp      time.Duration // under the same load, not counted
	Length      time.Duration // of what is counted
	Batch       int           // events of a request of the load
	Connections int           // kept-alive, shared by all requests of the load
	Partners    int           // of the programme, which the load visits
	Visits      int           // visits that go on at once
	Probes      int           // events a second whose way is timed, besides the load
}

// DefaultE2EConfig is what DESIGN.md asks for.
func DefaultE2EConfig() E2EConfig {
	return E2EConfig{
		Rate: 5000, WarmUp: 20 * time.Second, Length: time.Minute, Batch: 10, Connections: 64,
		Partners: 5000, Visits: 6400, Probes: 20,
	}
}

// Validate checks the values.
func (c E2EConfig) Validate() error {
	switch {
	case c.Rate < 1 || c.Rate > 1_000_000 || c.Batch < 1 || c.Batch > 1000 || c.Connections < 1 || c.Connections > 4096:
		return errors.New("checking the bench: rate must be 1–1,000,000, batch 1–1000, connections 1–4096")
	case c.WarmUp < time.Second || c.Length < time.Second || c.WarmUp+c.Length > time.Hour:
		return errors.New("checking the bench: warming up and seconds must be at least 1 each, an hour together at most")
	case c.Partners < 10 || c.Partners > 9999 || c.Visits < 1 || c.Visits > 100_000 || c.Probes < 1 || c.Probes > 1000:
		return errors.New("checking the bench: partners must be 10–9999, visits 1–100,000, probes 1–1000")
	}
	return nil
}

// Part is one of the processes that are measured.
type Part struct {
	Name string
	Rememberer
}

// E2EStand is what the way is measured with: all of it serves already, with empty
// topics and tables.
type E2EStand struct {
	Collector  Address
	Parts      []Part // all processes but this one
	Aggregator string // where the aggregator's metrics are, host:port
	ClickHouse *chstore.Store
	Model      string       // version of the model that is scored with
	Version    string       // of the program, for a build that does not know its commit
	Progress   func(string) // told what is under way
}

// Bounds of the measurement.
const (
	settleTimeout = 5 * time.Minute // for everything to become visible after the load
	e2eTenant     = "bench"
)

// E2E measures the time from the answer to an event until a row of partner_scores
// includes it, while a load of other events arrives at a fixed rate. It fails unless
// every event that was accepted is stored once and every probe is in a score.
func E2E(ctx context.Context, cfg E2EConfig, stand E2EStand) (*E2EReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &e2eBench{cfg: cfg, stand: stand, start: time.Now().Add(time.Second)}
	b.begin, b.end = b.start.Add(cfg.WarmUp), b.start.Add(cfg.WarmUp+cfg.Length)
	var err error
	if b.probes, err = newProbes(cfg, b.start, b.begin); err != nil {
		return nil, err
	}
	b.paced = &pacedLoad{cfg: cfg, start: b.start, end: b.end, counted: b.begin}
	if err := b.run(ctx); err != nil {
		return nil, err
	}
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	return b.report(ctx)
}

// e2eBench is one measurement.
type e2eBench struct {
	cfg               E2EConfig
	stand             E2EStand
	start, begin, end time.Time // of the load; of what is counted
	probes            *probes
	paced             *pacedLoad

	cpu      map[string]time.Duration // by process, of what is counted
	lag      LagFigures
	lastSeen time.Time // when the last probe became visible
}

// run sends the load and the probes and watches until all probes are visible.
func (b *e2eBench) run(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, time.Until(b.end)+settleTimeout,
		fmt.Errorf("%w: not every probe is in a score %s after the load", ErrInexact, settleTimeout))
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.paced.send(ctx, b.stand.Collector) })
	g.Go(func() error { return b.probes.send(ctx, b.stand.Collector) })
	g.Go(func() error { return b.watch(ctx) })
	g.Go(func() error { return b.account(ctx) })
	g.Go(func() error { return b.live(ctx) })
	if err := g.Wait(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}

// watch looks at the tables until every probe is in a score.
func (b *e2eBench) watch(ctx context.Context) error {
	for {
		for _, kind := range []visibleIn{stored, scored} {
			seen, err := b.look(ctx, kind)
			if err != nil {
				return err
			}
			b.probes.saw(kind, seen, time.Now())
		}
		if b.probes.all() {
			b.lastSeen = time.Now()
			return nil
		}
		if !sleepUntil(ctx, time.Now().Add(watchPause)) {
			return context.Cause(ctx)
		}
	}
}

// watchPause is the time between two looks at the tables. It is a part of every figure.
const watchPause = 100 * time.Millisecond

// look gives a number for each probing partner.
func (b *e2eBench) look(ctx context.Context, kind visibleIn) (map[string]uint64, error) {
	var rows []struct {
		Partner string `ch:"partner_id"`
		N       uint64 `ch:"n"`
	}
	first, last := b.probes.span()
	p := chstore.Params{"tenant": e2eTenant, "model": b.stand.Model, "first": first, "last": last}
	if err := b.stand.ClickHouse.Select(ctx, &rows, statement("e2e_"+string(kind)), p); err != nil {
		return nil, fmt.Errorf("looking for probes: %w", err)
	}
	out := make(map[string]uint64, len(rows))
	for _, r := range rows {
		out[r.Partner] = r.N
	}
	return out, nil
}

// account takes the CPU times when counting begins and ends, and then the lag.
func (b *e2eBench) account(ctx context.Context) error {
	if !sleepUntil(ctx, b.begin) {
		return context.Cause(ctx)
	}
	before, err := b.cpuTimes()
	if err != nil {
		return err
	}
	if !sleepUntil(ctx, b.end) {
		return context.Cause(ctx)
	}
	if b.cpu, err = b.cpuTimes(); err != nil {
		return err
	}
	for name, was := range before {
		b.cpu[name] -= was
	}
	accepted := b.paced.accepted.Load() + b.probes.accepted.Load()
	in, err := b.number(ctx, "SELECT count() AS n FROM events")
	if err != nil {
		return err
	}
	keys, err := b.number(ctx, statement("e2e_left"))
	b.lag = LagFigures{Events: max(0, accepted-int64(in)), Keys: int64(keys)}
	return err
}

// generatorName stands for this process in reports.
const generatorName = "generator"

func (b *e2eBench) cpuTimes() (map[string]time.Duration, error) {
	out := map[string]time.Duration{generatorName: processCPU()}
	for _, p := range b.stand.Parts {
		t, err := p.CPU()
		if err != nil {
			return nil, err
		}
		out[p.Name] = t
	}
	return out, nil
}

func (b *e2eBench) number(ctx context.Context, query string) (uint64, error) {
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := b.stand.ClickHouse.Select(ctx, &rows, query, nil); err != nil {
		return 0, fmt.Errorf("looking at the tables: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("looking at the tables: %d rows", len(rows))
	}
	return rows[0].N, nil
}

// check compares what was accepted with what is stored.
func (b *e2eBench) check(ctx context.Context) error {
	accepted := b.paced.accepted.Load() + b.probes.accepted.Load()
	return look(ctx, func() (bool, error) {
		n, err := b.number(ctx, "SELECT count() AS n FROM events FINAL")
		if err == nil && int64(n) > accepted {
			err = fmt.Errorf("%w: %d events were accepted, %d are stored", ErrInexact, accepted, n)
		}
		if err == nil && int64(n) < accepted && time.Since(b.end) > settleTimeout {
			err = fmt.Errorf("%w: %d events were accepted, %d are stored %s after the load", ErrInexact, accepted, n, settleTimeout)
		}
		return int64(n) == accepted, err
	})
}

// liveStep is the time between two lines about what is under way.
const liveStep = 10 * time.Second

// live tells now and then how it goes, until the load has ended.
func (b *e2eBench) live(ctx context.Context) error {
	for at := b.start.Add(liveStep); !at.After(b.end); at = at.Add(liveStep) {
		if !sleepUntil(ctx, at) {
			return nil
		}
		if b.stand.Progress != nil {
			p99, waiting := b.probes.recent(at.Add(-liveStep))
			b.stand.Progress(fmt.Sprintf("%3.0f s: %d events accepted; probes of the last %s: p99 %.2f s, %d not in a score yet",
				at.Sub(b.start).Seconds(), b.paced.accepted.Load(), liveStep, p99.Seconds(), waiting))
		}
	}
	return nil
}

// sleepUntil tells whether the time came before ctx ended.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
