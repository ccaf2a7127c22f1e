package alert

import "partnerpulse/internal/detect"

// Action is what somebody wants of an alert.
type Action string

// The actions.
const (
	Acknowledge Action = "acknowledge" // look after it: no repetition until it ends
	Snooze      Action = "snooze"      // quiet until a day
	Unsnooze    Action = "unsnooze"    // end the quiet at once
	Rebaseline  Action = "rebaseline"  // the new level is the normal one
)

// Actions lists the actions.
func Actions() []Action { return []Action{Acknowledge, Snooze, Unsnooze, Rebaseline} }

// Command is one request, durable before it has any effect.
type Command struct {
	ID     string
	Alert  string
	Action Action
	Until  detect.Day // of snooze
}

// Obey gives the entry that a command makes, none when it has been obeyed before,
// the alert is not known or is over, or the action changes nothing. A rebaseline
// makes none here: the detector gives it, and Reconcile tells it.
//
// Commands are obeyed in the order in which they were given; what a command makes
// has an identity of its own, so that a repetition is recognised.
func (b *Book) Obey(c Command) (Entry, bool) {
	last := b.last[c.Alert]
	if last == nil || !last.Open() {
		return Entry{}, false
	}
	e := *last
	e.Reason, e.Command, e.Until = Commanded, c.ID, detect.NoDay
	e.Transition = ID("command", c.Alert, string(c.Action), c.ID)
	switch c.Action {
	case Acknowledge:
		e.Status = Acknowledged
	case Snooze:
		e.Status, e.Until = Snoozed, c.Until
	case Unsnooze:
		if last.Status != Snoozed {
			return Entry{}, false
		}
		e.Status = detect.StatusFiring
	default:
		return Entry{}, false
	}
	return b.add(e)
}

// Wake ends the snoozing of alerts whose day has come.
func (b *Book) Wake(today detect.Day) []Entry {
	var out []Entry
	for _, id := range b.alerts {
		last := b.last[id]
		if last.Status != Snoozed || last.Until > today {
			continue
		}
		e := *last
		e.Status, e.Reason, e.Until, e.Command = detect.StatusFiring, SnoozeEnded, detect.NoDay, ""
		e.Transition = ID("wake", last.Transition)
		if e, ok := b.add(e); ok {
			out = append(out, e)
		}
	}
	return out
}
