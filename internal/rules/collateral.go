package rules

import (
	"slices"

	"partnerpulse/internal/detect"
)

// CollateralConfig bounds the rules about documents and searches. A label begins an
// episode on its first day, and ends it only after some days without it, so that what
// wavers around a limit is told once.
type CollateralConfig struct {
	EndDays         int     `yaml:"end_days"`          // days without the label that end neglected and seen_not_read
	WindowDays      int     `yaml:"window_days"`       // over which searches for a term are counted
	SearchesMin     int     `yaml:"searches_min"`      // search_gap: at least so many in the window,
	SearchFailedMin float64 `yaml:"search_failed_min"` // of which at least this share found nothing useful
	SearchEndDays   int     `yaml:"search_end_days"`   // days without that which end it
}

// DefaultCollateral gives the documented limits.
func DefaultCollateral() CollateralConfig {
	return CollateralConfig{EndDays: 7, WindowDays: 30, SearchesMin: 10, SearchFailedMin: .8, SearchEndDays: 14}
}

// Valid tells whether the values are in range.
func (c CollateralConfig) Valid() bool {
	return c.EndDays >= 1 && c.SearchEndDays >= 1 && c.WindowDays >= 1 && c.SearchesMin >= 1 && c.SearchFailedMin > 0 && c.SearchFailedMin <= 1
}

// Labelled gives the episodes of a label from the days on which it was there, in any
// order: a pause of fewer than endDays does not end one. An episode ends on the
// endDays-th day without the label, if that is not after through.
func Labelled(days []detect.Day, endDays int, through detect.Day) []Episode {
	days = slices.Clone(days)
	slices.Sort(days)
	var out []Episode
	last := detect.NoDay
	for _, day := range days {
		if day > through {
			break
		}
		if len(out) == 0 || day >= last+detect.Day(endDays) {
			if len(out) > 0 {
				out[len(out)-1].End = last + detect.Day(endDays)
			}
			out = append(out, Episode{Firing: day, Change: day})
		}
		last = day
	}
	if len(out) > 0 && last+detect.Day(endDays) <= through {
		out[len(out)-1].End = last + detect.Day(endDays)
	}
	return out
}

// Searched is what was searched for a term on one day.
type Searched struct {
	Day              detect.Day
	Searches, Failed int // failed: without a result, or with results and no click
}

// Gap is an episode during which a term found nothing useful.
type Gap struct {
	Episode
	Searches, Failed int // in the window that ends with the first day
}

// Gaps gives the episodes of one term up to through: from a day on whose window has
// at least SearchesMin searches of which at least SearchFailedMin failed. Days without
// a search may be left out; the days may come in any order, each once.
func (c CollateralConfig) Gaps(days []Searched, through detect.Day) []Gap {
	byDay := make(map[detect.Day]Searched, len(days))
	var labelled []detect.Day
	for _, d := range days {
		byDay[d.Day] = d
	}
	window := func(end detect.Day) (searches, failed int) {
		for day := end - detect.Day(c.WindowDays) + 1; day <= end; day++ {
			searches, failed = searches+byDay[day].Searches, failed+byDay[day].Failed
		}
		return searches, failed
	}
	for _, d := range days {
		if s, f := window(d.Day); s >= c.SearchesMin && float64(f) >= c.SearchFailedMin*float64(s) {
			labelled = append(labelled, d.Day)
		}
	}
	var out []Gap
	for _, e := range Labelled(labelled, c.SearchEndDays, through) {
		s, f := window(e.Firing)
		out = append(out, Gap{Episode: e, Searches: s, Failed: f})
	}
	return out
}
