// Package session is the session rule as a pure function. The SQL of the
// aggregator computes the same; a property test holds it to this package.
//
// The rule, for the interactive events of one actor (user, else anonymous
// visitor) of one partner in the order of (time, id):
//
//  1. More than 30 minutes without an event end a burst of activity (the
//     inactivity rule of GA4 and Plausible).
//  2. A burst that goes on without a pause through a whole local day is cut at
//     that day's midnight and at every later one, so a session spans two local
//     days at most and a day depends on its neighbours only.
//  3. Within a burst each distinct session_id of the producer is one session. An
//     event without one joins the session of the last event before it that has
//     one, else of the first after it; so a server's portal.login and the
//     browser's page views are one session. A burst without any is one session.
//
// A session belongs to the local day on which it starts.
//
// A view is a distinct view_id of page.viewed or content.viewed within a session.
// content.engaged is cumulative per view, so a view's engaged time is the maximum;
// when the view began in an earlier session, only what it grew by since the first
// report of this session counts.
package session

import (
	"cmp"
	"slices"
	"time"

	"partnerpulse/internal/event"
)

// The numbers of the rule.
const (
	InactivityMax    = 30 * time.Minute // a longer pause ends a session
	EngagedMsMin     = 10_000           // an engaged session has more (GA4)
	ViewsMin         = 2                // or so many views
	WordsPerMinute   = 238              // silent reading of non-fiction (Brysbaert 2019)
	ReferenceMs      = 60_000           // reading time of content of unknown length
	CountedViewsMax  = 20               // counted content views per actor and local day
	qualityTime      = 500_000          // shares of a view's quality, millionths
	qualityScrollPct = 3_000
	qualityAction    = 200_000
	qualityBounceMax = 100_000
)

// Event is what the rule needs of an interactive event.
type Event struct {
	ID, Actor, SessionID string
	Type                 event.Type
	Time                 time.Time // millisecond precision
	ViewID, ContentID    string
	PlaybookID           string
	EngagedMs            uint32 // cumulative per view
	ScrollPct            uint8  // 0–100
	Words, DurationS     uint32 // length of the content, 0 unknown
}

// Session is one session with its measures.
type Session struct {
	Actor, SessionID    string
	Start, End          time.Time
	Day                 int32 // local day of Start, days since 1970-01-01
	Events, Views       int
	ContentViews        int
	KeyEvents           int   // downloads, shares and pins
	EngagedMs           int64 // of views that reported it
	EngagedViews        int   // views whose engaged time is known
	Engaged, SingleView bool
	Quality             int64 // of its counted content views, millionths
}

// LocalDay is the civil day of t in loc, counted from 1970-01-01.
func LocalDay(t time.Time, loc *time.Location) int32 {
	y, m, d := t.In(loc).Date()
	return int32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Split derives the sessions of one partner from its interactive events, in any
// order, each once. The result is ordered by actor, start and session_id.
func Split(events []Event, loc *time.Location) []Session {
	return SplitCounting(events, loc, CountedViewsMax)
}

// SplitCounting is Split with another cap on the content views per actor and local
// day whose quality counts.
func SplitCounting(events []Event, loc *time.Location, viewsMax int) []Session {
	return split(events, loc, viewsMax, nil)
}

// ViewQuality is what a content.viewed event counts for.
type ViewQuality struct {
	EventID string
	Day     int32 // of the session, whose input it is in
	Quality int64 // millionths
}

// Qualities gives the content views that count, whose qualities are summed up in the
// sessions of SplitCounting.
func Qualities(events []Event, loc *time.Location, viewsMax int) []ViewQuality {
	var out []ViewQuality
	split(events, loc, viewsMax, func(v ViewQuality) { out = append(out, v) })
	slices.SortFunc(out, func(a, b ViewQuality) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.EventID, b.EventID))
	})
	return out
}

// split derives the sessions and tells each view that counts, unless tell is nil.
func split(events []Event, loc *time.Location, viewsMax int, tell func(ViewQuality)) []Session {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Actor, b.Actor), a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	counted := countedViews(events, loc, viewsMax)
	var out []Session
	for _, burst := range chunks(events, paused) {
		first := LocalDay(burst[0].Time, loc)
		part := func(e Event) int32 { return max(0, LocalDay(e.Time, loc)-first-1) }
		for _, segment := range chunks(burst, func(a, b Event) bool { return part(a) != part(b) }) {
			for _, group := range byProducer(segment) {
				out = append(out, measure(group, counted, loc, tell))
			}
		}
	}
	slices.SortFunc(out, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Actor, b.Actor), a.Start.Compare(b.Start), cmp.Compare(a.SessionID, b.SessionID))
	})
	return out
}

// countedViews names the content.viewed events within the cap.
func countedViews(events []Event, loc *time.Location, viewsMax int) map[string]bool {
	type key struct {
		actor string
		day   int32
	}
	seen := make(map[key]int)
	out := make(map[string]bool)
	for _, e := range events {
		if e.Type != event.ContentViewed {
			continue
		}
		k := key{e.Actor, LocalDay(e.Time, loc)}
		if seen[k]++; seen[k] <= viewsMax {
			out[e.ID] = true
		}
	}
	return out
}

// paused tells that a burst ends between two events that follow each other.
func paused(a, b Event) bool { return a.Actor != b.Actor || b.Time.Sub(a.Time) > InactivityMax }

// chunks cuts events wherever split says so of two that follow each other.
func chunks(events []Event, split func(a, b Event) bool) [][]Event {
	var out [][]Event
	start := 0
	for i := 1; i <= len(events); i++ {
		if i == len(events) || split(events[i-1], events[i]) {
			out = append(out, events[start:i])
			start = i
		}
	}
	return out
}

// byProducer groups a segment by session_id; events without one join a neighbour.
func byProducer(events []Event) [][]Event {
	current := ""
	for _, e := range events {
		if e.SessionID != "" {
			current = e.SessionID
			break
		}
	}
	index := make(map[string]int)
	var out [][]Event
	for _, e := range events {
		if e.SessionID != "" {
			current = e.SessionID
		}
		e.SessionID = current
		i, ok := index[current]
		if !ok {
			i = len(out)
			index[current] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], e)
	}
	return out
}
