package alert

import "partnerpulse/internal/detect"

// adoptDaysMax is how many days later than an open alert an episode may have begun
// that the alert goes on for.
const adoptDaysMax = 7

// episode is a row of days on which a rule fires, as found now.
type episode struct {
	firing, end detect.Day // end is NoDay while it goes on
	old         bool       // Finding.Old of its firing
	carried     bool       // going on before the span
	taken       bool       // an alert stands for it
}

// adopt lets alerts stand for what is found in their place: late data or another
// configuration move the day on which an episode fires, and whoever looks after the
// alert should not lose it for that, nor be called again. It puts the alert's day into
// the findings of the episode and gives the alerts that go on though their firing is
// not among the findings.
func (b *Book) adopt(found []Finding, spans map[string]Span, historical func(detect.Day) bool) map[string]bool {
	goesOn := make(map[string]bool)
	episodes := episodesOf(found, spans)
	for i := len(b.alerts) - 1; i >= 0; i-- { // the newest first
		id := b.alerts[i]
		last := b.last[id]
		s, ok := spans[last.Fingerprint]
		if !ok || last.Firing > s.Through {
			continue
		}
		list := episodes[last.Fingerprint]
		if own := find(list, func(e *episode) bool { return e.firing == last.Firing }); own != nil {
			goesOn[id] = goesOn[id] || own.carried
			continue
		}
		e := find(list, func(e *episode) bool {
			return !e.taken && b.last[detect.AlertID(last.Fingerprint, e.firing)] == nil && b.standsFor(last, s, e, historical)
		})
		if e == nil {
			continue
		}
		e.taken, goesOn[id] = true, true
		for j := range found {
			if f := &found[j]; f.Fingerprint == last.Fingerprint && f.Firing == e.firing {
				f.Firing = last.Firing
			}
		}
	}
	return goesOn
}

// standsFor tells whether an alert stands for an episode that has no alert of its own:
// one that lasted beyond the alert's firing and began at most adoptDaysMax days after
// it. One that began later is another one, and news; if it is not news (found by a
// configuration anew, or too old) the open alert stands for it, too. One from before
// the span was adopted before. Of the alerts that are over, those that recovered
// during the episode stand for it.
func (b *Book) standsFor(last *Entry, s Span, e *episode, historical func(detect.Day) bool) bool {
	if e.end != detect.NoDay && e.end < last.Firing {
		return false
	}
	near := e.carried || e.firing <= last.Firing+adoptDaysMax
	if last.Open() {
		return near || s.Rebuilt || e.old || historical(e.firing)
	}
	closed := b.closedBy[last.Alert]
	return near && !s.Rebuilt && closed.Reason == Recovered && e.firing <= closed.Day && closed.Day >= s.From
}

// find gives the last episode with a property.
func find(list []*episode, is func(*episode) bool) *episode {
	for i := len(list) - 1; i >= 0; i-- {
		if is(list[i]) {
			return list[i]
		}
	}
	return nil
}

// episodesOf puts the findings, in the order of their days, together to episodes by
// fingerprint, after the one that a span began in.
func episodesOf(found []Finding, spans map[string]Span) map[string][]*episode {
	out := make(map[string][]*episode)
	for fingerprint, s := range spans {
		if s.Carried != detect.NoDay {
			out[fingerprint] = []*episode{{firing: s.Carried, carried: true}}
		}
	}
	for i := range found {
		f := &found[i]
		list := out[f.Fingerprint]
		if f.Status == detect.StatusFiring {
			out[f.Fingerprint] = append(list, &episode{firing: f.Firing, old: f.Old})
			continue
		}
		if e := find(list, func(e *episode) bool { return e.firing == f.Firing }); e != nil {
			e.end = f.Day
		}
	}
	return out
}
