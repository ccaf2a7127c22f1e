package aggregator_test

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

func dayText(day int32) string { return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly) }

func (c *chronicle) day(f *fact) int32 { return session.LocalDay(f.Time, c.loc) }

// ofPartners groups the counted facts by partner, in the order of time and id.
func (c *chronicle) ofPartners() map[string][]*fact {
	out := make(map[string][]*fact)
	for _, f := range c.counted() {
		out[f.Partner] = append(out[f.Partner], f)
	}
	for _, facts := range out {
		slices.SortStableFunc(facts, func(a, b *fact) int {
			if d := a.Time.Compare(b.Time); d != 0 {
				return d
			}
			return strings.Compare(a.ID, b.ID)
		})
	}
	return out
}

func (c *chronicle) sessionsOf(facts []*fact) []session.Session {
	var events []session.Event
	for _, f := range facts {
		if x := &f.fields; f.Type.IsInteractive() {
			events = append(events, session.Event{
				ID: f.ID, Actor: f.Actor, SessionID: f.Session, Type: f.Type, Time: f.Time, ViewID: x.ViewID, ContentID: x.ContentID,
				PlaybookID: x.PlaybookID, EngagedMs: x.EngagedMS, ScrollPct: x.MaxScrollPct, Words: x.Words, DurationS: x.DurationS,
			})
		}
	}
	return session.Split(events, c.loc)
}

func (c *chronicle) checkUsers() {
	c.t.Helper()
	type key struct {
		partner, actor string
		day            int32
	}
	out := make(map[key]map[string]int64)
	row := func(k key) map[string]int64 {
		if out[k] == nil {
			out[k] = make(map[string]int64)
		}
		return out[k]
	}
	columns := map[event.Type]string{
		event.PageViewed: "page_views", event.ContentViewed: "content_views", event.ContentDownloaded: "downloads",
		event.ContentShared: "shares", event.PlaybookPinned: "pins", event.SearchPerformed: "searches", event.TrainingCompleted: "completions",
		event.TrainingPassed: "completions", event.TrainingCertified: "certifications", event.DealRegistered: "deals_registered",
	}
	for partner, facts := range c.ofPartners() {
		for _, f := range facts {
			if f.Type.IsDirectory() {
				continue
			}
			r := row(key{partner, f.Actor, c.day(f)})
			r["events"]++
			if f.Type.IsInteractive() {
				r["active"] = 1
			}
			if f.Type == event.PortalLogin && f.Data["success"] != false {
				r["logins"]++
			}
			if name := columns[f.Type]; name != "" {
				r[name]++
			}
		}
		spans := make(map[key][]session.Session)
		for _, s := range c.sessionsOf(facts) {
			k := key{partner, s.Actor, s.Day}
			r := row(k)
			r["sessions"]++
			r["engaged_ms"] += s.EngagedMs
			r["engaged_views"] += int64(s.EngagedViews)
			if s.Engaged {
				r["engaged_sessions"]++
			} else {
				r["ga4_bounces"]++
			}
			if s.SingleView {
				r["single_view_bounces"]++
			}
			spans[k] = append(spans[k], s)
		}
		for k, list := range spans {
			row(k)["portal_ms"] = present(list)
		}
	}
	names := "active, sessions, engaged_sessions, ga4_bounces, single_view_bounces, portal_ms, engaged_ms, engaged_views, logins, page_views, " +
		"content_views, downloads, shares, pins, searches, completions, certifications, deals_registered, events"
	var want [][]any
	for k, r := range out {
		line := []any{k.partner, k.actor, dayText(k.day)}
		for name := range strings.SplitSeq(names, ", ") {
			line = append(line, r[name])
		}
		want = append(want, line)
	}
	c.same("user_daily", "partner_id, actor, day, "+names, want)
}

// present is how long somebody is in at least one of the sessions, milliseconds:
// between any two ends of them one is in the same sessions all the time.
func present(sessions []session.Session) (sum int64) {
	var ends []int64
	for _, s := range sessions {
		ends = append(ends, s.Start.UnixMilli(), s.End.UnixMilli())
	}
	slices.Sort(ends)
	for i := range len(ends) - 1 {
		if slices.ContainsFunc(sessions, func(s session.Session) bool {
			return s.Start.UnixMilli() <= ends[i] && ends[i+1] <= s.End.UnixMilli()
		}) {
			sum += ends[i+1] - ends[i]
		}
	}
	return sum
}

