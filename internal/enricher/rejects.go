package enricher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"partnerpulse/internal/kafkabus"
)

const tableRejects = "rejects"

// RejectsDeps is what Rejects works with.
type RejectsDeps struct {
	Source Source // of kafkabus.TopicRejects
	Store  Store  // with the table rejects
	Guard  Guard  // nil: nobody is forgotten
}

// Rejects moves refused events from Kafka to ClickHouse, where people and
// `partnerpulse replay` find them. As for events, an offset is committed only after
// everything before it is stored; a record that comes again replaces its own row.
type Rejects struct {
	cfg     Config
	deps    RejectsDeps
	log     *zap.Logger
	rows    *prometheus.CounterVec
	commits *prometheus.CounterVec
	retries *prometheus.CounterVec
}

// NewRejects makes one; Run starts it. Of cfg what is held, its age and the pauses
// between retries count.
func NewRejects(cfg Config, deps RejectsDeps, log *zap.Logger, reg prometheus.Registerer) *Rejects {
	if deps.Guard == nil {
		deps.Guard = noGuard{}
	}
	f := promauto.With(reg)
	const prefix = "partnerpulse_rejects_"
	return &Rejects{
		cfg: cfg.withDefaults(), deps: deps, log: log,
		rows: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "rows_total", Help: "Rejects stored, copies included, by result (ok, unreadable: kept as they are, forgotten: not stored).",
		}, []string{"result"}),
		commits: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "commits_total", Help: "Offset commits by result (ok, ended, failed).",
		}, []string{"result"}),
		retries: f.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "retries_total", Help: "Failed inserts that were repeated, by stage.",
		}, []string{"stage"}),
	}
}

// Run works until ctx ends, then stores and commits what was read, within the
// source's bound, and returns nil. It fails only when the source does.
func (r *Rejects) Run(ctx context.Context) error {
	again := retrier{cfg: r.cfg, log: r.log, retries: r.retries}
	if err := again.retry(ctx, "forgotten", func() error { return r.deps.Guard.Refresh(ctx) }); err != nil {
		return nil //nolint:nilerr // only the end of ctx ends it
	}
	if err := r.deps.Source.Run(ctx, r.consume); err != nil {
		return fmt.Errorf("storing rejects: %w", err)
	}
	return nil
}

// consume works on one generation. Rejects are few: one goroutine fetches, stores
// and commits in turn.
func (r *Rejects) consume(ctx context.Context, g kafkabus.Generation) error {
	b := &rejectBatch{offsets: kafkabus.Offsets{}}
	defer b.reset()
	age := time.NewTimer(r.cfg.FlushAgeMax)
	defer age.Stop()
	for {
		var due bool
		select {
		case <-ctx.Done():
			return nil // what was read and not stored is delivered again
		case in, ok := <-g.Batches():
			if !ok {
				return r.flush(ctx, g, b)
			}
			if len(b.fetched) == 0 {
				age.Reset(r.cfg.FlushAgeMax)
			}
			b.add(in, r.deps.Guard.List())
			due = b.rows.len() >= r.cfg.HoldRowsMax || b.bytes >= r.cfg.HoldBytesMax
		case <-age.C:
			due = true
		}
		if !due {
			continue
		}
		if err := r.flush(ctx, g, b); err != nil {
			return err
		}
	}
}

// flush stores what was read, then commits. An insert is repeated for ever: the
// columns take any bytes, so a refusal can only be about the table, not about one
// reject, and nothing may be passed over.
func (r *Rejects) flush(ctx context.Context, g kafkabus.Generation, b *rejectBatch) error {
	if len(b.fetched) == 0 {
		return nil
	}
	err := retrier{cfg: r.cfg, log: r.log, retries: r.retries}.retry(ctx, tableRejects, func() error {
		if err := r.deps.Store.InsertColumns(ctx, tableRejects, b.rows.list()); err != nil {
			return fmt.Errorf("inserting %d rejects: %w", b.rows.len(), err)
		}
		return r.keepForgotten(ctx, b)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the generation has ended: what was not stored is delivered again
		}
		return err
	}
	r.rows.WithLabelValues("forgotten").Add(float64(b.forgotten))
	r.rows.WithLabelValues("unreadable").Add(float64(b.unreadable))
	r.rows.WithLabelValues("ok").Add(float64(b.rows.len() - b.unreadable))
	r.commit(g, b)
	b.reset()
	return nil
}

// commit stores the offsets. A failure is not repeated: the next one covers it, and
// if there is none, the same rows come again.
func (r *Rejects) commit(g kafkabus.Generation, b *rejectBatch) {
	switch err := g.Commit(maps.Clone(b.offsets)); {
	case err == nil:
		clear(b.offsets)
		r.commits.WithLabelValues("ok").Inc()
	case errors.Is(err, kafkabus.ErrGenerationEnded):
		r.commits.WithLabelValues("ended").Inc()
	default:
		r.commits.WithLabelValues("failed").Inc()
		r.log.Warn("committing offsets of rejects failed; the next batch commits them too", zap.Error(err))
	}
}
