package aggregator_test

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

const (
	lapse    = "training_lapse"
	expiring = "certification_expiring"
)

// lapsed is a world in which partners last completed a training 95 days ago (a lapse
// for four of them, with 60 days agreed on), and "holds" has a certificate for 27 days
// more. "stays" keeps the days going.
func lapsed(t *testing.T, partners ...string) *world {
	now := time.Date(2026, 6, 16, 14, 0, 0, 0, time.UTC)
	w := newWorld(t, "Europe/Berlin", now)
	for _, p := range partners {
		w.send(do(p, "completed", event.TrainingCompleted, now.AddDate(0, 0, -95)))
	}
	certified := do("holds", "cert", event.TrainingCertified, now.AddDate(0, 0, -10))
	expires := now.AddDate(0, 0, 27)
	certified.Course, certified.Expires = "course-1", &expires
	w.send(certified)
	w.send(workdays(w, "stays", now.AddDate(0, 0, -20), now, 2)...)
	w.settle()
	for _, p := range partners {
		w.expect(p, lapse, "firing fired")
	}
	w.expect("holds", expiring, "firing fired")
	return w
}

// expect compares what was told of a partner's training so far.
func (w *world) expect(partner, rule string, want ...string) {
	w.t.Helper()
	if diff := gocmp.Diff(want, of(w.told(kafkabus.TopicTrainingLapse), partner, rule)); diff != "" {
		w.t.Errorf("%s of %s: %s", rule, partner, diff)
	}
}

// TestOtherTermsOfTraining: settings and commitments are terms. An alert that other
// terms do not find is over, but it was not wrong; with the old terms it is back. What
// other terms find of the past is no news, and an alert that they find at another time
// goes on. A completion that turns up is a fact, and takes the alert back.
func TestOtherTermsOfTraining(t *testing.T) {
	w := lapsed(t, "longer", "committed", "proved")

	// Somebody imports, late, that another cadence was agreed on, and a completion.
	committed := do("committed", "commitment", event.CommitmentSet, w.now.AddDate(0, 0, -80))
	committed.Data = `{"cadence_days":120}`
	w.send(committed, do("proved", "late", event.TrainingCompleted, w.now.AddDate(0, 0, -40)))
	w.settle()
	w.expect("committed", lapse, "firing fired", "resolved superseded")
	w.expect("proved", lapse, "firing fired", "resolved retracted")
	w.expect("longer", lapse, "firing fired")

	setting := func(change func(c *aggregator.Config)) {
		t.Helper()
		w.reconfigure(change)
		w.dayLater("stays")
	}
	// Shorter terms would have fired long ago: the alerts go on, and of the completion
	// 40 days ago nothing new is told, for it lapsed before this week.
	setting(func(c *aggregator.Config) { c.Training.CadenceDays, c.Training.ExpiryDays = 20, 60 })
	w.expect("longer", lapse, "firing fired")
	w.expect("holds", expiring, "firing fired")
	w.expect("proved", lapse, "firing fired", "resolved retracted")
	// Longer ones do not find them.
	setting(func(c *aggregator.Config) { c.Training.CadenceDays, c.Training.ExpiryDays = 90, 10 })
	w.expect("longer", lapse, "firing fired", "resolved superseded")
	w.expect("holds", expiring, "firing fired", "resolved superseded")
	// And back.
	setting(func(c *aggregator.Config) { c.Training = aggregator.DefaultConfig().Training })
	w.expect("longer", lapse, "firing fired", "resolved superseded", "firing reinstated")
	w.expect("holds", expiring, "firing fired", "resolved superseded", "firing reinstated")

	before := len(w.bus.messages)
	w.restart()
	w.mark(w.all())
	w.settle()
	if n := len(w.bus.messages); n != before {
		t.Errorf("a replay published %d messages", n-before)
	}
	validate(t, "training-lapse.json", w.bus.on(kafkabus.TopicTrainingLapse))
	// It ends as ever, once the day is complete: after the weekend.
	w.send(do("longer", "again", event.TrainingCompleted, w.now.Add(-time.Hour)))
	w.now = w.now.AddDate(0, 0, 2)
	w.dayLater("stays")
	w.expect("longer", lapse, "firing fired", "resolved superseded", "firing reinstated", "resolved recovered")
	if open := w.open("holds"); len(open) != 1 {
		t.Error(fmt.Sprint("open alerts of holds: ", open))
	}
}
