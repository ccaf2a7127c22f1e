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
// anew. learnt says that the days of the batch were read for that, and what they say is known.
func (a *Aggregator) checkFeeds(ctx context.Context, t *tenant, p chstore.Params, s size) (learnt bool, err error) {
	touched := func(first int32) bool { return first != score.NoFeed && first >= s.Low && first <= s.High }
	if !slices.ContainsFunc(t.feeds[:], touched) {
		return false, nil
	}
	batch := newTenant(t.id, t.loc)
	if err := a.facts(ctx, batch, p, false); err != nil {
		return false, err
	}
	doubtful := false
	for i, first := range t.feeds {
		doubtful = doubtful || touched(first) && batch.feeds[i] != first
	}
	if doubtful {
		if doubtful, err = a.feedsAreGone(ctx, t, p); err != nil {
			return false, err
		}
	}
	if !doubtful {
		t.learn(batch.feeds, batch.newest)
		return true, nil
	}
	anew := newTenant(t.id, t.loc)
	if err := a.facts(ctx, anew, p, true); err != nil {
		return false, err
	}
	t.feeds, t.newest = anew.feeds, anew.newest
	return true, nil
}

// feedsAreGone tells that a feed does not begin any more on the day that is remembered.
func (a *Aggregator) feedsAreGone(ctx context.Context, t *tenant, p chstore.Params) (bool, error) {
	var rows []struct {
		Begin uint8 `ch:"begin"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("feeds_begin"), with(p, chstore.Params{"feeds": feedTexts(t.feeds)})); err != nil {
		return false, fmt.Errorf("checking feeds: %w", err)
	}
	return len(rows) != 1 || rows[0].Begin != 1, nil
}

// feedTexts writes the first days as a parameter.
func feedTexts(feeds score.Feeds) []string {
	out := make([]string, len(feeds))
	for i, day := range feeds {
		out[i] = date(day)
	}
	return out
}
