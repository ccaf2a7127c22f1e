package rules

import (
	"cmp"
	"slices"

	"partnerpulse/internal/detect"
)

// CollateralConfig bounds the rules about documents and searches. Each condition has
// a weaker limit for ending than for beginning, so that nothing flickers.
type CollateralConfig struct {
	AgeDaysMin      int     `yaml:"age_days_min"`      // a younger document is not neglected yet
	ReachPctMax     float64 `yaml:"reach_pct_max"`     // neglected: the 95 % upper bound of reach is below
	ReachPctEnd     float64 `yaml:"reach_pct_end"`     // and no more from here on
	SeenReachMin    float64 `yaml:"seen_reach_min"`    // seen_not_read: the reach sub-score is at least,
	SeenDepthMax    float64 `yaml:"seen_depth_max"`    // and the depth sub-score below
	SeenDepthEnd    float64 `yaml:"seen_depth_end"`    // and no more from here on
	SearchesMin     int     `yaml:"searches_min"`      // search_gap: searches in the window,
	SearchFailedMin float64 `yaml:"search_failed_min"` // of which this share found nothing useful
	SearchFailedEnd float64 `yaml:"search_failed_end"` // and no more below
}

// DefaultCollateral gives the documented limits.
func DefaultCollateral() CollateralConfig {
	return CollateralConfig{
		AgeDaysMin: 30, ReachPctMax: 5, ReachPctEnd: 7.5, SeenReachMin: 60, SeenDepthMax: 25, SeenDepthEnd: 35,
		SearchesMin: 10, SearchFailedMin: .8, SearchFailedEnd: .6,
	}
}

// Document is what is known of a document on a day.
type Document struct {
	Day          detect.Day
	AgeDays      int
	ReachPctHigh float64 // 95 % upper bound of the reach, per cent of the entitled partners
	Reach, Depth float64 // sub-scores, 0–100
}

// Term is what is known of a search term on a day, over the window that ends with it.
type Term struct {
	Day              detect.Day
	Searches, Failed int
}

// Neglected gives the episodes during which hardly any partner opened a document.
func (c CollateralConfig) Neglected(days []Document) []Episode {
	return episodes(days, func(d Document) detect.Day { return d.Day },
		func(d Document) bool { return d.AgeDays >= c.AgeDaysMin && d.ReachPctHigh < c.ReachPctMax },
		func(d Document) bool { return d.ReachPctHigh >= c.ReachPctEnd })
}

// SeenNotRead gives the episodes during which many opened a document and few read on.
func (c CollateralConfig) SeenNotRead(days []Document) []Episode {
	return episodes(days, func(d Document) detect.Day { return d.Day },
		func(d Document) bool { return d.Reach >= c.SeenReachMin && d.Depth < c.SeenDepthMax },
		func(d Document) bool { return d.Depth >= c.SeenDepthEnd })
}

// SearchGap gives the episodes during which a term found nothing useful. A window
// with fewer searches than SearchesMin says nothing and ends nothing, unless it has
// none at all.
func (c CollateralConfig) SearchGap(days []Term) []Episode {
	share := func(t Term) float64 { return float64(t.Failed) / float64(max(t.Searches, 1)) }
	return episodes(days, func(t Term) detect.Day { return t.Day },
		func(t Term) bool { return t.Searches >= c.SearchesMin && share(t) >= c.SearchFailedMin },
		func(t Term) bool {
			return t.Searches == 0 || t.Searches >= c.SearchesMin && share(t) < c.SearchFailedEnd
		})
}

// episodes runs over the days in order with hysteresis.
func episodes[T any](days []T, day func(T) detect.Day, begins, ends func(T) bool) []Episode {
	days = slices.Clone(days)
	slices.SortStableFunc(days, func(x, y T) int { return cmp.Compare(day(x), day(y)) })
	var out []Episode
	open := false
	for _, d := range days {
		switch {
		case !open && begins(d):
			out, open = append(out, Episode{Firing: day(d), Change: day(d)}), true
		case open && ends(d):
			out[len(out)-1].End, open = day(d), false
		}
	}
	return out
}
