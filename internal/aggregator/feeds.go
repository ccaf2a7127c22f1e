package aggregator

import (
	"context"
	"fmt"
	"slices"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
)

// checkFeeds looks whether the feeds still begin when they are remembered to, where a batch
// recomputed such a day and has nothing of the feed among its own partners: the events that
// it began with may have been erased, and their partner with them. Then the feeds are read
// anew.
func (a *Aggregator) checkFeeds(ctx context.Context, t *tenant, p chstore.Params, s size) error {
	touched := func(first int32) bool { return first != score.NoFeed && first >= s.Low && first <= s.High }
	if !slices.ContainsFunc(t.feeds[:], touched) {
		return nil
	}
	batch := newTenant(t.id, t.loc)
	if err := a.facts(ctx, batch, p, false); err != nil {
		return err
	}
	doubtful := false
	for i, first := range t.feeds {
		doubtful = doubtful || touched(first) && batch.feeds[i] != first
	}
	if !doubtful {
		return nil
	}
	var rows []struct {
		Begin uint8 `ch:"begin"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("feeds_begin"), with(p, chstore.Params{"feeds": feedTexts(t.feeds)})); err != nil {
		return fmt.Errorf("checking feeds: %w", err)
	}
	if len(rows) == 1 && rows[0].Begin == 1 {
		return nil
	}
	anew := newTenant(t.id, t.loc)
	if err := a.facts(ctx, anew, p, true); err != nil {
		return err
	}
	t.feeds, t.newest = anew.feeds, anew.newest
	return nil
}

// feedTexts writes the first days as a parameter.
func feedTexts(feeds score.Feeds) []string {
	out := make([]string, len(feeds))
	for i, day := range feeds {
		out[i] = date(day)
	}
	return out
}
