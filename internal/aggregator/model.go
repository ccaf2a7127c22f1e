package aggregator

import (
	"context"
	"fmt"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
)

// loadModel finds the tenant's model: the stored one that is named as active, or the
// described one, which is stored, so that its version cannot come to mean another.
func (a *Aggregator) loadModel(ctx context.Context, t *tenant) error {
	if t.active != "" {
		m, err := scoring.LoadModel(ctx, a.deps.Store, t.id, t.active)
		if err != nil {
			return fmt.Errorf("loading the active model: %w", err)
		}
		t.model = m
	}
	if err := scoring.SaveModel(ctx, a.deps.Store, t.id, &t.model, a.deps.Now()); err != nil {
		return fmt.Errorf("storing the model: %w", err)
	}
	return a.recount(ctx, t)
}

// recount marks all days of a tenant whose daily inputs were counted with another
// cap than the model's. The marks come before the note that they are there.
func (a *Aggregator) recount(ctx context.Context, t *tenant) error {
	was, err := countedMax(ctx, a.deps.Store, t.id)
	if err != nil {
		return err
	}
	is := uint32(t.model.CountedEventsMax())
	if was == is {
		return nil
	}
	if _, err := Mark(ctx, a.deps.Store, t.id, 0, score.NoFeed); err != nil {
		return fmt.Errorf("having all days counted again: %w", err)
	}
	err = a.deps.Store.InsertColumns(ctx, "score_inputs", []chstore.Column{
		{Name: "tenant", Values: []string{t.id}}, {Name: "counted_max", Values: []uint32{is}}, {Name: "ver", Values: []uint64{a.nextBatch()}},
	})
	if err != nil {
		return fmt.Errorf("recording how inputs are counted: %w", err)
	}
	return nil
}

// countedMax is the cap that a tenant's daily inputs were counted with.
func countedMax(ctx context.Context, store Store, tenant string) (uint32, error) {
	var rows []struct {
		CountedMax uint32 `ch:"counted_max"`
	}
	if err := store.Select(ctx, &rows, query("counted_max"), chstore.Params{"tenant": tenant}); err != nil {
		return 0, fmt.Errorf("reading how inputs were counted: %w", err)
	}
	if len(rows) == 0 {
		return score.CountedMax, nil
	}
	return rows[0].CountedMax, nil
}
