package aggregator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/collateral"
)

// contentDaysMax bounds the days whose content one tick scores.
const contentDaysMax = 8

// never is 2149-06-06, the last day of the type Date.
const never int32 = 65535

// contentScores writes the scores of one day; a content that is not scored any more
// is marked deleted.
func contentScores() rollup {
	return rollup{
		Table: "content_scores", Keys: "model_version, content_id, as_of",
		Fields: "score, reach, depth, usage, findability, points_reach, points_depth, points_usage, points_findability, findability_imputed, " +
			"partners_entitled, partners_reached, partners_viewing, uses, impressions, search_clicks, age_days, neglected, seen_not_read",
		Scope: "model_version = {ccs:String} AND as_of = {as_of:Date}",
	}
}

// inactive are the statuses, in lower case, of partners that are entitled to nothing.
func inactive() []string {
	return []string{"inactive", "churned", "terminated", "suspended", "closed", "former", "left"}
}

// scoreContent brings the scores of a tenant's content up to date: of today and of
// every day since the first whose consumption or directory changed, the oldest first,
// at most contentDaysMax at once; more says that days are left. It looks at most once
// in Config.ContentInterval while nothing is left over. What is to be done is read
// from the tables, so that an interruption leaves nothing out.
func (a *Aggregator) scoreContent(ctx context.Context, t *tenant) (more bool, err error) {
	now := a.deps.Now()
	if !t.loaded || !t.contentLeft && !t.contentSeen.IsZero() && now.Sub(t.contentSeen) < a.cfg.ContentInterval {
		return false, nil
	}
	h := a.horizon(t)
	p := with(a.params(t, a.nextBatch(), h), chstore.Params{
		"ccs": collateral.Version, "window": int32(collateral.WindowDays), "weights": collateral.Decay(), "inactive": inactive(),
		"epoch": a.epoch,
	})
	var rows []struct {
		Included uint64 `ch:"included"`
		First    int32  `ch:"first"`
		Changed  int32  `ch:"changed"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("content_pending"), p); err != nil {
		return false, fmt.Errorf("reading what content is to be scored: %w", err)
	}
	if len(rows) != 1 {
		return false, fmt.Errorf("reading what content is to be scored: %d rows", len(rows))
	}
	from := max(rows[0].Changed, rows[0].First)
	through := min(h.today, from+contentDaysMax-1)
	for day := from; day <= through; day++ {
		if err := a.scoreContentDay(ctx, with(p, chstore.Params{"batch": a.nextBatch(), "as_of": date(day)})); err != nil {
			return false, err
		}
	}
	t.contentSeen, t.contentLeft = now, through < h.today && from <= h.today
	if rows[0].Changed == never {
		return false, nil
	}
	redo := never
	if t.contentLeft {
		redo = through + 1
	}
	err = a.deps.Store.InsertColumns(ctx, "content_progress", []chstore.Column{
		{Name: "tenant", Values: []string{t.id}}, {Name: "model_version", Values: []string{collateral.Version}},
		{Name: "scored_through", Values: []time.Time{midnight(h.today)}}, {Name: "redo_from", Values: []time.Time{midnight(redo)}},
		{Name: "included", Values: []uint64{rows[0].Included}}, {Name: "ver", Values: []uint64{a.nextBatch()}},
	})
	if err != nil {
		return false, fmt.Errorf("recording the progress of content: %w", err)
	}
	return t.contentLeft, nil
}

func (a *Aggregator) scoreContentDay(ctx context.Context, p chstore.Params) (err error) {
	batch, ok := p["batch"].(uint64)
	if !ok {
		return errors.New("scoring content: no batch")
	}
	defer func() {
		// A partition expression takes no parameters; batch is a number.
		drop := "ALTER TABLE agg_consumed DROP PARTITION " + strconv.FormatUint(batch, 10)
		if e := a.deps.Store.Exec(ctx, drop, nil); e != nil {
			err = errors.Join(err, fmt.Errorf("dropping the consumption of a day: %w", e))
		}
	}()
	if err := a.deps.Store.Exec(ctx, query("content_consumed"), p); err != nil {
		return fmt.Errorf("scoring content: %w", err)
	}
	if err := a.share.Confirm(); err != nil { // another worker's scores are newer
		return fmt.Errorf("scoring content: %w", err)
	}
	return a.replace(ctx, contentScores(), p)
}
