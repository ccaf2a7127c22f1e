package aggregator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/fault"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/internal/session"
)

// batch brings one batch of a tenant up to date. An error anywhere leaves the
// keys dirty and the progress as it was, so the next one does it again.
func (a *Aggregator) batch(ctx context.Context, t *tenant, dirty uint64) (work Work, err error) {
	if err := a.load(ctx, t); err != nil {
		return Work{}, err
	}
	h := a.horizon(t)
	t.stale = t.stale || t.days.news || h != t.checked
	if dirty == 0 && !t.stale && !a.due(t, h) {
		return Work{}, nil
	}
	batch := a.nextBatch()
	p := a.params(t, batch, h)
	if err := a.watch(ctx, t, p, h, &work); err != nil {
		return work, err
	}
	t.stale, t.days.news = t.stale || t.days.news, false
	version := t.days.ver
	// What there is to do is dropped whatever happens; if that fails, before the next
	// batch. The events only if no statement can still be reading them: see clearLeft.
	defer func() {
		failed := a.drop(ctx, batch)
		if failed != nil {
			a.started = false
		} else if err == nil {
			failed = a.dropFrom(ctx, "agg_events", batch)
		}
		err = errors.Join(err, failed)
	}()
	size, err := a.take(ctx, p, dirty, t)
	if err != nil {
		return Work{}, err
	}
	fault.Point(fault.AggregatorTaken)
	if err := a.share.Confirm(); err != nil {
		return Work{}, err
	}
	if size.Keys > 0 {
		p = a.rollUpParams(t, p, size)
		if err := a.gather(ctx, p); err != nil {
			return Work{}, err
		}
		// Entities before detection, whose priors and rules read segments and trainings.
		if err := sideBySide(
			func() error { return a.rollUp(ctx, t, p, size, h) },
			func() error { return a.rollUpEntities(ctx, p, size) },
		); err != nil {
			return Work{}, err
		}
	}
	now := a.horizon(t)
	work.Keys, work.More = int(size.Keys), size.Keys < dirty
	if err := sideBySide(
		func() error { return a.conclude(ctx, t, a.params(t, batch, now), size, now, &work) },
		// What no score waits for. The keys stay dirty until it is written, so progress of
		// the scores that is recorded before leaves none of it out.
		func() error { return a.rollUpDays(ctx, p, size) },
	); err != nil {
		return work, err
	}
	if err := a.share.Confirm(); err != nil {
		return work, err
	}
	if err := a.deps.Store.Exec(ctx, query("done"), p); err != nil {
		return work, fmt.Errorf("marking keys done: %w", err)
	}
	fault.Point(fault.AggregatorDone)
	if size.Stale < uint64(a.cfg.BatchKeysMax) && t.stale {
		t.stale, t.unknown, t.checked = false, false, h
		t.days.applied = version
	}
	work.More = work.More || t.stale || t.days.news || now != t.checked
	return work, nil
}

// sideBySide runs steps of a batch that do not read what the others write: ClickHouse
// plans and sorts much of a statement on one core. It returns when all have ended, with
// one of their errors, since the work tables are theirs until then.
func sideBySide(steps ...func() error) error {
	var g errgroup.Group
	for _, step := range steps {
		g.Go(step)
	}
	return g.Wait() //nolint:wrapcheck // the steps have said what failed
}

// conclude brings the scores and alerts of a batch's partners up to date, and does what was
// commanded about their alerts.
func (a *Aggregator) conclude(ctx context.Context, t *tenant, p chstore.Params, s size, h horizon, work *Work) error {
	if s.Partners == 0 {
		return nil
	}
	if err := a.derive(ctx, t, p, h, work); err != nil {
		return err
	}
	return a.obey(ctx, t, p, h, work)
}

// load reads what is remembered of a tenant, once.
func (a *Aggregator) load(ctx context.Context, t *tenant) error {
	if t.loaded {
		return nil
	}
	if err := a.loadModel(ctx, t); err != nil {
		return err
	}
	if err := a.facts(ctx, t, with(a.params(t, 0, horizon{}), chstore.Params{"low": date(0), "high": date(0)}), true); err != nil {
		return err
	}
	t.loaded, t.stale, t.unknown = true, true, true
	t.changed = a.deps.Now() // what came last before the start is not known
	return nil
}

func (a *Aggregator) horizon(t *tenant) horizon {
	return t.horizon(a.deps.Now(), a.cfg.Settle, a.cfg.SettleMax)
}

