package session

import (
	"time"

	"partnerpulse/internal/event"
)

// view collects what is known of one view within a session.
type view struct {
	viewed        bool
	engaged       bool
	engagedMin    int64
	engagedMax    int64
	scroll        uint8
	content       *Event // first counted content.viewed
	contentViewed bool
}

// measure turns the events of one session, in order, into its numbers.
func measure(events []Event, counted map[string]bool, loc *time.Location, tell func(ViewQuality)) Session {
	s := Session{
		Actor: events[0].Actor, SessionID: events[0].SessionID,
		Start: events[0].Time, End: events[len(events)-1].Time,
		Day: LocalDay(events[0].Time, loc), Events: len(events),
	}
	views := make(map[string]*view)
	others := 0
	for i := range events {
		collect(views, &events[i], counted)
		switch events[i].Type {
		case event.PageViewed, event.ContentViewed, event.ContentEngaged:
		default:
			others++
		}
		if isKey(events[i].Type) {
			s.KeyEvents++
		}
	}
	for _, v := range views {
		s.add(v)
	}
	s.Engaged = s.EngagedMs > EngagedMsMin || s.KeyEvents > 0 || s.Views >= ViewsMin
	s.SingleView = s.Views == 1 && others == 0
	acted := actions(events)
	for id, v := range views {
		if v.content != nil {
			q := v.quality(id, acted, !s.Engaged)
			s.Quality += q
			if tell != nil {
				tell(ViewQuality{v.content.ID, s.Day, q})
			}
		}
	}
	return s
}

// isKey tells the events that show intent.
func isKey(t event.Type) bool {
	return t == event.ContentDownloaded || t == event.ContentShared || t == event.PlaybookPinned
}

func collect(views map[string]*view, e *Event, counted map[string]bool) {
	switch e.Type {
	case event.PageViewed, event.ContentViewed, event.ContentEngaged:
	default:
		return
	}
	v := views[e.ViewID]
	if v == nil {
		v = &view{}
		views[e.ViewID] = v
	}
	if e.Type == event.ContentEngaged {
		if !v.engaged || int64(e.EngagedMs) < v.engagedMin {
			v.engagedMin = int64(e.EngagedMs)
		}
		v.engaged = true
		v.engagedMax = max(v.engagedMax, int64(e.EngagedMs))
		v.scroll = max(v.scroll, min(100, e.ScrollPct))
		return
	}
	v.viewed = true
	if e.Type == event.ContentViewed {
		v.contentViewed = true
		if v.content == nil && counted[e.ID] {
			v.content = e
		}
	}
}

func (s *Session) add(v *view) {
	if v.viewed {
		s.Views++
		v.engagedMin = 0
	}
	if v.contentViewed {
		s.ContentViews++
	}
	if v.engaged {
		s.EngagedViews++
		s.EngagedMs += v.engagedMax - v.engagedMin
	}
}

// acts are the things of a session that somebody downloaded, shared or pinned.
type acts struct{ views, contents, playbooks map[string]bool }

func actions(events []Event) acts {
	a := acts{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, e := range events {
		if !isKey(e.Type) {
			continue
		}
		a.contents[e.ContentID] = true
		if e.Type == event.PlaybookPinned {
			a.playbooks[e.PlaybookID] = true
		} else {
			a.views[e.ViewID] = true
		}
	}
	return a
}

// quality is .5·min(1, t/t_ref) + .3·scroll + .2·[download, share or pin] in
// millionths, at most .1 in a session that is a GA4 bounce. An action is of the
// view whose view_id it names, and of every view of the session of the same
// content or playbook. Engaged time that nobody reported adds nothing.
func (v *view) quality(id string, a acts, bounce bool) int64 {
	ref := reference(v.content)
	q := qualityTime*min(v.engagedMax, ref)/ref + qualityScrollPct*int64(v.scroll)
	if id != "" && a.views[id] || v.content.ContentID != "" && a.contents[v.content.ContentID] ||
		v.content.PlaybookID != "" && a.playbooks[v.content.PlaybookID] {
		q += qualityAction
	}
	if bounce {
		q = min(q, qualityBounceMax)
	}
	return q
}

// reference is the time a full read takes, in milliseconds, at least 1.
func reference(e *Event) int64 {
	switch {
	case e.Words > 0:
		return max(1, int64(e.Words)*60_000/WordsPerMinute)
	case e.DurationS > 0:
		return int64(e.DurationS) * 1000
	}
	return ReferenceMs
}
