package aggregator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/internal/session"
)

const scoreOrder = "tenant, model_version, partner_id, as_of"

// live sends events in the order of time, with a tick at the end of each day, as they
// would have come.
func (w *world) live(events []sent) {
	w.t.Helper()
	slices.SortFunc(events, func(a, b sent) int { return a.Time.Compare(b.Time) })
	for len(events) > 0 {
		day := session.LocalDay(events[0].Time, w.loc)
		n := 0
		for n < len(events) && session.LocalDay(events[n].Time, w.loc) == day {
			n++
		}
		w.now = events[n-1].Time
		w.send(events[:n]...)
		w.settle()
		events = events[n:]
	}
}

func (w *world) rescore(store aggregator.Store, version string, from, to int32, rowsMax int) (aggregator.RescoreReport, error) {
	w.t.Helper()
	r, err := aggregator.NewRescore(aggregator.RescoreConfig{
		Tenant: tenantID, Version: version, From: from, To: to, RowsMax: rowsMax,
	}, store, nil, func() time.Time { return w.rescoredAt() })
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Run(context.Background())
}

// rescoredAt is a clock that is two hours on at each look, so that what was left behind
// is old.
func (w *world) rescoredAt() time.Time {
	w.looks++
	return w.now.Add(time.Duration(w.looks) * 2 * time.Hour)
}

func (w *world) exec(statement string) {
	w.t.Helper()
	if err := w.store.Exec(context.Background(), statement, chstore.Params{}); err != nil {
		w.t.Fatal(err)
	}
}