// size is what a batch took.
type size struct {
	Keys     uint64 `ch:"keys"`
	Partners uint64 `ch:"partners"`
	Stale    uint64 `ch:"stale"`
	First    int32  `ch:"first"` // earliest dirty day
	Low      int32  `ch:"low"`   // no local day to recompute is earlier,
	High     int32  `ch:"high"`  // none later
}

// take fills the batch's work table.
func (a *Aggregator) take(ctx context.Context, p chstore.Params, dirty uint64, t *tenant) (size, error) {
	if dirty > 0 {
		if err := a.deps.Store.Exec(ctx, query("take_keys"), p); err != nil {
			return size{}, fmt.Errorf("taking dirty keys: %w", err)
		}
	}
	if t.stale {
		unknown := uint8(0)
		if t.unknown {
			unknown = 1
		}
		if err := a.deps.Store.Exec(ctx, query("take_stale"), with(p, chstore.Params{"unknown": unknown, "tenant_ver": t.days.ver})); err != nil {
			return size{}, fmt.Errorf("taking partners that have fallen behind: %w", err)
		}
	}
	var rows []size
	if err := a.deps.Store.Select(ctx, &rows, query("batch_size"), p); err != nil {
		return size{}, fmt.Errorf("reading the batch: %w", err)
	}
	if len(rows) != 1 {
		return size{}, fmt.Errorf("reading the batch: %d rows", len(rows))
	}
	return rows[0], nil
}

// rollUpParams adds to p the parameters of all statements of the roll-up.
func (a *Aggregator) rollUpParams(t *tenant, p chstore.Params, s size) chstore.Params {
	return with(p, chstore.Params{
		"low": date(s.Low), "high": date(s.High),
		"first": date(s.First), "last": date(s.High - 3), // as batch_size.sql widens it
		"interactive": typeNames(event.Type.IsInteractive), "directory": typeNames(event.Type.IsDirectory),
		"entities": typeNames(isEntity), "with_data": typeNames(hasUsedData),
		"stages": a.cfg.DealStages, "measures": measuresType(), "epoch": a.epoch, "counted_max": uint64(t.model.CountedEventsMax()),
	})
}

// gather puts the local days that a batch recomputes, and the events that they follow
// from, into work tables, from which all rollups read them.
func (a *Aggregator) gather(ctx context.Context, p chstore.Params) error {
	return a.rollUpBy(ctx, p, "take_days", "take_events")
}

// rollUpBy executes statements of the roll-up, one after another.
func (a *Aggregator) rollUpBy(ctx context.Context, p chstore.Params, names ...string) error {
	for _, name := range names {
		if err := a.deps.Store.Exec(ctx, query(name), p); err != nil {
			return fmt.Errorf("rolling up (%s): %w", name, err)
		}
		fault.Point(fault.AggregatorRollup)
	}
	return nil
}

// rollUp recomputes what scores rest on: sessions and partner_daily, and what is known of
// the tenant by them.
func (a *Aggregator) rollUp(ctx context.Context, t *tenant, p chstore.Params, s size, h horizon) error {
	if s.First < h.today {
		t.changed = a.deps.Now()
	}
	if s.Low <= t.days.complete {
		t.days.touch(s.Low, a.deps.Now())
	}
	if err := a.rollUpBy(ctx, p, "sessions", "daily"); err != nil {
		return err
	}
	if learnt, err := a.checkFeeds(ctx, t, p, s); err != nil || learnt || !t.mayLearn(s) {
		return err
	}
	return a.facts(ctx, t, p, false)
}

// mayLearn tells whether the days that a batch computes can begin a feed earlier than is
// known, or be newer: no event in it is of a later local day than the end of its last
// UTC day.
func (t *tenant) mayLearn(s size) bool {
	last := s.High - 3 // as batch_size.sql widens it
	if t.newest < session.LocalDay(midnight(last+1).Add(-time.Millisecond), t.loc) {
		return true
	}
	for _, day := range t.feeds {
		if day > s.Low {
			return true
		}
	}
	return false
}

// learn notes feeds that begin earlier than was known, and a newer day.
func (t *tenant) learn(feeds score.Feeds, newest int32) {
	for i, day := range feeds {
		t.feeds[i] = min(t.feeds[i], day)
	}
	t.newest = max(t.newest, newest)
}

