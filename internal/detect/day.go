package detect

import (
	"fmt"
	"time"
)

// Day is a civil day of the tenant, counted from 1970-01-01. It is written as an
// ISO 8601 date, NoDay as the empty string.
type Day int32

// NoDay stands for "not yet"; it is the zero value, 1970-01-01, a day on which no
// portal existed.
const NoDay Day = 0

// dayLayout is the ISO 8601 calendar date.
const dayLayout = "2006-01-02"

// DayOf gives the civil day that t shows in its own location.
func DayOf(t time.Time) Day {
	year, month, day := t.Date()
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Time is the midnight, in UTC, of the day's date.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Weekday is the day of the week.
func (d Day) Weekday() time.Weekday {
	// 1970-01-01 was a Thursday.
	return time.Weekday(((int(d)+int(time.Thursday))%7 + 7) % 7)
}

// String is the ISO 8601 date, empty for NoDay.
func (d Day) String() string {
	if d == NoDay {
		return ""
	}
	return d.Time().Format(dayLayout)
}

// MarshalText is String as bytes.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Day) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = NoDay
		return nil
	}
	t, err := time.Parse(dayLayout, string(b))
	if err != nil {
		return fmt.Errorf("parsing day: %w", err)
	}
	*d = DayOf(t)
	return nil
}
