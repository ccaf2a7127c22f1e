package plan

import (
	"math"

	"partnerpulse/internal/event"
)

// origin is how a reader got to a document.
type origin struct {
	source, playbook, searchID string
	position                   int
}

const (
	quickBackShare  = .10 // of views that end at once
	engagedMax      = 14 * 60.0
	flushesMax      = 4
	secondsPerFlush = 90.0
)

// view opens a document, reads some of it, and perhaps takes it along.
func (s *session) view(c *Content, from origin) {
	id := s.newID("v")
	s.add(event.ContentViewed, c.path(), c.Title, newFields().str("view_id", id).str("content_id", c.ID).
		str("kind", c.Kind).pos("words", c.Words).pos("pages", c.Pages).pos("duration_s", c.DurationS).
		str("version", "1").str("entry_source", from.source).opt("playbook_id", from.playbook).
		opt("search_id", from.searchID).pos("position", from.position).end())
	seconds := s.read(c, id)
	if seconds < 10 {
		return
	}
	if chance(s.r, .17) {
		s.pause(1, 6)
		s.add(event.ContentDownloaded, c.path(), c.Title, newFields().str("content_id", c.ID).str("view_id", id).end())
	}
	if chance(s.r, .05) {
		s.pause(2, 15)
		s.add(event.ContentShared, c.path(), c.Title, newFields().str("content_id", c.ID).str("view_id", id).
			str("channel", pick(s.r, []string{"email", "link", "teams", "slack"})).end())
	}
}

// read reports the engaged time and depth as the tracker does: cumulative, at a
// few instants, the last one when the reader leaves. It returns the engaged seconds.
func (s *session) read(c *Content, view string) float64 {
	share := min(1.2, logNormal(s.r, c.depth, .55))
	if chance(s.r, quickBackShare) {
		share = .01
	}
	total := min(engagedMax, max(1.5, share*c.referenceSeconds()))
	flushes := int(min(flushesMax, 1+total/secondsPerFlush))
	depth := math.Round(min(100, 8+100*share*between(s.r, .85, 1.25)))
	for n := 1; n <= flushes; n++ {
		part := float64(n) / float64(flushes)
		// Some of the time the tab is hidden: it passes without being engaged.
		s.advance(total / float64(flushes) * between(s.r, 1, 1.35))
		scroll := int(math.Round(depth * math.Sqrt(part)))
		f := newFields().str("view_id", view).str("content_id", c.ID).num("engaged_ms", int(1000*total*part))
		switch {
		case c.DurationS > 0:
			f = f.num("max_scroll_pct", 100).num("media_pct", int(min(100, 100*total*part/float64(c.DurationS))))
		case c.Pages > 0:
			f = f.num("max_scroll_pct", scroll).num("pages_seen", 1+(c.Pages-1)*scroll/100)
		default:
			f = f.num("max_scroll_pct", scroll)
		}
		s.add(event.ContentEngaged, c.path(), c.Title, f.end())
	}
	return total
}

const (
	gapShare    = .11 // of searches for something that does not exist
	clickShare  = .72 // of searches with results that lead to a click
	refineShare = .5  // of fruitless searches that are tried again
)

// search looks for something, clicks a result, or tries again.
func (s *session) search() {
	for range 3 {
		id, query, results := s.newID("q"), pick(s.r, queries()), 1+poisson(s.r, 7)
		if chance(s.r, gapShare) {
			query, results = pick(s.r, searchGaps()), 0
		}
		s.add(event.SearchPerformed, "/search", "Search", newFields().str("search_id", id).str("query", query).num("results_count", results).end())
		s.pause(2, 12)
		if results > 0 && chance(s.r, clickShare) {
			position := 1 + min(results-1, int(s.r.ExpFloat64()*1.6))
			c := s.document()
			s.add(event.SearchClicked, "/search", "Search", newFields().str("search_id", id).str("content_id", c.ID).num("position", position).end())
			s.pause(.3, 1.5)
			s.view(c, origin{source: "search", searchID: id, position: position})
			return
		}
		if !chance(s.r, refineShare) {
			return
		}
	}
}
