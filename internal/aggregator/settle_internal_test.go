package aggregator

import (
	"testing"
	"time"

	"partnerpulse/internal/session"
)

// TestDetectionWaitsUntilTheDaysHaveSettled goes through a load of history second by
// second: what detection may see must not run ahead of the slowest partner.
func TestDetectionWaitsUntilTheDaysHaveSettled(t *testing.T) {
	const settle, settleMax = 10 * time.Second, 10 * time.Minute
	begin := time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)
	today := session.LocalDay(begin, time.UTC)
	// Each step says what the newest day is and whether an older one changes.
	run := func(tn *tenant, from, seconds int, newest func(s int) int32, changes func(s int) bool) (at int) {
		for s := from; s < from+seconds; s++ {
			now := begin.Add(time.Duration(s) * time.Second)
			tn.newest = newest(s)
			if changes(s) {
				tn.changed = now
			}
			if h := tn.horizon(now, settle, settleMax); h.complete > 0 {
				return s
			}
		}
		return -1
	}
	present := func(int) int32 { return today }
	always := func(int) bool { return true }
	never := func(int) bool { return false }

	loading := newTenant("a", time.UTC)
	loading.changed = begin
	if at := run(loading, 0, 3600, func(s int) int32 { return today - 3600 + int32(s) }, always); at >= 0 {
		t.Errorf("detection saw a day after %d s, while history was being loaded", at)
	}
	if at := run(loading, 3600, 60, present, never); at != 3600+9 {
		t.Errorf("detection saw the history %d s after the last change, want after %s", at-3599, settle)
	}
	if h := loading.horizon(begin.Add(2*time.Hour), settle, settleMax); h.complete != today-1 {
		t.Errorf("complete through %d, want yesterday, %d", h.complete, today-1)
	}

	trickle := newTenant("b", time.UTC)
	if at := run(trickle, 0, 3600, present, func(s int) bool { return s%5 == 0 }); at != int(settleMax.Seconds()) {
		t.Errorf("with late events all the time, detection went on after %d s, want %s", at, settleMax)
	}

	old := newTenant("c", time.UTC)
	if at := run(old, 0, 3600, func(int) int32 { return today - 5 }, func(s int) bool { return s%5 == 0 }); at >= 0 {
		t.Errorf("detection saw a history that has not reached the present after %d s", at)
	}
}