// TestRescoreGivesWhatWasWrittenLive: rows that were written day by day, lost, and
// recomputed are the same in every column but ver; from the middle on, too, and also
// when the recomputation is interrupted at each of its writes.
func TestRescoreGivesWhatWasWrittenLive(t *testing.T) {
	t.Parallel()
	where := places[0]
	rng := rand.New(rand.NewPCG(9, 9))
	w := newWorld(t, where.tz, where.end)
	w.cfg.Model = segmentedModel()
	w.restart()
	w.live(histories(rng, 20, 12, where.end))
	today := session.LocalDay(w.now, w.loc)
	live := w.dump("partner_scores", scoreOrder)

	// All of it, interrupted before and after each write.
	w.exec("TRUNCATE TABLE partner_scores")
	resumed := 0
	for i := range 40 {
		w.faulty.failAt, w.faulty.after = 1+i%4, i%2 == 0
		if i >= 30 {
			w.faulty.failAt = 0
		}
		report, err := w.rescore(w.faulty, "seg", today-30, today, 100)
		if err == nil {
			if report.Resumed {
				resumed++
			}
			if report.Partners != 20 || report.Rows != int64(len(live)) {
				t.Errorf("%+v for %d rows", report, len(live))
			}
			break
		}
		if !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
	}
	w.faulty.failAt = 0
	if resumed != 1 {
		t.Error("no interrupted recomputation was resumed")
	}
	if diff := gocmp.Diff(live, w.dump("partner_scores", scoreOrder)); diff != "" {
		t.Fatalf("(-live +rescored):\n%s", diff)
	}

	// The last days only: tiers go on from the day before.
	w.exec("ALTER TABLE partner_scores DELETE WHERE as_of >= toDate(" + fmt.Sprint(today-3) + ") SETTINGS mutations_sync = 2")
	if _, err := w.rescore(w.store, "seg", today-3, today, 1000); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(live, w.dump("partner_scores", scoreOrder)); diff != "" {
		t.Fatalf("the last days (-live +rescored):\n%s", diff)
	}

	// Under another model, against a world that was scored with it.
	other := score.DefaultModel()
	if err := scoring.SaveModel(t.Context(), w.store, tenantID, &other, w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.rescore(w.store, "1", today-3, today, 1000); err == nil || !strings.Contains(err.Error(), "counts at most 20") {
		t.Errorf("a model with another cap: %v", err)
	}
	other.Version, other.CountedMax = "1b", 7
	if err := scoring.SaveModel(t.Context(), w.store, tenantID, &other, w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.rescore(w.store, "1b", today-3, today, 1000); err != nil {
		t.Fatal(err)
	}
	byBackfill := w.dump("(SELECT * FROM partner_scores FINAL WHERE model_version = '1b')", scoreOrder)
	w.cfg.Model = other
	w.restart()
	w.settle()
	if diff := gocmp.Diff(w.dump("(SELECT * FROM partner_scores FINAL WHERE model_version = '1b')", scoreOrder), byBackfill); diff != "" || len(byBackfill) != len(live) {
		t.Errorf("another model, %d rows (-live +rescored):\n%s", len(byBackfill), diff)
	}
	w.checkNothingLeft()
}

// checkNothingLeft tells rows of work tables that nobody dropped.
func (w *world) checkNothingLeft() {
	w.t.Helper()
	for _, table := range []string{"agg_keys", "agg_days", "agg_partners", "agg_events"} {
		var left []struct {
			Rows uint64 `ch:"rows"`
		}
		if err := w.store.Select(context.Background(), &left, "SELECT count() AS rows FROM "+table, nil); err != nil || left[0].Rows > 0 {
			w.t.Errorf("%v rows left in %s, error %v", left, table, err)
		}
	}
}

// pausingStore runs a function once, before the n-th scoring statement.
type pausingStore struct {
	aggregator.Store
	before func()
}

func (s *pausingStore) Exec(ctx context.Context, q string, p chstore.Params) error {
	if s.before != nil && strings.Contains(q, "INSERT INTO partner_scores") {
		run := s.before
		s.before = nil
		run()
	}
	return s.Store.Exec(ctx, q, p)
}

// TestRescoreDoesNotDisturbTheLiveAggregator: what arrives and is scored between a
// recomputation's reading and writing wins, and a restart leaves its work alone.
func TestRescoreDoesNotDisturbTheLiveAggregator(t *testing.T) {
	t.Parallel()
	where := places[1]
	w := newWorld(t, where.tz, where.end)
	w.send(histories(rand.New(rand.NewPCG(4, 4)), 10, 10, where.end)...)
	w.settle()
	today := session.LocalDay(w.now, w.loc)
	for _, step := range []string{"live before the statement", "live after the statement"} {
		store := &pausingStore{Store: w.store}
		news := func() {
			w.send(do("p-0004", step, "deal.won", where.end.AddDate(0, 0, -2)))
			w.restart() // it must not drop the page's work table
			w.settle()
		}
		if step == "live before the statement" {
			store.before = news
		} else {
			store.before = func() { w.exec("SYSTEM STOP MERGES partner_scores") }
		}
		if _, err := w.rescore(store, "1", today-20, today, 500); err != nil {
			t.Fatal(err)
		}
		if step == "live after the statement" {
			news()
			w.exec("SYSTEM START MERGES partner_scores")
		}
		w.checkScores(w.checkRollups())
	}
	// Equal content under an older number than the live row's: the live row stays.
	var vers []struct {
		Bad uint64 `ch:"bad"`
	}
	err := w.store.Select(t.Context(), &vers, `SELECT countIf(s.ver > p.last) AS bad FROM partner_scores AS s
		CROSS JOIN (SELECT max(ver) AS last FROM partner_progress) AS p`, nil)
	if err != nil || vers[0].Bad != 0 {
		t.Errorf("%v rows are newer than the last batch, error %v", vers, err)
	}
}

// TestRescoreWithinABatch: while a batch has written daily inputs and not yet its progress,
// the progress tells wrongly where the histories of its partners begin, or nothing. A
// recomputation does not believe it then.
func TestRescoreWithinABatch(t *testing.T) {
	where := places[0]
	w := newWorld(t, where.tz, where.end)
	w.cfg.Model = segmentedModel()
	w.restart()
	w.live(histories(rand.New(rand.NewPCG(11, 11)), 5, 6, where.end))
	today := session.LocalDay(w.now, w.loc)
	first := make(map[string]time.Time)
	tenantFirst, last, latest := w.now, "", time.Time{}
	for _, e := range w.all() {
		if at, ok := first[e.Partner]; !ok || e.Time.Before(at) {
			first[e.Partner] = e.Time
		}
	}
	for partner, at := range first {
		if at.Before(tenantFirst) {
			tenantFirst = at
		}
		if at.After(latest) {
			last, latest = partner, at
		}
	}
	early := latest.Add(-48 * time.Hour) // of nobody's feed the first
	if early.Before(tenantFirst.Add(24 * time.Hour)) {
		t.Fatalf("the history begins on %s, %s's on %s", tenantFirst, last, latest)
	}
	w.send(visit(last, "early", early), visit("p-new", "new", early))
	// Rollups are written by the time that it takes its partners, scores not yet.
	taking := slices.IndexFunc(w.faulty.seen, func(kind string) bool { return strings.Contains(kind, "INSERT INTO agg_partners") })
	w.faulty.arm(faultAt{kind: w.faulty.seen[taking], nth: 1, after: true})
	if _, err := w.agg.Tick(t.Context()); !errors.Is(err, errInjected) {
		t.Fatalf("the batch was not interrupted: %v", err)
	}
	w.faulty.arm(faultAt{})
	if rows := w.dump("(SELECT * FROM partner_daily FINAL WHERE partner_id = 'p-new' AND events > 0)", "day"); len(rows) != 1 {
		t.Fatalf("the batch was interrupted before it wrote inputs: %v", rows)
	}
	if rows := w.dump("(SELECT * FROM partner_progress FINAL WHERE partner_id = 'p-new')", "partner_id"); len(rows) != 0 {
		t.Fatalf("the batch was interrupted after its progress: %v", rows)
	}
	w.exec("TRUNCATE TABLE partner_scores")
	if _, err := w.rescore(w.store, "seg", today-60, today, 1000); err != nil {
		t.Fatal(err)
	}
	byRescore := w.dump("partner_scores", scoreOrder)
	w.exec("TRUNCATE TABLE partner_scores")
	w.exec("TRUNCATE TABLE partner_progress")
	w.restart()
	w.settle()
	if diff := gocmp.Diff(w.dump("partner_scores", scoreOrder), byRescore); diff != "" {
		t.Errorf("(-live +rescored):\n%s", diff)
	}
}
