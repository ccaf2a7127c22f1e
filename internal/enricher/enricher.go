package enricher

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/kafkabus"
)

// Enricher moves events from Kafka to ClickHouse.
type Enricher struct {
	cfg     Config
	deps    Deps
	log     *zap.Logger
	metrics *metrics
	chain   *enrich.Chain
	free    chan *batch // the two batches: one is filled while the other is flushed
}

// New makes an enricher; Run starts it.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) *Enricher {
	cfg = cfg.withDefaults()
	if deps.Guard == nil {
		deps.Guard = noGuard{}
	}
	if deps.Chain == nil {
		deps.Chain = enrich.Default()
	}
	e := &Enricher{
		cfg: cfg, deps: deps, log: log, metrics: newMetrics(reg),
		chain: deps.Chain, free: make(chan *batch, 2),
	}
	for range cap(e.free) {
		e.free <- newBatch()
	}
	return e
}

// Run works until ctx ends, then flushes and commits what was read, within the
// source's bound, and returns nil. It fails only when the source does.
func (e *Enricher) Run(ctx context.Context) error {
	if err := e.readForgotten(ctx); err != nil {
		return nil //nolint:nilerr // only the end of ctx ends it
	}
	if err := e.deps.Source.Run(ctx, e.consume); err != nil {
		return fmt.Errorf("enriching: %w", err)
	}
	return nil
}

// consume works on one generation: this goroutine decodes, another one flushes,
// so that the batches are flushed in the order in which they were fetched.
func (e *Enricher) consume(ctx context.Context, g kafkabus.Generation) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	full := make(chan *batch)
	f := &flusher{Enricher: e, g: g, pending: kafkabus.Offsets{}}
	var failed error
	var flushing sync.WaitGroup
	flushing.Go(func() {
		for b := range full {
			if failed == nil {
				failed = f.flush(working, b)
			}
			if failed != nil {
				stop(failed)
				e.metrics.dropped.Add(float64(b.columns.rows))
			}
			b.reset()
			e.free <- b
		}
	})
	e.fill(working, g, full)
	close(full)
	flushing.Wait()
	if failed != nil && ctx.Err() == nil {
		return failed
	}
	return nil
}

// fill decodes what is fetched and hands batches over when they are due. It
// returns when the generation has ended, dropping what it holds, or after
// handing over everything when fetching has ended.
func (e *Enricher) fill(ctx context.Context, g kafkabus.Generation, full chan<- *batch) {
	d := newDecoder(e.chain, e.deps.Guard, e.cfg.AcceptedDays)
	age := time.NewTimer(e.cfg.FlushAgeMax)
	defer age.Stop()
	b := <-e.free
	aged := false
	in := g.Batches()
	for {
		isFull := b.columns.rows+len(b.refused) >= e.cfg.FlushRowsMax || b.bytes >= e.cfg.FlushBytesMax
		fetched, handover := in, full
		if isFull {
			fetched = nil // the flusher is behind: fetching pauses
		}
		if b.isEmpty() || !isFull && !aged && in != nil {
			handover = nil
		}
		if in == nil && b.isEmpty() {
			e.free <- b
			return
		}
		select {
		case <-ctx.Done():
			e.metrics.dropped.Add(float64(b.columns.rows))
			b.reset()
			e.free <- b
			return
		case records, ok := <-fetched:
			if !ok {
				in = nil
				continue
			}
			if b.isEmpty() {
				aged = false
				age.Reset(e.cfg.FlushAgeMax)
			}
			d.add(b, records)
		case <-age.C:
			aged = true
		case handover <- b:
			aged = false
			select {
			case b = <-e.free:
			case <-ctx.Done():
				return
			}
		}
	}
}
