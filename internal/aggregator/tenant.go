package aggregator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// tenant is what a worker remembers of a tenant. All of it can be read back from
// the store.
type tenant struct {
	id     string
	loc    *time.Location
	active string      // version of the stored model to use; empty: the described one
	model  score.Model // the described one, and after loading the one that is used
	loaded bool
	feeds  score.Feeds // first day of each feed
	newest int32       // newest local day with an event

	// stale says to look for partners that have fallen behind, unknown also for
	// those that this model has never scored; checked is what the last look that
	// found all of them went by.
	stale, unknown bool
	checked        horizon

	days     tenantDays
	alive    aliveModels // of the months that were asked for
	complete int32       // last completed day that was given to detection
	changed  time.Time   // when a day before today last changed
	waiting  time.Time   // since when a later day waits to be given; zero: none does
	present  time.Time   // since when the history reaches the present; zero: it does not

	labelled time.Time       // contentSeen of the scores that the rules about collateral have seen last
	woken    int32           // day on which snoozed alerts were last looked through
	accepted map[string]bool // rebaseline commands that the batch's detection was given

	contentSeen time.Time // when the scores of content were last looked at; zero: not yet
	contentLeft bool      // days of content are left to score
}

// horizon is what every partner of a tenant has to be brought up to.
type horizon struct {
	today    int32 // as_of of the newest score
	complete int32 // last completed day: a later one has begun and has events
	feeds    score.Feeds
}

func newTenant(id string, loc *time.Location) *tenant {
	t := &tenant{id: id, loc: loc}
	for i := range t.feeds {
		t.feeds[i] = score.NoFeed
	}
	return t
}

// horizon at an instant. A day counts as complete once the tenant has events of a
// later one: neither a backfill that has not got there yet nor a broken feed may
// look like partners that went quiet.
//
// It is given to detection only when the days before today have stopped changing:
// while a history is being loaded, or a backlog worked off, some partners' days are
// there before others'. A trickle of late events holds it up for a while only.
func (t *tenant) horizon(now time.Time, settle, settleMax time.Duration) horizon {
	today := session.LocalDay(now, t.loc)
	complete := max(0, min(today, t.newest)-1)
	switch {
	case complete <= t.complete:
		t.waiting = time.Time{}
	case t.waiting.IsZero():
		t.waiting = now
	}
	switch {
	case t.newest < today-1:
		t.present = time.Time{}
	case t.present.IsZero():
		t.present = now
	}
	since := func(at time.Time, d time.Duration) bool { return !at.IsZero() && now.Sub(at) >= d }
	switch {
	case t.waiting.IsZero():
	case since(t.waiting, settle) && now.Sub(t.changed) >= settle, since(t.waiting, settleMax) && since(t.present, settleMax):
		t.complete, t.waiting = complete, time.Time{}
	}
	return horizon{today: today, complete: t.complete, feeds: t.feeds}
}

// meet makes the state of a tenant that is not configured and was not seen before.
func (a *Aggregator) meet(id string) {
	if _, ok := a.tenants[id]; ok {
		return
	}
	loc, err := time.LoadLocation(a.cfg.Timezone)
	if err != nil { // Validate has loaded it before
		a.log.Error("loading the default time zone failed, using UTC", zap.Error(err))
		loc = time.UTC
	}
	a.tenants[id] = newTenant(id, loc)
	a.tenants[id].model = a.cfg.Model
}

func (a *Aggregator) tenantIDs() []string { return slices.Sorted(maps.Keys(a.tenants)) }

// start reads, once, where the store stands, and clears what an interruption left.
func (a *Aggregator) start(ctx context.Context) error {
	if a.started {
		return nil
	}
	var rows []struct {
		Tenant string `ch:"tenant"`
		Newest uint64 `ch:"newest"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("start"), nil); err != nil {
		return fmt.Errorf("reading tenants: %w", err)
	}
	for _, r := range rows {
		if a.epoch == 0 {
			a.lastBatch = max(a.lastBatch, r.Newest)
		}
		a.meet(r.Tenant)
	}
	if err := a.clearLeft(ctx, false); err != nil {
		return err
	}
	a.started = true
	return nil
}

// nextBatch gives an id that is later than every one before, whatever the clock does.
func (a *Aggregator) nextBatch() uint64 {
	if a.epoch > 0 {
		a.lastBatch++
		return a.lastBatch
	}
	a.lastBatch = max(a.lastBatch+1, uint64(max(0, a.deps.Now().UnixNano())))
	return a.lastBatch
}

// params are the parameters of every statement of a batch; a statement uses those
// that it names.
func (a *Aggregator) params(t *tenant, batch uint64, h horizon) chstore.Params {
	return chstore.Params{
		"batch": batch, "tenant": t.id, "tz": t.loc.String(), "model": t.model.Version,
		"today": date(h.today), "complete": date(h.complete), "feeds": feedTexts(h.feeds),
		"keys_max": uint64(a.cfg.BatchKeysMax),
	}
}

// with adds parameters to a copy of p.
func with(p chstore.Params, more chstore.Params) chstore.Params {
	p = maps.Clone(p)
	maps.Copy(p, more)
	return p
}

// typeNames lists the event types that a predicate picks.
func typeNames(pick func(event.Type) bool) []string {
	var out []string
	for _, t := range event.Types() {
		if pick(t) {
			out = append(out, string(t))
		}
	}
	return out
}
