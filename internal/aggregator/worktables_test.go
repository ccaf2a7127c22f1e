package aggregator_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// workEvents counts the rows of the work table of events.
func (w *world) workEvents() uint64 {
	w.t.Helper()
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := w.store.Select(w.t.Context(), &rows, "SELECT count() AS n FROM agg_events", nil); err != nil || len(rows) != 1 {
		w.t.Fatal(rows, err)
	}
	return rows[0].N
}

// TestEventsOfAFailedBatch: the events that a batch read are dropped with it; those of one
// that failed, whose last statement may still read them, stay for a while, and neither they
// nor a clock that stands still come into the batch that does its work again.
func TestEventsOfAFailedBatch(t *testing.T) {
	t.Parallel()
	where := places[1]
	w := newWorld(t, where.tz, where.end)
	w.send(histories(rand.New(rand.NewPCG(6, 1)), 3, 10, where.end)...)
	w.faulty.arm(faultAt{kind: "rows of partner_progress", nth: 1})
	if _, err := w.agg.Tick(t.Context()); err == nil {
		t.Fatal("the fault was not met")
	}
	w.faulty.arm(faultAt{})
	left := w.workEvents()
	if left == 0 {
		t.Fatal("the events of the failed batch are gone while its statements may run")
	}
	w.restart()
	w.settle()
	w.checkScores(w.checkRollups())
	if n := w.workEvents(); n != left {
		t.Errorf("%d events in the work table instead of the %d that were left", n, left)
	}
	w.now = w.now.Add(11 * time.Minute)
	w.settle()
	w.checkNothingLeft()
}
