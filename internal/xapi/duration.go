package xapi

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// durationForm has a group for weeks, years, months, days, hours, minutes, seconds.
var durationForm = regexp.MustCompile(strings.ReplaceAll(
	`^P(?:#W|(?:#Y)?(?:#M)?(?:#D)?(?:T(?:#H)?(?:#M)?(?:#S)?)?)$`, "#", `(\d+(?:[.,]\d+)?)`))

// Seconds reads an ISO 8601 duration, to a hundredth of a second, as xAPI compares
// them. A year counts 365 days and a month 30. ok is false for another form, and
// for P and PT alone.
func Seconds(s string) (seconds float64, ok bool) {
	const day = 86400
	if len(s) > 100 {
		return 0, false
	}
	parts := durationForm.FindStringSubmatch(s)
	if parts == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return 0, false
	}
	units := []float64{7 * day, 365 * day, 30 * day, day, 3600, 60, 1}
	for i, text := range parts[1:] {
		if text == "" {
			continue
		}
		n, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
		if err != nil {
			return 0, false
		}
		seconds += n * units[i]
	}
	return math.Round(seconds*100) / 100, true
}
