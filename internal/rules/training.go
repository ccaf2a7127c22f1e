// Package rules holds the rules beside sessions: training that lapses, certifications
// that expire, collateral that nobody reads, searches that find nothing. They are pure
// functions of dated facts, so that every recomputation finds the same episodes.
package rules

import (
	"cmp"
	"slices"

	"partnerpulse/internal/detect"
)

// Episode is one spell during which a rule's condition held.
type Episode struct {
	Firing detect.Day // first day on which it held
	Change detect.Day // first day of what led to it
	End    detect.Day // first day on which it held no more; NoDay: it holds
}

// TrainingConfig bounds the rules about training.
type TrainingConfig struct {
	// LapseFactor times the cadence is how many days may pass since the last
	// completion. 1.5 by SCORING's definition; at least 1.
	LapseFactor float64 `yaml:"lapse_factor"`
	// CadenceDays is the cadence of partners that committed to none.
	CadenceDays int `yaml:"cadence_days"`
	// ExpiryDays is how long before its end a certification is told as expiring.
	ExpiryDays int `yaml:"expiry_days"`
}

// DefaultTraining is 1.5 × 60 days, and 30 days before an expiry.
func DefaultTraining() TrainingConfig {
	return TrainingConfig{LapseFactor: 1.5, CadenceDays: 60, ExpiryDays: 30}
}

// Valid tells whether the values are in range.
func (c TrainingConfig) Valid() bool {
	return c.LapseFactor >= 1 && c.LapseFactor <= 100 && c.CadenceDays >= 1 && c.ExpiryDays >= 1
}

// Commitment is a cadence that holds from a day on.
type Commitment struct {
	From        detect.Day
	CadenceDays int
}

// Lapse is an episode of lapsed training.
type Lapse struct {
	Episode
	Last        detect.Day // of the last completion; NoDay: none since the commitment
	CadenceDays int
	LimitDays   int // days since Last (or the commitment) from which it counts as lapsed
}

// Lapses gives the episodes of lapsed training up to and including through, in order.
//
// Training has lapsed on a day when more than LapseFactor × cadence days have passed
// since the last completion, with the cadence in force on that day. A partner that
// has completed nothing counts from its first commitment; one that has neither
// completed nor committed anything never began, and does not lapse. Days and
// commitments may come in any order.
func (c TrainingConfig) Lapses(completed []detect.Day, commitments []Commitment, through detect.Day) []Lapse {
	completed = slices.Clone(completed)
	slices.Sort(completed)
	completed = slices.Compact(completed)
	commitments = slices.Clone(commitments)
	slices.SortStableFunc(commitments, func(x, y Commitment) int { return cmp.Compare(x.From, y.From) })

	var out []Lapse
	starts := completed
	if len(commitments) > 0 && (len(completed) == 0 || commitments[0].From < completed[0]) {
		starts = append([]detect.Day{commitments[0].From}, completed...)
	}
	for i, start := range starts {
		end := through + 1
		if i+1 < len(starts) {
			end = min(end, starts[i+1])
		}
		last := start
		if len(completed) == 0 || start < completed[0] {
			last = detect.NoDay
		}
		for _, l := range c.lapsesBetween(start, end, commitments) {
			l.Last = last
			if l.End > through {
				l.End = detect.NoDay
			}
			out = append(out, l)
		}
	}
	return out
}

// lapsesBetween gives the episodes of [start, end) after a completion on start. A new
// commitment can end one (a longer cadence) or begin one.
func (c TrainingConfig) lapsesBetween(start, end detect.Day, commitments []Commitment) []Lapse {
	var out []Lapse
	open := false
	from := start
	for i := 0; i <= len(commitments); i++ { // the pieces between commitments
		cadence, to := c.CadenceDays, end
		if i > 0 {
			cadence, from = commitments[i-1].CadenceDays, max(start, commitments[i-1].From)
		}
		if i < len(commitments) {
			to = min(end, commitments[i].From)
		}
		if to <= from || cadence <= 0 {
			continue
		}
		limit := int(c.LapseFactor * float64(cadence))
		first := max(from, start+detect.Day(limit)+1)
		switch {
		case first >= to: // not lapsed within this piece
			if open {
				out[len(out)-1].End = from
			}
			open = false
		case !open || first > from:
			if open {
				out[len(out)-1].End = from
			}
			out = append(out, Lapse{Episode: Episode{Firing: first, Change: start + 1}, CadenceDays: cadence, LimitDays: limit})
			open = true
		}
	}
	if open {
		out[len(out)-1].End = end
	}
	return out
}

// Certificate is one certification as it was earned.
type Certificate struct {
	Earned  detect.Day
	Expires detect.Day // last day on which it is valid
}

// Expiry is an episode of a certification that expires or has expired.
type Expiry struct {
	Episode
	Expires detect.Day
	Expired bool // false: it is still valid, but not for long
}

// Expiries gives the episodes of one partner's certification in one course up to and
// including through, in order. The partner is certified as long as anyone of it is:
// of several certificates the latest expiry that was earned by then counts. It is
// expiring from ExpiryDays before its last day on, and expired from the day after.
func (c TrainingConfig) Expiries(certificates []Certificate, through detect.Day) []Expiry {
	certificates = slices.Clone(certificates)
	slices.SortStableFunc(certificates, func(x, y Certificate) int {
		return cmp.Or(cmp.Compare(x.Earned, y.Earned), cmp.Compare(x.Expires, y.Expires))
	})
	var out []Expiry
	valid := detect.NoDay // the latest expiry so far
	for i, cert := range certificates {
		if cert.Expires <= valid {
			continue // another one lasts longer
		}
		valid = cert.Expires
		end := through + 1 // first day on which a longer one counts
		for _, later := range certificates[i+1:] {
			if later.Expires > valid {
				end = min(end, later.Earned)
				break
			}
		}
		add := func(firing, until detect.Day, expired bool) {
			firing = max(firing, cert.Earned)
			if firing >= until || firing > through {
				return
			}
			e := Expiry{Episode: Episode{Firing: firing, Change: firing, End: until}, Expires: valid, Expired: expired}
			if until > through {
				e.End = detect.NoDay
			}
			out = append(out, e)
		}
		add(valid-detect.Day(c.ExpiryDays), min(end, valid+1), false)
		add(valid+1, end, true)
	}
	return out
}
