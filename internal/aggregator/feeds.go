package aggregator

import (
	"context"
	"fmt"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
)

// checkFeeds looks whether the feeds still begin when they are remembered to, where a batch
// recomputed such a day and found nothing of the feed among its own partners: the events
// that it began with may have been erased, and their partner with them. Then the feeds are
// read anew. found is what the batch's own partners have.
func (a *Aggregator) checkFeeds(ctx context.Context, t *tenant, p chstore.Params, s size, found score.Feeds) error {
	doubtful := false
	for i, first := range t.feeds {
		doubtful = doubtful || first != score.NoFeed && first != found[i] && first >= s.Low && first <= s.High
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
	if _, err := a.facts(ctx, anew, with(p, chstore.Params{"low": date(0), "high": date(0)}), true); err != nil {
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
