package aggregator_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/kafkabus"
)

// programme is a world of 24 partners that come on working days, until the day.
func programme(t *testing.T, until time.Time) (w *world, visits func(from, to time.Time)) {
	w = newWorld(t, "Europe/Berlin", until)
	visits = func(from, to time.Time) {
		var events []sent
		for p := range 24 {
			events = append(events, workdays(w, fmt.Sprintf("p%02d", p), from, to, 2+p%3)...)
		}
		w.send(events...)
	}
	visits(until.AddDate(0, 0, -75), until.AddDate(0, 0, -1))
	w.settle()
	return w, visits
}

// TestOutageIsToldOnceAndBlamedOnNobody goes day by day through two days without
// anybody, with a restart each day, and then replays everything.
func TestOutageIsToldOnceAndBlamedOnNobody(t *testing.T) {
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC) // a Tuesday
	w, visits := programme(t, begin)
	for day := range 6 {
		w.now = begin.AddDate(0, 0, day).Add(14 * time.Hour)
		if day >= 2 {
			visits(w.now, w.now)
		}
		w.restart()
		w.settle()
	}
	got := decodeAlerts(t, w.bus.on(kafkabus.TopicDrop))
	var seen []string
	for _, a := range got {
		seen = append(seen, a.Subject+" "+a.Data.Rule+" "+a.Data.Status)
	}
	want := []string{"- tenant.activity_drop firing", "- tenant.activity_drop resolved"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))

	before, state := len(w.bus.messages), w.state()
	w.restart()
	w.mark(w.all())
	w.settle()
	if n := len(w.bus.messages); n != before {
		t.Errorf("a replay published %d messages", n-before)
	}
	if diff := cmp.Diff(state, w.state()); diff != "" {
		t.Error(diff)
	}
}

// TestHolidayThatTurnsOutToBeNone has the events of a holiday come late: the day means
// something else then, for all partners, and detection ends as if they had been there.
func TestHolidayThatTurnsOutToBeNone(t *testing.T) {
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC)
	late, visitsLate := programme(t, begin)
	visitsLate(begin.AddDate(0, 0, 1), begin.AddDate(0, 0, 4))
	late.now = begin.AddDate(0, 0, 5)
	late.settle()
	frozen := func(w *world) uint64 {
		var rows []struct {
			N uint64 `ch:"n"`
		}
		if err := w.store.Select(t.Context(), &rows, "SELECT countIf(frozen = 1) AS n FROM tenant_inputs FINAL", nil); err != nil {
			t.Fatal(err)
		}
		return rows[0].N
	}
	if n := frozen(late); n != 1 {
		t.Fatalf("%d days are frozen, want the empty one", n)
	}
	visitsLate(begin, begin)
	late.settle()

	inTime, visits := programme(t, begin)
	visits(begin, begin.AddDate(0, 0, 4))
	inTime.now = late.now
	inTime.settle()
	if n := frozen(late); n != 0 {
		t.Errorf("%d days are still frozen", n)
	}
	if diff := cmp.Diff(inTime.state(), late.state()); diff != "" {
		t.Error(diff)
	}
}
