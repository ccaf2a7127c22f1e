package plan

import (
	"fmt"
	"time"
)

// Day is a civil date without a zone, counted in days since 1970-01-01.
type Day int32

const dayLayout = "2006-01-02"

// Date gives the day of a calendar date.
func Date(year int, month time.Month, day int) Day {
	const secondsPerDay = 24 * 60 * 60
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// DayOf gives the date that a clock in loc shows at t.
func DayOf(t time.Time, loc *time.Location) Day { return Date(t.In(loc).Date()) }

// ParseDay reads "2006-01-02".
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(dayLayout, s)
	if err != nil {
		return 0, fmt.Errorf("reading day %q: %w", s, err)
	}
	return DayOf(t, time.UTC), nil
}

// Start is the first instant of the day in loc.
func (d Day) Start(loc *time.Location) time.Time {
	y, m, dd := d.utc().Date()
	return time.Date(y, m, dd, 0, 0, 0, 0, loc)
}

// Weekday of the date.
func (d Day) Weekday() time.Weekday { return d.utc().Weekday() }

// IsWeekend tells Saturday and Sunday.
func (d Day) IsWeekend() bool { return d.Weekday() == time.Saturday || d.Weekday() == time.Sunday }

// String gives "2006-01-02".
func (d Day) String() string { return d.utc().Format(dayLayout) }

// MarshalText makes a day readable in JSON.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (d *Day) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDay(string(b))
	return err
}

func (d Day) utc() time.Time { return time.Unix(0, 0).UTC().AddDate(0, 0, int(d)) }
