package aggregator_test

import (
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
)

// TestMarkedDaysBringBackWhatWasLost: a store that lost rollups and scores in a power cut,
// but not that they were worked off, has them again after their days were marked.
func TestMarkedDaysBringBackWhatWasLost(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 5, 20, 15, 0, 0, 0, time.UTC)
	w := newWorld(t, "Europe/Berlin", end)
	w.send(history(rand.New(rand.NewPCG(5, 5)), 600, 8, end, "e")...)
	w.settle()
	want := w.state()
	for _, statement := range []string{
		"TRUNCATE TABLE sessions SYNC", "TRUNCATE TABLE partner_daily SYNC",
		"ALTER TABLE partner_scores DELETE WHERE as_of >= '2026-05-16' SETTINGS mutations_sync = 2",
	} {
		if err := w.store.Exec(t.Context(), statement, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := int32(end.Unix()/86400) - 400
	marked, err := aggregator.Mark(t.Context(), w.store, tenantID, first, first+500)
	if err != nil {
		t.Fatal(err)
	}
	if marked.Partners == 0 || marked.Days < marked.Partners {
		t.Fatalf("marked %+v", marked)
	}
	w.settle()
	if diff := gocmp.Diff(want, w.state()); diff != "" {
		t.Errorf("recomputed rows are not those that were lost: %s", diff)
	}
}
