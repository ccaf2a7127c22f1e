package enricher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/fault"
	"partnerpulse/internal/kafkabus"
)

// Tables written to.
const (
	tableEvents = "events"
	tableDirty  = "dirty_days"
)

// flusher flushes the batches of one delivery, in their order.
type flusher struct {
	*Enricher
	g       kafkabus.Generation
	pending kafkabus.Offsets // done and not yet committed
	stream  Stream           // of the batch under way; nil: none is
	sent    int              // rows, into the stream
	broken  *batch           // the streamed one that failed
	dirty   dirtyColumns
}

// take flushes a part. After an error, the context's or kafkabus.ErrAgain, nothing is
// committed, and nothing after this part may be. The batch of a part that is not its last
// is still the filler's: nothing in it may be looked at.
func (e *flusher) take(ctx context.Context, p part) error {
	b := p.batch
	if !p.streamed {
		return e.flush(ctx, b, func() error { return e.storeEvents(ctx, b, p.chunk) })
	}
	if err := e.send(ctx, p); err != nil {
		return e.giveUp(ctx, b, err)
	}
	if !p.last {
		return nil
	}
	err := e.flush(ctx, b, func() error { return e.closeStream(ctx, b) })
	if err != nil && ctx.Err() == nil {
		return e.giveUp(ctx, b, err)
	}
	return err
}

// flush makes the batch durable, in the order that keeps the contract: rows, then the
// marks that make the aggregator look at them, then rejects, then the offsets. Each step
// but the rows of a streamed batch is repeated until it succeeds.
func (e *flusher) flush(ctx context.Context, b *batch, store func() error) error {
	e.metrics.batchRows.Observe(float64(b.rows))
	e.metrics.batchBytes.Observe(float64(b.bytes))
	if err := store(); err != nil {
		return err
	}
	fault.Point(fault.EnricherInserted)
	if err := e.markDirty(ctx, b); err != nil {
		return err
	}
	if err := e.publishRejects(ctx, b); err != nil {
		return err
	}
	fault.Point(fault.EnricherMarked)
	e.commit(b)
	fault.Point(fault.EnricherCommitted)
	return nil
}

// stop gives up what is under way.
func (e *flusher) stop() {
	if e.stream != nil {
		e.stream.Abort()
		e.stream = nil
	}
}

// systemicRefusals is how many single rows of one batch may be refused before
// any row is taken; from there on the fault must be the table's or ours, and
// refusing every event would only move the log to the rejects topic.
const systemicRefusals = 32

// errSystemic is logged and retried.
var errSystemic = errors.New("the store refuses every row: is its schema the one of this version?")

