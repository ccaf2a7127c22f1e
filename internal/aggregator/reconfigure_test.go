package aggregator_test

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/kafkabus"
)

// reconfigure restarts the worker with another configuration of the detector.
func (w *world) reconfigure(change func(*aggregator.Config)) {
	w.t.Helper()
	change(&w.cfg)
	w.restart()
}

// open lists the rules of a partner's alerts that are open and were published.
func (w *world) open(partner string) []string {
	w.t.Helper()
	var rows []struct {
		Rule string `ch:"rule"`
		ID   string `ch:"alert_id"`
	}
	q := fmt.Sprintf("SELECT rule, alert_id FROM alerts_current WHERE partner_id = '%s' AND historical = 0 AND status IN ('firing', 'acknowledged', 'snoozed') ORDER BY rule", partner)
	if err := w.store.Select(w.t.Context(), &rows, q, nil); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, r.Rule+" "+r.ID)
	}
	return out
}

// silent is a world in which "stops" has not come for six days, and that was told.
func silent(t *testing.T) (w *world, stop time.Time) {
	w, stop = stops(t)
	w.now = stop.AddDate(0, 0, 6).Add(14 * time.Hour)
	w.send(workdays(w, "stays", stop, w.now.Add(-time.Hour), 3)...)
	w.settle()
	if len(w.open("stops")) == 0 {
		t.Fatal("nothing was told of the partner that stopped")
	}
	return w, stop
}

// dayLater goes on to the next day, on which some partners come.
func (w *world) dayLater(partners ...string) {
	w.t.Helper()
	w.now = w.now.AddDate(0, 0, 1)
	for _, p := range partners {
		w.send(workdays(w, p, w.now, w.now, 3)...)
	}
	w.settle()
}

// TestAnotherConfigurationKeepsAlerts: a configuration that sees the same silence on
// another day says nothing about the past, keeps the alert, and ends it in time.
func TestAnotherConfigurationKeepsAlerts(t *testing.T) {
	t.Parallel()
	w, _ := silent(t)
	open, told := w.open("stops"), len(w.bus.messages)
	drops := len(w.bus.on(kafkabus.TopicDrop))
	w.reconfigure(func(c *aggregator.Config) { c.Detect.ARL0Days, c.TenantModel.AcceptDays = 30, 35 })
	w.dayLater("stays")
	w.dayLater("stays")
	if n := len(w.bus.on(kafkabus.TopicDrop)) - drops; n != 0 {
		t.Errorf("%d alerts were told of a configuration: %+v", n, w.told(kafkabus.TopicDrop)[drops:])
	}
	if diff := gocmp.Diff(open, w.open("stops")); diff != "" {
		t.Errorf("open alerts: %s", diff)
	}
	if len(w.bus.messages) == told {
		t.Error("two days passed without a message about scores")
	}
	var moved []struct {
		N uint64 `ch:"n"`
	}
	q := "SELECT uniqExact(config) AS n FROM detector_state FINAL"
	if err := w.store.Select(t.Context(), &moved, q, nil); err != nil || moved[0].N != 1 {
		t.Errorf("%d configurations in the states: %v", moved[0].N, err)
	}
	for range 12 {
		if w.dayLater("stays", "stops"); len(w.open("stops")) == 0 {
			break
		}
	}
	if left := w.open("stops"); len(left) != 0 {
		t.Errorf("after twelve days of visits %v are open", left)
	}
	for _, m := range w.told(kafkabus.TopicDrop)[drops:] {
		if m.Data.Status != "resolved" || m.Data.Reason != "recovered" {
			t.Errorf("%s %s of %s", m.Data.Rule, m.Data.Status, m.Subject)
		}
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))
}

// TestAnotherConfigurationClosesWhatItDoesNotSee: once, and with its own reason, also
// when the worker dies in between; back under the old one nobody is called again.
func TestAnotherConfigurationClosesWhatItDoesNotSee(t *testing.T) {
	t.Parallel()
	w, _ := silent(t)
	open := w.open("stops")
	old, drops := w.cfg.Detect, len(w.bus.on(kafkabus.TopicDrop))
	w.reconfigure(func(c *aggregator.Config) { c.Detect.BaselineSessionsMin = 1e6 })
	w.bus.fail = true
	w.now = w.now.AddDate(0, 0, 1)
	w.send(workdays(w, "stays", w.now, w.now, 3)...)
	for range 10 {
		if _, err := w.agg.Tick(t.Context()); err != nil {
			break
		}
	}
	w.restart()
	w.settle()
	closed := make(map[string]bool)
	for _, m := range w.told(kafkabus.TopicDrop)[drops:] {
		if m.Subject != "stops" || m.Data.Status != "resolved" || m.Data.Reason != "superseded" {
			t.Errorf("%s: %s is %s, %s", m.Subject, m.Data.Rule, m.Data.Status, m.Data.Reason)
		}
		closed[m.ID] = true
	}
	if left := w.open("stops"); len(left) != 0 || len(closed) != len(open) {
		t.Errorf("%d alerts closed of %v, open are %v", len(closed), open, left)
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))

	told := len(w.bus.on(kafkabus.TopicDrop))
	w.reconfigure(func(c *aggregator.Config) { c.Detect = old })
	w.dayLater("stays")
	w.restart()
	w.mark(w.all())
	w.settle()
	if again := w.told(kafkabus.TopicDrop)[told:]; len(again) != 0 {
		t.Errorf("back under the old configuration: %+v", again)
	}
}

// TestAnotherConfigurationOfTheTenant: an outage in the past is not told again.
func TestAnotherConfigurationOfTheTenant(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 6, 2, 6, 0, 0, 0, time.UTC) // a Tuesday
	w, visits := programme(t, begin)
	w.now = begin.AddDate(0, 0, 2).Add(14 * time.Hour)
	visits(w.now, w.now)
	w.settle()
	if got := of(w.told(kafkabus.TopicDrop), "-", "tenant.activity_drop"); len(got) != 1 {
		t.Fatalf("the outage: %v", got)
	}
	// The new one holds that it takes longer to be an outage.
	w.reconfigure(func(c *aggregator.Config) { c.TenantModel.OutageDays = 1.6 })
	w.now = w.now.AddDate(0, 0, 1)
	visits(w.now, w.now)
	w.settle()
	want := []string{"firing fired", "resolved recovered"}
	if diff := gocmp.Diff(want, of(w.told(kafkabus.TopicDrop), "-", "tenant.activity_drop")); diff != "" {
		t.Error(diff)
	}
	w.reconfigure(func(c *aggregator.Config) { c.TenantModel.AcceptDays = 40 })
	w.now = w.now.AddDate(0, 0, 1)
	visits(w.now, w.now)
	w.settle()
	if n := len(w.told(kafkabus.TopicDrop)); n != len(want) {
		t.Errorf("%d messages, want %d: %+v", n, len(want), w.told(kafkabus.TopicDrop))
	}
}
