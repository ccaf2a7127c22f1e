package plan

import (
	"math"
	"time"
)

// weekdayProfile is the expected share of a working day's sessions, from Sunday.
func weekdayProfile(d time.Weekday) float64 {
	return [7]float64{.08, 1.02, 1.12, 1.10, 1.04, .82, .11}[d]
}

const (
	holidayShare   = .07 // of a normal day's sessions on a public holiday
	seasonShare    = .08 // amplitude of the seasonal wiggle
	seasonDays     = 61  // its period
	quarterEndRise = .12 // more to do in a quarter's last ten days
)

// season is the programme-wide wiggle: a slow wave and busier quarter ends.
func season(d Day) float64 {
	s := 1 + seasonShare*math.Sin(2*math.Pi*float64(d)/seasonDays)
	_, month, date := d.utc().Date()
	if month%3 == 0 && date > 20 {
		s += quarterEndRise
	}
	return s
}

// isHoliday tells the public holidays of a region on which offices are closed.
func isHoliday(d Day, region string) bool {
	year, month, date := d.utc().Date()
	easter := easterSunday(year)
	at := func(m time.Month, dd int) bool { return month == m && date == dd }
	if at(time.January, 1) || at(time.December, 25) || d == easter-2 {
		return true
	}
	switch region {
	case "AMER":
		nth := (date-1)/7 + 1
		monday, thursday := d.Weekday() == time.Monday, d.Weekday() == time.Thursday
		return at(time.July, 4) || month == time.September && monday && nth == 1 ||
			month == time.November && thursday && nth == 4 || month == time.May && monday && date > 24
	case "EMEA":
		return at(time.May, 1) || at(time.December, 26) || at(time.December, 24) || at(time.November, 1) || d == easter+1
	default:
		return at(time.May, 1) || at(time.December, 26) || month == time.October && date <= 3
	}
}

// easterSunday is the Gregorian computus (Meeus, Astronomical Algorithms, 1991).
func easterSunday(year int) Day {
	a, b, c := year%19, year/100, year%100
	g := (8*b + 13) / 25
	h := (19*a + b - b/4 - g + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return Date(year, time.Month(n/31), n%31+1)
}
