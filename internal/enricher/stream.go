package enricher

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/fault"
	"partnerpulse/internal/kafkabus"
)

// Stream is an insert whose rows are sent as they come; *chstore.Insertion is one. The
// rows are stored when Close gives nil, and otherwise perhaps.
type Stream interface {
	Append(cols []chstore.Column) error
	Close() error
	Abort()
}

// A batch that grows beyond what is held is streamed: its rows go into an insert that is
// open, and neither they nor their records are kept. So inserts are as large as the store
// likes them, and merges few, with little memory on this side. What is given up for it is
// the repetition of one that fails. Nothing of it has been committed then, so all of it is
// read again, and held batch by batch until what failed is passed: that path repeats
// inserts, finds rows that are refused and knows the records of the forgotten. Rows that
// the failed insert left behind are the same, and are one with those that come again.
// Where the store, or a proxy before it, fails one such insert after the other, batches are
// held for longer and longer, so that little is read twice.

// send sends the rows of a part.
func (e *flusher) send(ctx context.Context, p part) error {
	if p.chunk == nil || p.chunk.columns.rows == 0 {
		return nil
	}
	if e.stream == nil {
		stream, err := e.deps.Stream(ctx, tableEvents)
		if err != nil {
			return err
		}
		e.stream, e.sent = stream, 0
	}
	if err := e.stream.Append(p.chunk.columns.list(0, p.chunk.columns.rows)); err != nil {
		return err
	}
	e.sent += p.chunk.columns.rows
	fault.Point(fault.EnricherSent)
	return nil
}

// closeStream waits until the rows of a streamed batch are stored.
func (e *flusher) closeStream(ctx context.Context, b *batch) error {
	if e.stream != nil { // else all records are refused
		start := time.Now()
		stream := e.stream
		e.stream = nil
		err := stream.Close()
		e.metrics.insert.Observe(time.Since(start).Seconds())
		if err != nil {
			return err
		}
		e.stored(b, e.sent)
		e.sent, e.failures = 0, 0
	}
	return e.keepForgotten(ctx, b, nil)
}

// holdFactorMax bounds how long batches are held after failures, in RetryMax.
const holdFactorMax = 64

// giveUp gives a streamed batch up, to have it read again and held. The batch may still be
// the filler's: what stands in it is for consume to look at.
func (e *flusher) giveUp(ctx context.Context, b *batch, err error) error {
	e.stop()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	e.broken = b
	e.metrics.again.Inc()
	e.metrics.dropped.Add(float64(e.sent))
	var hold time.Duration // beyond these events; nothing after a single failure
	if e.failures > 0 {
		hold = e.cfg.RetryMax * time.Duration(min(1<<min(e.failures-1, 30), holdFactorMax))
	}
	e.failures++
	e.holdUntil = time.Now().Add(hold)
	e.log.Warn("a streamed insert failed; its events are read again, in batches that are held",
		zap.Int("rows", e.sent), zap.Int("failures_in_a_row", e.failures), zap.Duration("hold_for", hold), zap.Error(err))
	return fmt.Errorf("streaming events: %w: %w", kafkabus.ErrAgain, err)
}
