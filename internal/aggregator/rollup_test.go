package aggregator_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestRandomHistories holds the SQL to the plain Go rules: sessions, metrics and
// scores of random histories that arrive in pieces, late, twice and in any order,
// in time zones and over days with a change of the clock.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	ends := []struct {
		tz  string
		end time.Time
	}{
		{"UTC", time.Date(2026, 5, 20, 15, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC)},    // to summer time
		{"America/New_York", time.Date(2026, 11, 3, 2, 0, 0, 0, time.UTC)},   // to winter time
		{"Pacific/Kiritimati", time.Date(2026, 1, 3, 11, 0, 0, 0, time.UTC)}, // UTC+14, over a new year
	}
	for i, where := range ends {
		t.Run(where.tz, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			w := newWorld(t, where.tz, where.end)
			if i%2 == 0 {
				w.cfg.BatchKeysMax, w.cfg.ScoreRowsMax = 70, 100
				w.restart()
			}
			var events []sent
			late := make([][]sent, 4)
			for group := range 2 { // of 8 partners each, a marathon and a crowd
				list := append(history(rng, 200+rng.IntN(1200), 3+rng.IntN(12), where.end, "e"), crowd(rng, where.end)...)
				long := marathon(rng, where.end)
				rng.Shuffle(len(long), func(i, j int) { long[i], long[j] = long[j], long[i] })
				list = append(list, long[len(late):]...)
				for k := range list {
					list[k].Partner = fmt.Sprintf("%d-%s", group, list[k].Partner)
				}
				for k := range late {
					long[k].Partner = fmt.Sprintf("%d-%s", group, long[k].Partner)
					late[k] = append(late[k], long[k])
				}
				events = append(events, list...)
			}
			rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			for len(events) > 0 {
				n := min(len(events), 1+rng.IntN(1800))
				w.send(events[:n]...)
				if rng.IntN(3) == 0 { // delivered again, with other content: the first copy stays
					again := slices.Clone(events[:1+rng.IntN(n)])
					for i := range again {
						again[i].Actor, again[i].EngagedMs, again[i].Internal = "other", 1, !again[i].Internal
					}
					w.send(again...)
				}
				w.settle()
				events = events[n:]
			}
			w.checkScores(w.checkRollups())
			for _, e := range late { // alone, so that of a partner only its own day is dirty
				w.send(e...)
				w.settle()
				w.checkRollups()
			}
			if i < 2 { // the next days come
				w.now = w.now.Add(time.Duration(1+rng.IntN(3)) * 24 * time.Hour)
				w.settle()
				w.checkScores(w.checkRollups())
			}
		})
	}
}

// TestReplayChangesNothing marks and delivers everything again, in another order.
func TestReplayChangesNothing(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "Europe/Berlin", end)
	rng := rand.New(rand.NewPCG(1, 1))
	events := history(rng, 500, 30, end, "e")
	w.send(events...)
	w.settle()
	before, published := w.state(), len(w.bus.messages)
	for range 3 {
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		w.send(events[:len(events)/2]...)
		w.settle()
		w.restart()
		w.send(events[len(events)/2:]...)
		w.settle()
		if diff := gocmp.Diff(before, w.state()); diff != "" {
			t.Fatal(diff)
		}
	}
	if n := len(w.bus.messages); n != published {
		t.Errorf("a replay published %d messages", n-published)
	}
}

// TestLateEventMovesCutsTwoDaysOn: an event before midnight that joins a burst to
// the evening before makes sessions start two days later, where nothing was dirty.
func TestLateEventMovesCutsTwoDaysOn(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 4, 20, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", begin.AddDate(0, 0, 4))
	var events, late []sent
	for i := range 160 {
		e := visit("p", fmt.Sprint(i), begin.Add(time.Duration(i)*29*time.Minute))
		if next := e.Time.Add(29 * time.Minute); e.Time.Day() == begin.Day() && next.Day() != begin.Day() {
			late = append(late, e)
			continue
		}
		events = append(events, e)
	}
	w.send(events...)
	w.settle()
	w.checkRollups()
	w.send(late...)
	w.settle()
	w.checkRollups()
}
