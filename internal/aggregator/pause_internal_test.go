package aggregator

import (
	"testing"
	"time"
)

// TestTicksBeginAtIntervalsWhileThereIsWork, or at once after one that took longer; with
// nothing to do, the pause is whole.
func TestTicksBeginAtIntervalsWhileThereIsWork(t *testing.T) {
	a := &Aggregator{cfg: Config{Interval: time.Second}}
	for _, c := range []struct {
		keys       int
		took, want time.Duration
	}{
		{0, 0, time.Second},
		{0, 5 * time.Second, time.Second},
		{7, 300 * time.Millisecond, 700 * time.Millisecond},
		{7, 5 * time.Second, 0},
	} {
		if got := a.pause(Work{Keys: c.keys}, c.took); got != c.want {
			t.Errorf("%d keys in %s: a pause of %s, want %s", c.keys, c.took, got, c.want)
		}
	}
}
