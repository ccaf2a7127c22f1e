package aggregator_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/kafkabus"
)

// TestInterruptionAnywhere fails each writing statement of a batch in turn, before
// and after it took effect, and each publication; the rows must come out the same
// as without, and every message repeated must be the same to the byte.
func TestInterruptionAnywhere(t *testing.T) {
	const pieces = 26
	end := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(3, 3))
	events := history(rng, 900, 50, end, "e")
	slices.SortFunc(events, func(a, b sent) int { return a.Time.Compare(b.Time) })

	calm, rough := newWorld(t, "Europe/Berlin", end), newWorld(t, "Europe/Berlin", end)
	failures := 0
	for i := range pieces {
		piece := events[i*len(events)/pieces : (i+1)*len(events)/pieces]
		for _, w := range []*world{calm, rough} {
			w.now = piece[len(piece)-1].Time
			w.send(piece...)
		}
		calm.settle()
		rough.faulty.failAt, rough.faulty.after = i/2+1, i%2 == 0
		if i%5 == 4 {
			rough.faulty.failAt, rough.bus.fail = 0, true
		}
		_, err := rough.agg.Tick(t.Context())
		if err != nil {
			failures++
			if !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
		}
		rough.faulty.failAt, rough.bus.fail = 0, false
		if i%3 == 0 {
			rough.restart()
		}
		rough.settle()
	}
	if failures < pieces/2 {
		t.Fatalf("only %d of %d faults were met", failures, pieces)
	}
	if diff := gocmp.Diff(calm.state(), rough.state()); diff != "" {
		t.Fatalf("state after interruptions (-without +with):\n%s", diff)
	}
	if diff := gocmp.Diff(calm.dump("alerts", "tenant, partner_id, transition_id"), rough.dump("alerts", "tenant, partner_id, transition_id")); diff != "" {
		t.Fatalf("alerts after interruptions (-without +with):\n%s", diff)
	}
	rough.checkScores(rough.checkRollups())
	sameMessages(t, calm.bus.on(kafkabus.TopicDrop), rough.bus.on(kafkabus.TopicDrop))
	sameMessages(t, calm.bus.on(kafkabus.TopicScores), rough.bus.on(kafkabus.TopicScores))
	var left []struct {
		Rows uint64 `ch:"rows"`
	}
	if err := rough.store.Select(t.Context(), &left, "SELECT count() AS rows FROM agg_keys", nil); err != nil || left[0].Rows > 0 {
		t.Errorf("%v rows left in the work table, error %v", left, err)
	}
}

// sameMessages compares two topics; repetitions of a value are allowed in got.
func sameMessages(t *testing.T, want, got []kafkabus.Message) {
	t.Helper()
	set := func(msgs []kafkabus.Message) []string {
		var out []string
		for _, m := range msgs {
			out = append(out, string(m.Key)+" "+string(m.Value))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if diff := gocmp.Diff(set(want), set(got)); diff != "" {
		t.Errorf("messages (-without +with):\n%s", diff)
	}
}

// TestMarkDuringBatchStaysDirty: a mark that arrives while its key is worked off
// is worked off later.
func TestMarkDuringBatchStaysDirty(t *testing.T) {
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", at)
	first, second := visit("p", "1", at.Add(-2*time.Hour)), visit("p", "2", at.Add(-time.Hour))
	w.send(first)
	w.insert([]sent{second})
	w.faulty.failAt = 12 // late in the batch
	w.faulty.after = true
	_, err := w.agg.Tick(t.Context())
	w.faulty.failAt = 0
	if err == nil {
		t.Fatal("the fault was not met")
	}
	w.mark([]sent{second})
	w.settle()
	w.checkScores(w.checkRollups())
}

// TestDroppedHours: hours of marks go once they are old and worked off, never before.
func TestDroppedHours(t *testing.T) {
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", at)
	w.send(visit("p", "1", at))
	w.settle()
	hours := func() int { return len(w.dump("dirty_days", "hour, tenant, partner_id, day")) }
	if hours() != 1 {
		t.Fatal("no marks to begin with")
	}
	w.now = at.Add(23 * time.Hour)
	w.settle()
	if hours() != 1 {
		t.Fatal("marks were dropped within 24 hours")
	}
	w.now = at.Add(26 * time.Hour)
	w.settle()
	if n := hours(); n != 0 {
		t.Fatalf("%d rows of finished marks are left", n)
	}
}
