package event_test

import (
	"errors"
	"testing"
	"time"

	"partnerpulse/internal/event"
)

func TestParseTimeIsStrict(t *testing.T) {
	want := time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)
	for _, s := range []string{"2026-11-03T09:15:00Z", "2026-11-03T09:15:00.000Z", "2026-11-03T10:15:00+01:00", "2026-11-02T09:16:00-23:59"} {
		if got, err := event.ParseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, error %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "Z", "2026-11-03", "2026-11-03T9:15:00Z", "2026-11-03T09:15:00,5Z", "2026-11-03T09:15:00", "2026-11-03 09:15:00Z",
		"2026-11-03T09:15:00+24:00", "2026-11-03T09:15:00+01:60", "2026-11-03T09:15:00+0100", "2026-02-30T09:15:00Z", "2026-11-03T24:00:00Z",
	} {
		if got, err := event.ParseTime(s); !errors.Is(err, event.ErrTime) {
			t.Errorf("%q is taken as %v, error %v", s, got, err)
		}
	}
}