// storeEvents inserts the rows of a held batch. Rows that the store refuses for themselves
// are found by bisection and join the refused ones.
func (e *Enricher) storeEvents(ctx context.Context, b *batch, c *chunk) error {
	if b.rows > 0 {
		refusedBefore := len(b.refused)
		err := e.retry(ctx, "events", func() error {
			b.refused = b.refused[:refusedBefore]
			stored := 0
			if err := e.storeRange(ctx, b, c, 0, c.columns.rows, &stored, refusedBefore); err != nil {
				return err
			}
			e.stored(b, stored)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return e.keepForgotten(ctx, b, c)
}

// stored counts rows that are in the table.
func (e *Enricher) stored(b *batch, rows int) {
	e.metrics.events.Add(float64(rows))
	if rows > 0 {
		e.metrics.freshness.Observe(max(time.Since(b.oldest).Seconds(), 0))
	}
}

// storeRange inserts the rows [low, high), dividing where the data is refused.
// Its error is worth a repetition of the whole batch.
func (e *Enricher) storeRange(ctx context.Context, b *batch, c *chunk, low, high int, stored *int, refusedBefore int) error {
	start := time.Now()
	err := e.deps.Store.InsertColumns(ctx, tableEvents, c.columns.list(low, high))
	e.metrics.insert.Observe(time.Since(start).Seconds())
	switch {
	case err == nil:
		*stored += high - low
		return nil
	case ctx.Err() != nil || chstore.IsRetryable(err):
		return fmt.Errorf("inserting %d events: %w", high-low, err)
	case high-low == 1:
		b.refused = append(b.refused, refusal{
			record: *c.records[low], problem: event.Problem{Code: event.CodeUnstorable, Message: err.Error()},
		})
		if refused := len(b.refused) - refusedBefore; *stored == 0 && refused >= systemicRefusals {
			return fmt.Errorf("%w: %w", errSystemic, err)
		}
		return nil
	}
	middle := low + (high-low)/2
	if err := e.storeRange(ctx, b, c, low, middle, stored, refusedBefore); err != nil {
		return err
	}
	return e.storeRange(ctx, b, c, middle, high, stored, refusedBefore)
}

// markDirty marks the days of the batch, each attempt in the hour that it is made
// in: an hour that is long over may be dropped.
func (e *flusher) markDirty(ctx context.Context, b *batch) error {
	if len(b.dirty) == 0 {
		return nil
	}
	err := e.retry(ctx, "dirty_days", func() error {
		if err := e.deps.Store.InsertColumns(ctx, tableDirty, e.dirty.list(b.dirty, time.Now())); err != nil {
			return fmt.Errorf("marking %d days dirty: %w", len(b.dirty), err)
		}
		return nil
	})
	if err == nil {
		e.metrics.dirtyKeys.Add(float64(len(b.dirty)))
	}
	return err
}

// publishRejects publishes what was refused; after a partial failure only the rest.
func (e *Enricher) publishRejects(ctx context.Context, b *batch) error {
	if len(b.refused) == 0 {
		return nil
	}
	msgs := make([]kafkabus.Message, 0, len(b.refused))
	for i := range b.refused {
		r := &b.refused[i]
		msg, err := r.message(time.Now())
		if err != nil {
			return err
		}
		msgs = append(msgs, msg)
		e.log.Warn("record refused", zap.String("topic", r.record.Topic), zap.Int("partition", r.record.Partition),
			zap.Int64("offset", r.record.Offset), zap.String("code", string(r.problem.Code)), zap.String("reason", r.problem.Message))
	}
	err := e.retry(ctx, "rejects", func() error {
		err := e.deps.Publisher.Publish(ctx, msgs...)
		var partial *kafkabus.PublishError
		if errors.As(err, &partial) {
			rest := make([]kafkabus.Message, 0, len(partial.Failed))
			for _, i := range partial.Failed {
				rest = append(rest, msgs[i])
			}
			msgs = rest
		}
		if err != nil {
			return fmt.Errorf("publishing rejects: %w", err)
		}
		return nil
	})
	if err == nil {
		for i := range b.refused {
			e.metrics.rejects.WithLabelValues(string(b.refused[i].problem.Code)).Inc()
		}
	}
	return err
}

// commit stores the offsets. A failure is not repeated: if it passes, the next
// batch's commit covers this one, and if not, the records come again.
func (e *flusher) commit(b *batch) {
	maps.Copy(e.pending, b.offsets)
	err := e.g.Commit(e.pending)
	switch {
	case err == nil:
		clear(e.pending)
		e.metrics.commits.WithLabelValues("ok").Inc()
	case errors.Is(err, kafkabus.ErrGenerationEnded):
		e.metrics.commits.WithLabelValues("ended").Inc()
	default:
		e.metrics.commits.WithLabelValues("failed").Inc()
		e.log.Warn("committing offsets failed; the next batch commits them too", zap.Error(err))
	}
}

func (e *Enricher) retry(ctx context.Context, what string, do func() error) error {
	return retrier{cfg: e.cfg, log: e.log, retries: e.metrics.retries}.retry(ctx, what, do)
}
