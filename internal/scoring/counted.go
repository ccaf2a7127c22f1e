package scoring

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// partnerEvent is one row of partner_events.sql.
type partnerEvent struct {
	ID         string    `ch:"id"`
	Kind       string    `ch:"kind"`
	Actor      string    `ch:"actor"`
	At         time.Time `ch:"at"`
	SessionID  string    `ch:"session_id"`
	ViewID     string    `ch:"view_id"`
	ContentID  string    `ch:"content_id"`
	PlaybookID string    `ch:"playbook_id"`
	EngagedMs  uint32    `ch:"engaged_ms"`
	Scroll     uint8     `ch:"scroll"`
	Words      uint32    `ch:"words"`
	DurationS  uint32    `ch:"duration_s"`
	StageTo    string    `ch:"stage_to"`
	StageFrom  string    `ch:"stage_from"`
	Answer     int32     `ch:"answer"` // NPS 0–10; 255: none
}

// counting says how a tenant's events become inputs.
type counting struct {
	loc    *time.Location
	stages []string // of a deal, in order, lower case
	max    int      // events of a user, day and type that count
}

// forward tells a step to a later stage; from or to an unknown one any change is.
func (c *counting) forward(e *partnerEvent) bool {
	from, to := slices.Index(c.stages, strings.ToLower(e.StageFrom)), slices.Index(c.stages, strings.ToLower(e.StageTo))
	return e.StageTo != e.StageFrom && (from < 0 || to < 0 || to > from)
}

// values are the inputs of events that count by themselves.
func (c *counting) value(e *partnerEvent) (score.Component, int64) {
	switch event.Type(e.Kind) {
	case event.TrainingProgressed:
		return score.Training, score.ValueProgressed
	case event.TrainingCompleted:
		return score.Training, score.ValueCompleted
	case event.TrainingCertified:
		return score.Training, score.ValueCertified
	case event.DealRegistered:
		return score.Pipeline, score.ValueRegistered
	case event.DealWon:
		return score.Pipeline, score.ValueWon
	case event.DealStageChanged:
		if c.forward(e) {
			return score.Pipeline, score.ValueForward
		}
	}
	return score.ComponentCount, 0
}

// counted says for each event that counts what it counts for, by the rules of
// daily.sql and sessions.sql of the aggregator: the first so many of a user, day and
// type count; the first event of a user on a day carries the active user-day; a
// content view carries its quality, on the day of its session.
func (c *counting) counted(events []partnerEvent) []score.Counted {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b partnerEvent) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	type kind struct {
		actor, typ string
		day        int32
	}
	seen := make(map[kind]int)
	var out []score.Counted
	var interactive []session.Event
	for i := range events {
		e := &events[i]
		typ, day := event.Type(e.Kind), session.LocalDay(e.At, c.loc)
		one := score.Counted{ID: e.ID, Type: e.Kind, Day: day}
		if typ.IsInteractive() {
			interactive = append(interactive, session.Event{
				ID: e.ID, Actor: e.Actor, SessionID: e.SessionID, Type: typ, Time: e.At, ViewID: e.ViewID, ContentID: e.ContentID,
				PlaybookID: e.PlaybookID, EngagedMs: e.EngagedMs, ScrollPct: e.Scroll, Words: e.Words, DurationS: e.DurationS,
			})
			k := kind{e.Actor, "", day}
			if seen[k]++; seen[k] == 1 {
				one.Component, one.Value = score.Activity, score.ValueActiveUser
				out = append(out, one)
			}
			continue
		}
		component, v := c.value(e)
		if v > 0 {
			k := kind{e.Actor, e.Kind, day}
			if seen[k]++; seen[k] <= c.max {
				one.Value = v
			}
		}
		switch {
		case typ == event.TrainingCompleted, typ == event.TrainingPassed, typ == event.TrainingCertified:
			component, one.Completion = score.Training, true
		case typ == event.SurveyNPSAnswered && e.Answer <= 10:
			component, one.Response = score.Sentiment, true
			one.Net = int64(net(e.Answer))
		case one.Value == 0:
			continue
		}
		one.Component = component
		out = append(out, one)
	}
	for _, q := range session.Qualities(interactive, c.loc, c.max) {
		out = append(out, score.Counted{ID: q.EventID, Type: string(event.ContentViewed), Day: q.Day, Component: score.Content, Value: q.Quality})
	}
	return out
}

// net is 1 for a promoter, −1 for a detractor.
func net(answer int32) int {
	switch {
	case answer >= 9:
		return 1
	case answer <= 6:
		return -1
	}
	return 0
}

// countedTypes are the types that counted looks at.
func countedTypes() []string {
	var out []string
	for _, t := range event.Types() {
		switch t {
		case event.TrainingProgressed, event.TrainingCompleted, event.TrainingPassed, event.TrainingCertified,
			event.DealRegistered, event.DealWon, event.DealStageChanged, event.SurveyNPSAnswered:
			out = append(out, string(t))
		default:
			if t.IsInteractive() {
				out = append(out, string(t))
			}
		}
	}
	return out
}