// facts updates the tenant's feeds and newest day from partner_daily.
func (a *Aggregator) facts(ctx context.Context, t *tenant, p chstore.Params, all bool) error {
	var rows []struct {
		Activity  int32 `ch:"activity"`
		Content   int32 `ch:"content"`
		Training  int32 `ch:"training_"`
		Pipeline  int32 `ch:"pipeline_"`
		Sentiment int32 `ch:"sentiment"`
		Newest    int32 `ch:"newest"`
	}
	scope := uint8(0)
	if all {
		scope = 1
	}
	if err := a.deps.Store.Select(ctx, &rows, query("tenant_facts"), with(p, chstore.Params{"all": scope})); err != nil {
		return fmt.Errorf("reading feeds: %w", err)
	}
	for _, r := range rows {
		t.learn(score.Feeds{r.Activity, r.Content, r.Training, r.Pipeline, r.Sentiment}, r.Newest)
	}
	return nil
}

// derive computes scores and alerts from partner_daily, publishes them, and
// records the progress.
func (a *Aggregator) derive(ctx context.Context, t *tenant, p chstore.Params, h horizon, work *Work) error {
	if err := a.watch(ctx, t, p, h, work); err != nil {
		return err
	}
	if err := a.deps.Store.Exec(ctx, query("take_partners"), p); err != nil {
		return fmt.Errorf("taking partners: %w", err)
	}
	var sizes []struct {
		Partners   uint64 `ch:"partners"`
		Single     uint64 `ch:"single"`
		ScoreRows  uint64 `ch:"score_rows"`
		Detections uint64 `ch:"detections"`
	}
	if err := a.deps.Store.Select(ctx, &sizes, query("batch_partners"), p); err != nil {
		return fmt.Errorf("reading the batch's partners: %w", err)
	}
	if len(sizes) != 1 || sizes[0].Partners == 0 {
		return nil
	}
	work.Partners, work.ScoreRows = int(sizes[0].Partners), int(sizes[0].ScoreRows)
	numbers := with(p, scoring.Params(&t.model))
	numbers["ver"], numbers["as_of"], numbers["whole"] = p["batch"], p["today"], uint8(0)
	numbers["all"] = uint8(0)
	if err := scoreInPieces(ctx, a.deps.Store, numbers, sizes[0].Single, sizes[0].ScoreRows, uint64(a.cfg.ScoreRowsMax)); err != nil {
		return err
	}
	fault.Point(fault.AggregatorScored)
	if sizes[0].Detections > 0 || t.days.applied < t.days.ver {
		if err := a.detect(ctx, t, p, h, work); err != nil {
			return err
		}
	}
	return a.publishScores(ctx, t, p, h, work)
}

// sweepInterval is how often finished hours of marks are looked for.
const sweepInterval = 10 * time.Minute

// sweep drops hours of dirty_days that are worked off and old.
func (a *Aggregator) sweep(ctx context.Context) error {
	now := a.deps.Now()
	if now.Sub(a.swept) < sweepInterval {
		return nil
	}
	var hours []struct {
		ID string `ch:"id"`
	}
	before := now.Add(-a.cfg.MarksKept).UTC().Truncate(time.Hour).Format(time.DateTime)
	if err := a.deps.Store.Select(ctx, &hours, query("done_hours"), chstore.Params{"before": before}); err != nil {
		return fmt.Errorf("reading finished hours: %w", err)
	}
	for _, hour := range hours {
		for _, r := range hour.ID {
			if (r < '0' || r > '9') && (r < 'a' || r > 'f') && r != '-' {
				return fmt.Errorf("dropping finished hours: partition id %q is not one of an hour", hour.ID)
			}
		}
		if err := a.deps.Store.Exec(ctx, "ALTER TABLE dirty_days DROP PARTITION ID '"+hour.ID+"'", nil); err != nil {
			return fmt.Errorf("dropping a finished hour: %w", err)
		}
	}
	// A statement of a killed aggregator can outlive it in the store, and write after the
	// next one has cleared what was left.
	if err := a.clearLeft(ctx, true); err != nil {
		return err
	}
	a.swept = now
	return nil
}

// measuresType is the type of the measures of partner_daily, in column order: 42
// counts, the segment, all events, and the score's four inputs.
func measuresType() string {
	return "Tuple(" + strings.Repeat("UInt64, ", 42) + "String, UInt64, Int64, Int64, Int64, Int64)"
}
