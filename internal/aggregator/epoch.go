package aggregator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// Group gives shards of the tenants to this worker and takes them away again.
type Group interface {
	Run(ctx context.Context, work func(ctx context.Context, share kafkabus.Share) error) error
}

// epochStride is how many batches an epoch may have.
const epochStride = 1 << 32

// all is the share of a worker that is alone.
type all struct{}

func (all) Owns(string) bool { return true }
func (all) Empty() bool      { return false }
func (all) Confirm() error   { return nil }

// serve works for one share until ctx ends.
//
// Fencing. A worker may be stopped at any instant, lose its shards meanwhile, and go
// on. Three things keep it from doing harm:
//
//   - Numbers: its batches are older than those of whoever took over (see claim), so
//     none of its rows replaces theirs.
//   - Work tables: who takes over drops the work tables of the batches under way.
//     Every later statement of theirs, the marking of keys as done among them, then
//     finds nothing to do.
//   - Confirmation: after a batch has counted its marks, before anything is published
//     and before the keys are marked as done, the broker is asked whether the shards
//     are still this worker's. So a batch that goes on has counted only marks that the
//     next owner sees, too.
//
// What remains is a stop between the confirmation and the sending of a message: the
// message is sent twice then, with the same id.
func (a *Aggregator) serve(ctx context.Context, share kafkabus.Share) error {
	if share.Empty() {
		<-ctx.Done()
		return nil
	}
	a.share, a.started = share, false
	for id, t := range a.tenants { // others may have worked on them
		fresh := newTenant(id, t.loc)
		fresh.model, fresh.active = t.model, t.active
		a.tenants[id] = fresh
	}
	for {
		err := a.claim(ctx)
		switch {
		case err == nil:
			return a.loop(ctx)
		case ctx.Err() != nil, errors.Is(err, kafkabus.ErrGenerationEnded):
			return nil
		}
		a.metrics.tickErrors.Inc()
		a.log.Error("beginning an epoch failed", zap.Error(err), zap.Duration("retry_in", a.cfg.Interval))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.cfg.Interval):
		}
	}
}

// claim begins an epoch. It is this worker's once it is written, no other overlaps it,
// and the broker has confirmed the shards after that: then whoever takes over later
// sees it and begins after it.
func (a *Aggregator) claim(ctx context.Context) error {
	worker := uuid.NewString()
	newest, _, err := a.epochs(ctx, worker, 0)
	if err != nil {
		return err
	}
	base := max(newest+epochStride, uint64(max(0, a.deps.Now().UnixNano()))) + rand.Uint64N(epochStride)
	err = a.deps.Store.InsertColumns(ctx, "aggregator_epochs", []chstore.Column{
		{Name: "base", Values: []uint64{base}}, {Name: "worker", Values: []string{worker}}, {Name: "began_at", Values: []time.Time{a.deps.Now().UTC()}},
	})
	if err != nil {
		return fmt.Errorf("writing the epoch: %w", err)
	}
	_, others, err := a.epochs(ctx, worker, base)
	if err != nil {
		return err
	}
	if others > 0 {
		return errors.New("another worker began its epoch at the same time")
	}
	if err := a.share.Confirm(); err != nil {
		return err
	}
	a.epoch, a.lastBatch = base, base
	return nil
}

func (a *Aggregator) epochs(ctx context.Context, worker string, base uint64) (newest, others uint64, err error) {
	var rows []struct {
		Newest uint64 `ch:"newest"`
		Others uint64 `ch:"others"`
	}
	p := chstore.Params{"worker": worker, "base": base, "stride": uint64(epochStride)}
	if err := a.deps.Store.Select(ctx, &rows, query("epochs"), p); err != nil {
		return 0, 0, fmt.Errorf("reading epochs: %w", err)
	}
	if len(rows) != 1 {
		return 0, 0, fmt.Errorf("reading epochs: %d rows", len(rows))
	}
	return rows[0].Newest, rows[0].Others, nil
}

// publish sends messages if the shards are still this worker's.
func (a *Aggregator) publish(ctx context.Context, msgs []kafkabus.Message) error {
	if err := a.share.Confirm(); err != nil {
		return err
	}
	return a.deps.Publisher.Publish(ctx, msgs...)
}
