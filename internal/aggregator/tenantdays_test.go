package aggregator_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/alert"
	"partnerpulse/internal/alertdesk"
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
	t.Parallel()
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
	t.Parallel()
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

// TestOutageThatTurnsOutToBeNone: the days without anybody arrive after all, and the
// alert is taken back, once.
func TestOutageThatTurnsOutToBeNone(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC) // a Tuesday
	w, visits := programme(t, begin)
	w.now = begin.AddDate(0, 0, 2).Add(14 * time.Hour)
	visits(w.now, w.now)
	w.settle()
	want := []string{"firing fired"}
	if diff := cmp.Diff(want, of(w.told(kafkabus.TopicDrop), "-", "tenant.activity_drop")); diff != "" {
		t.Fatal(diff)
	}
	visits(begin, begin.AddDate(0, 0, 1))
	w.settle()
	want = append(want, "resolved retracted")
	if diff := cmp.Diff(want, of(w.told(kafkabus.TopicDrop), "-", "tenant.activity_drop")); diff != "" {
		t.Error(diff)
	}
	w.restart()
	w.mark(w.all())
	w.settle()
	if n := len(w.told(kafkabus.TopicDrop)); n != len(want) {
		t.Errorf("%d messages, want %d: %+v", n, len(want), w.told(kafkabus.TopicDrop))
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))
}

// TestOutageIsToldWhateverFails: the worker dies at each write around the outage's
// alert in turn; the alert is told under one id, and not lost.
func TestOutageIsToldWhateverFails(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC)
	w, visits := programme(t, begin)
	w.now = begin.AddDate(0, 0, 2).Add(14 * time.Hour)
	visits(w.now, w.now)
	for fail := 1; ; fail++ {
		w.faulty.failAt, w.faulty.after = fail, fail%2 == 0
		var err error
		for more := true; more && err == nil; {
			var work aggregator.Work
			work, err = w.agg.Tick(t.Context())
			more = work.More
		}
		w.restart()
		if err == nil {
			break
		}
		if fail > 60 {
			t.Fatal("it fails at every write")
		}
	}
	w.faulty.failAt = 0
	w.settle()
	ids := make(map[string]bool)
	for _, m := range w.told(kafkabus.TopicDrop) {
		if m.Data.Rule != "tenant.activity_drop" {
			t.Errorf("%s of %s", m.Data.Rule, m.Subject)
		}
		ids[m.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("the outage was told under %d ids: %+v", len(ids), w.told(kafkabus.TopicDrop))
	}
}

// TestTheTenantsAlertIsSeenTo: commands about an alert that concerns no single partner.
func TestTheTenantsAlertIsSeenTo(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC)
	w, visits := programme(t, begin)
	w.now = begin.AddDate(0, 0, 2).Add(14 * time.Hour)
	w.settle()
	msgs := w.told(kafkabus.TopicDrop)
	if len(msgs) != 1 {
		t.Fatalf("%+v", msgs)
	}
	// The tenant has no baseline that a command could change: its level is accepted
	// after some weeks. A refused command leaves nothing behind.
	desk := alertdesk.New(w.store, func(string) *time.Location { return w.loc }, func() time.Time { return w.now })
	_, err := desk.Take(t.Context(), alert.Request{Tenant: tenantID, Alert: msgs[0].Data.Alert, Action: string(alert.Rebaseline), Actor: "kim"})
	if !errors.Is(err, alert.ErrInvalid) || w.openCommands(t) != 0 {
		t.Errorf("rebaselining the whole programme: %v, %d commands", err, w.openCommands(t))
	}
	w.ask(t, msgs[0].Data.Alert, alert.Acknowledge, "")
	w.ask(t, msgs[0].Data.Alert, alert.Snooze, "2026-06-05")
	w.now = begin.AddDate(0, 0, 3).Add(14 * time.Hour)
	visits(w.now, w.now)
	w.settle()
	w.now = w.now.AddDate(0, 0, 3) // a Monday
	visits(w.now, w.now)
	w.settle()
	want := []string{"firing fired", "acknowledged command", "snoozed command", "firing snooze_ended", "resolved recovered"}
	if diff := cmp.Diff(want, of(w.told(kafkabus.TopicDrop), "-", "tenant.activity_drop")); diff != "" {
		t.Error(diff)
	}
	if n := w.openCommands(t); n != 0 {
		t.Errorf("%d commands are not folded in", n)
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))
}

// ask gives a command and has it folded in.
func (w *world) ask(t *testing.T, id string, action alert.Action, until string) {
	t.Helper()
	desk := alertdesk.New(w.store, func(string) *time.Location { return w.loc }, func() time.Time { return w.now })
	if _, err := desk.Take(t.Context(), alert.Request{Tenant: tenantID, Alert: id, Action: string(action), Until: until, Actor: "kim"}); err != nil {
		t.Fatal(err)
	}
	w.settle()
}

func (w *world) openCommands(t *testing.T) uint64 {
	t.Helper()
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := w.store.Select(t.Context(), &rows, "SELECT count() AS n FROM alert_commands FINAL WHERE done = 0", nil); err != nil {
		t.Fatal(err)
	}
	return rows[0].N
}