// contentKey is a content, a partner and a local day.
type contentKey struct {
	content, partner string
	day              int32
}

type contentDay struct {
	counts  map[string]int64
	readers map[string]bool
}

func (c *chronicle) checkContent() {
	c.t.Helper()
	out := make(map[contentKey]*contentDay)
	for partner, facts := range c.ofPartners() {
		c.consumed(out, partner, facts)
	}
	names := "known_views, engaged_ms, depth_sum, downloads, shares, pins, search, browse, email, link, playbook, unknown, quick_backs, " +
		"quality, impressions, search_clicks"
	var want [][]any
	for k, d := range out {
		readers := []string{}
		for r := range d.readers {
			readers = append(readers, r)
		}
		slices.Sort(readers)
		line := []any{k.content, k.partner, dayText(k.day), d.counts["views"], len(readers), readers}
		for name := range strings.SplitSeq(names, ", ") {
			line = append(line, d.counts[name])
		}
		want = append(want, line)
	}
	c.same("content_daily", "content_id, partner_id, day, views, readers, actors, known_views, engaged_ms, depth_sum, downloads, shares, pins, "+
		"from_search, from_browse, from_email, from_link, from_playbook, from_unknown, quick_backs, quality, impressions, search_clicks", want)
}

// consumed goes through the facts of a partner one by one and, for each view, again.
func (c *chronicle) consumed(out map[contentKey]*contentDay, partner string, facts []*fact) {
	row := func(content string, day int32) *contentDay {
		k := contentKey{content, partner, day}
		if out[k] == nil {
			out[k] = &contentDay{map[string]int64{}, map[string]bool{}}
		}
		return out[k]
	}
	sessions := c.sessionsOf(facts)
	actions := map[event.Type]string{
		event.ContentDownloaded: "downloads", event.ContentShared: "shares", event.PlaybookPinned: "pins", event.SearchClicked: "search_clicks",
	}
	for i, f := range facts {
		id, day := f.fields.ContentID, c.day(f)
		if name := actions[f.Type]; name != "" && id != "" {
			row(id, day).counts[name]++
		}
		if results, ok := f.Data["results"].([]string); ok && f.Type == event.SearchPerformed {
			for _, r := range slices.Compact(slices.Sorted(slices.Values(results))) {
				row(r, day).counts["impressions"]++
			}
		}
		if f.Type == event.ContentViewed && id != "" && !c.wasViewed(facts, i) {
			c.view(row(id, day), facts, i, sessions)
		}
	}
}

// sameView tells whether two facts are of one view.
func sameView(a, b *fact) bool {
	return a.Actor == b.Actor && a.fields.ContentID == b.fields.ContentID && a.fields.ViewID == b.fields.ViewID
}

// wasViewed tells whether the view of facts[i] was viewed before on the day or the one before.
func (c *chronicle) wasViewed(facts []*fact, i int) bool {
	for _, f := range facts[:i] {
		if f.Type == event.ContentViewed && sameView(f, facts[i]) && c.day(f) >= c.day(facts[i])-1 {
			return true
		}
	}
	return false
}

