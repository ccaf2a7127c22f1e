package app

import (
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/chstore"
)

// RetentionConfig is how many days tables keep their rows; 0: for ever. What is not
// here is kept: it is small, and what is computed later is computed from it.
type RetentionConfig struct {
	EventsDays   int `yaml:"events_days"`
	SessionsDays int `yaml:"sessions_days"` // not less than events_days
	ScoresDays   int `yaml:"scores_days"`   // not less than events_days
	RejectsDays  int `yaml:"rejects_days"`  // default 90
}

const (
	rejectsDaysDefault = 90
	// A late event makes its day be computed again, with its neighbours and what
	// sessions reach into them. All of these days must still be complete then, also
	// when the aggregator is some days behind.
	retentionMarginDays = 7
	// The collector takes events of the last 30 days from everybody.
	eventsDaysMin = 30 + retentionMarginDays
)

// validate checks the values.
func (c *RetentionConfig) validate() error {
	var problems []error
	if c.EventsDays < 0 || c.SessionsDays < 0 || c.ScoresDays < 0 || c.RejectsDays < 0 {
		problems = append(problems, errors.New("days must not be negative"))
	}
	if c.EventsDays > 0 && c.EventsDays < eventsDaysMin {
		problems = append(problems, fmt.Errorf("events_days is %d: at least %d, or 0 for ever, since late events must find their day complete", c.EventsDays, eventsDaysMin))
	}
	for name, days := range map[string]int{"sessions_days": c.SessionsDays, "scores_days": c.ScoresDays} {
		if days > 0 && (c.EventsDays == 0 || days < c.EventsDays) {
			problems = append(problems, fmt.Errorf("%s is %d: it must not be less than events_days, or a late event would be counted in a day that has lost part of its rows", name, days))
		}
	}
	return errors.Join(problems...)
}

// tables gives what the store is told.
func (c *RetentionConfig) tables() []chstore.Retention {
	return []chstore.Retention{
		{Table: "events", Column: "day", Days: c.EventsDays},
		{Table: "xapi_statements", Column: "day", Days: c.EventsDays},
		{Table: "sessions", Column: "day", Days: c.SessionsDays},
		{Table: "partner_scores", Column: "as_of", Days: c.ScoresDays},
		{Table: "rejects", Column: "day", Days: c.RejectsDays},
	}
}

// acceptedDays is how old the day of an event may be; 0: any.
func (c *RetentionConfig) acceptedDays() int {
	if c.EventsDays == 0 {
		return 0
	}
	return c.EventsDays - retentionMarginDays
}

// recomputable is the first day that may be computed again; zero: every day.
func (c *RetentionConfig) recomputable(now time.Time) time.Time {
	if c.EventsDays == 0 {
		return time.Time{}
	}
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -c.acceptedDays())
}
