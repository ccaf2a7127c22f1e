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
	free    chan *chunk // one is filled, one is on its way to the store, two may wait

	// Up to which offsets batches are held, and in which generation, and until when: see
	// stream.go. Only one delivery is under way at a time.
	careful   kafkabus.Offsets
	carefulIn int32
	holdUntil time.Time
	failures  int // streamed inserts that failed since the last one that did not
}

// chunks is how many there are.
const chunks = 4

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
		chain: deps.Chain, free: make(chan *chunk, chunks),
	}
	for range chunks {
		e.free <- new(chunk)
	}
	return e
}

// recycle empties a chunk for its next use.
func (e *Enricher) recycle(c *chunk) {
	c.reset()
	e.free <- c
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

// consume works on one delivery of a generation: this goroutine decodes, another one
// flushes, so that the batches are flushed in the order in which they were fetched.
func (e *Enricher) consume(ctx context.Context, g kafkabus.Generation) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	full := make(chan part)
	f := &flusher{Enricher: e, g: g, pending: kafkabus.Offsets{}}
	var failed error
	var flushing sync.WaitGroup
	flushing.Go(func() {
		defer f.stop()
		for p := range full {
			if failed == nil {
				if failed = f.take(working, p); failed != nil {
					stop(failed)
				}
			}
			if p.chunk == nil {
				continue
			}
			if failed != nil {
				e.metrics.dropped.Add(float64(p.chunk.columns.rows))
			}
			e.recycle(p.chunk)
		}
	})
	filling := &filler{
		Enricher: e, g: g, decoder: newDecoder(e.chain, e.deps.Guard, e.cfg.AcceptedDays),
		careful: e.carefully(g), heldUntil: e.holdUntil,
	}
	filling.run(working, full)
	close(full)
	flushing.Wait()
	if failed == nil || ctx.Err() != nil {
		return nil
	}
	if f.broken != nil {
		e.careful, e.carefulIn = f.broken.offsets, g.ID()
	}
	return failed
}