func (c *chronicle) view(d *contentDay, facts []*fact, i int, sessions []session.Session) {
	f := facts[i]
	d.readers[f.Actor] = true
	d.counts["views"]++
	source := f.fields.EntrySource
	if source == "" {
		source = "unknown"
	}
	d.counts[source]++
	known, acted, ms, scroll := false, false, int64(0), int64(0)
	for _, g := range facts {
		if g.Type == event.ContentEngaged && sameView(f, g) && (c.day(g) == c.day(f) || c.day(g) == c.day(f)+1) {
			known, ms, scroll = true, max(ms, int64(g.fields.EngagedMS)), max(scroll, int64(g.fields.MaxScrollPct))
		}
		key := g.Type == event.ContentDownloaded || g.Type == event.ContentShared || g.Type == event.PlaybookPinned
		acted = acted || key && g.Actor == f.Actor && g.fields.ContentID == f.fields.ContentID && c.day(g) == c.day(f)
	}
	if known {
		d.counts["known_views"]++
		d.counts["engaged_ms"] += ms
		d.counts["depth_sum"] += scroll
	}
	if quickBack(facts, i) {
		d.counts["quick_backs"]++
	}
	reference := int64(60_000)
	if f.fields.Words > 0 {
		reference = max(1, int64(f.fields.Words)*60_000/238)
	} else if f.fields.DurationS > 0 {
		reference = int64(f.fields.DurationS) * 1000
	}
	q := 500_000*min(ms, reference)/reference + 3000*scroll
	if acted {
		q += 200_000
	}
	if c.bounced(f, sessions) {
		q = min(q, 100_000)
	}
	d.counts["quality"] += q
}

// bounced tells whether the person's session was a bounce: the last one that began on
// the day and not after the view.
func (c *chronicle) bounced(f *fact, sessions []session.Session) bool {
	var start time.Time
	found, engaged := false, false
	for _, s := range sessions {
		if s.Actor != f.Actor || s.Day != c.day(f) || s.Start.After(f.Time) || s.Start.Before(start) {
			continue
		}
		if s.Start.After(start) {
			engaged = false
		}
		found, start, engaged = true, s.Start, engaged || s.Engaged
	}
	return found && !engaged
}

func quickBack(facts []*fact, i int) bool {
	f, previous := facts[i], facts[i].fields.ViewID
	for _, g := range facts[i+1:] {
		move := g.Type == event.PageViewed || g.Type == event.ContentViewed || g.Type == event.SearchPerformed || g.Type == event.SearchClicked
		if g.Actor != f.Actor || !move {
			continue
		}
		if g.fields.ViewID == "" || g.fields.ViewID != previous {
			return g.Time.Sub(f.Time) <= 10*time.Second
		}
		previous = g.fields.ViewID
	}
	return false
}

func (c *chronicle) checkSearches() {
	c.t.Helper()
	type key struct {
		partner, term string
		day           int32
	}
	type row struct {
		queries, zero, clicked, unclicked, clicks, refined int
		searchers                                          map[string]bool
	}
	space := regexp.MustCompile(`\s+`)
	term := func(f *fact) string {
		return strings.Trim(space.ReplaceAllString(strings.ToLower(f.fields.Query), " "), " ")
	}
	out := make(map[key]*row)
	for partner, facts := range c.ofPartners() {
		for i, f := range facts {
			if f.Type != event.SearchPerformed {
				continue
			}
			k := key{partner, term(f), c.day(f)}
			if out[k] == nil {
				out[k] = &row{searchers: map[string]bool{}}
			}
			r, clicks, ended := out[k], 0, false
			var next *fact
			for _, g := range facts[i+1:] {
				switch {
				case g.Actor != f.Actor:
				case g.Type == event.SearchPerformed:
					if next == nil {
						next = g
					}
					ended = ended || g.fields.SearchID == f.fields.SearchID
				case g.Type == event.SearchClicked && g.fields.SearchID == f.fields.SearchID && !ended && c.day(g) <= c.day(f)+1:
					clicks++
				}
			}
			r.queries++
			r.clicks += clicks
			r.searchers[f.Actor] = true
			switch {
			case f.fields.ResultsCount == 0:
				r.zero++
			case clicks == 0:
				r.unclicked++
			}
			if clicks > 0 {
				r.clicked++
			} else if next != nil && next.Time.Sub(f.Time) <= 5*time.Minute && term(next) != term(f) {
				r.refined++
			}
		}
	}
	var want [][]any
	for k, r := range out {
		want = append(want, []any{k.partner, dayText(k.day), k.term, r.queries, len(r.searchers), r.zero, r.clicked, r.unclicked, r.clicks, r.refined})
	}
	c.same("search_daily", "partner_id, day, term, queries, searchers, zero_results, clicked, unclicked, clicks, refined", want)
}
