package alert

import (
	"cmp"
	"slices"
	"strconv"

	"partnerpulse/internal/detect"
)

// Finding is a transition that a rule gives, from days that were counted now.
type Finding struct {
	Subject, Partner string
	Rule             detect.Rule
	Fingerprint      string
	Status           detect.Status // firing, resolved or rebaselined
	Day, Firing      detect.Day
	// Old says that the day had been counted before, under another configuration: what
	// fires on it now is no news.
	Old bool
}

// Numbers of an episode's own transitions within it. A rule's count over all of its
// episodes would not do: late data can add or remove an earlier one.
const (
	numberFiring = 1
	numberEnd    = 2
)

// Span says that a rule has been computed anew for a subject, over all days from
// From to Through: what it does not find there is not so.
type Span struct {
	Fingerprint   string
	From, Through detect.Day
	// Carried is the firing day of the episode that was going on before From; NoDay when
	// none was.
	Carried detect.Day
	// Rebuilt says that days had been counted before under another configuration, so
	// what is not found any more was not shown wrong by data.
	Rebuilt bool
}

// identify gives the entry of a finding.
func (f *Finding) identify() Entry {
	e := Entry{
		Subject: f.Subject, Partner: f.Partner, Rule: f.Rule, Fingerprint: f.Fingerprint,
		Status: f.Status, Day: f.Day, Firing: f.Firing, Reason: Fired,
	}
	number := numberFiring
	switch f.Status {
	case detect.StatusResolved:
		e.Reason, number = Recovered, numberEnd
	case detect.StatusRebaselined:
		e.Reason, number = Accepted, numberEnd
	}
	e.Alert = detect.AlertID(f.Fingerprint, f.Firing)
	e.Transition = detect.TransitionID(e.Alert, f.Status, number)
	return e
}

// Reconcile compares the book with what the rules find now and gives the entries
// that are new, in the order of their sequences; the book has them afterwards, so a
// second call with the same findings gives nothing. historical tells of a day on
// which an alert fired whether it is too long ago to be news.
//
//   - A finding that is not recorded is told.
//   - A recorded alert that is open, whose firing is no longer found, goes on for the
//     episode that is found in its place (adopt); if there is none, it is resolved: as
//     retracted when late data show that it would not have fired, as superseded when
//     the rule was configured anew.
//   - A recorded alert that was closed by recovery, retraction or other terms, but by
//     the findings goes on, is reinstated; not because of another configuration.
//   - A reinstated alert that ends once more is resolved once more.
func (b *Book) Reconcile(found []Finding, spans []Span, historical func(firing detect.Day) bool) []Entry {
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.Day, y.Day), cmp.Compare(x.Subject, y.Subject), cmp.Compare(x.Rule, y.Rule),
			cmp.Compare(x.Fingerprint, y.Fingerprint), cmp.Compare(y.Firing, x.Firing), cmp.Compare(x.Status, y.Status))
	})
	var out []Entry
	add := func(e Entry) {
		if e, ok := b.add(e); ok {
			out = append(out, e)
		}
	}
	span := make(map[string]Span, len(spans))
	for _, s := range spans {
		span[s.Fingerprint] = s
	}
	before := slices.Clone(b.alerts)
	goesOn := b.adopt(found, span, historical) // alerts whose firing was found, or was before
	ends := make(map[string]Entry)             // by alert: how it ended, as found
	for i := range found {
		e := found[i].identify()
		last := b.last[e.Alert]
		if e.Status == detect.StatusFiring {
			goesOn[e.Alert] = true
			e.Historical = found[i].Old || historical(e.Firing)
		} else {
			ends[e.Alert] = e
			if last == nil || !last.Open() {
				continue // of an episode that nobody was told of, or that is over
			}
		}
		add(e)
	}
	for _, id := range before {
		last := *b.last[id]
		s, ok := span[last.Fingerprint]
		if !ok || last.Firing > s.Through {
			continue
		}
		if e, ok := b.correct(last, s, goesOn[id], ends); ok {
			add(e)
		}
	}
	return out
}

// correct gives the entry that makes what was told of an alert true again.
func (b *Book) correct(last Entry, s Span, exists bool, ends map[string]Entry) (Entry, bool) {
	e := last
	e.Day, e.Until, e.Command = s.Through, detect.NoDay, ""
	number := strconv.Itoa(b.sequences[last.Fingerprint] + 1)
	end, ended := ends[last.Alert]
	switch {
	case last.Open() && !exists:
		e.Status, e.Reason = detect.StatusResolved, Retracted
		if s.Rebuilt || last.Firing < s.From {
			e.Reason = Superseded
		}
	case last.Open() && ended: // its ordinary end was told before it was reinstated
		e.Status, e.Reason, e.Day = end.Status, end.Reason, end.Day
	case !last.Open() && exists && !ended && !s.Rebuilt && b.closedWrongly(last, s):
		e.Status, e.Reason = detect.StatusFiring, Reinstated
	default:
		return Entry{}, false
	}
	e.Transition = ID("transition", last.Alert, string(e.Reason), number)
	return e, true
}

// closedWrongly tells whether the days of the span show that an alert whose episode
// they have is not over.
func (b *Book) closedWrongly(last Entry, s Span) bool {
	closed := b.closedBy[last.Alert]
	switch closed.Reason {
	case Retracted, Superseded: // the data, or the terms, are as they were again
		return last.Firing >= s.From
	case Recovered:
		return closed.Day >= s.From
	}
	return false
}
