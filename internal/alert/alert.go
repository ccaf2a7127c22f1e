// Package alert is the life of an alert after a rule has spoken: what is told, what
// is taken back, and who keeps quiet meanwhile. It is pure: given what was recorded
// and what the rules find now, it says what is new. Nothing here reads a clock.
//
// An alert is one episode of a fingerprint, identified by the day on which it fired.
// Its life is a list of entries, one per transition, each with an identity that
// every recomputation gives again; what is recorded is never told a second time.
package alert

import (
	"strconv"

	"github.com/google/uuid"

	"partnerpulse/internal/detect"
)

// The statuses that people give, beside those of package detect.
const (
	Acknowledged detect.Status = "acknowledged" // somebody looks after it
	Snoozed      detect.Status = "snoozed"      // quiet until a day
)

// Reason says why a status changed.
type Reason string

// The reasons.
const (
	Fired       Reason = "fired"        // the rule's limit was reached
	Recovered   Reason = "recovered"    // the rule's condition has ended
	Accepted    Reason = "accepted"     // rebaselined: the new level is the baseline now
	Commanded   Reason = "command"      // somebody asked for it
	SnoozeEnded Reason = "snooze_ended" // the day until which it was snoozed has come
	Retracted   Reason = "retracted"    // late data show that it would not have fired
	Reinstated  Reason = "reinstated"   // later data show that it fires after all
	Superseded  Reason = "superseded"   // the rule has other terms now, and does not find it
)

// Entry is one transition of one alert.
type Entry struct {
	Subject     string // the partner, the content or the search term
	Partner     string // the partner; event.TenantWide for what concerns no single one
	Rule        detect.Rule
	Alert       string
	Fingerprint string
	Transition  string // identity of this transition
	Status      detect.Status
	Reason      Reason
	Sequence    int        // counts the entries of the fingerprint from 1; 0 until it is recorded
	Day         detect.Day // last day that was counted
	Firing      detect.Day // day on which the alert fired
	Until       detect.Day // of a snoozed alert, else NoDay
	Command     string     // identity of the command; empty when nobody asked
	Historical  bool       // about the past when it was found: recorded, never published
}

// Open tells whether the alert goes on after the entry.
func (e *Entry) Open() bool { return open(e.Status) }

func open(s detect.Status) bool {
	return s == detect.StatusFiring || s == Acknowledged || s == Snoozed
}

// namespace separates these identifiers from everyone else's version 5 UUIDs.
const namespace = "urn:partnerpulse:alert-life"

// ID gives the version 5 UUID of a kind and a list of strings. Each is preceded by
// its length, so that ("a", "bc") and ("ab", "c") differ.
func ID(kind string, parts ...string) string {
	name := []byte(kind)
	for _, part := range parts {
		name = append(name, ' ')
		name = strconv.AppendInt(name, int64(len(part)), 10)
		name = append(name, ':')
		name = append(name, part...)
	}
	return uuid.NewSHA1(uuid.NewSHA1(uuid.NameSpaceURL, []byte(namespace)), name).String()
}

// Book is what has been recorded of some alerts.
type Book struct {
	last      map[string]*Entry // by alert: its newest entry
	fired     map[string]*Entry // by alert: the entry that opened it
	closedBy  map[string]*Entry // by alert: the newest entry that closed it
	recorded  map[string]bool   // transitions
	sequences map[string]int    // by fingerprint: the highest
	alerts    []string          // in the order of their first entries
}

// NewBook takes the entries in the order of their sequences.
func NewBook(entries []Entry) *Book {
	b := &Book{
		last: make(map[string]*Entry), fired: make(map[string]*Entry), closedBy: make(map[string]*Entry),
		recorded: make(map[string]bool), sequences: make(map[string]int),
	}
	for i := range entries {
		b.put(&entries[i])
	}
	return b
}

func (b *Book) put(e *Entry) {
	b.recorded[e.Transition] = true
	b.sequences[e.Fingerprint] = max(b.sequences[e.Fingerprint], e.Sequence)
	if b.last[e.Alert] == nil {
		b.alerts = append(b.alerts, e.Alert)
	}
	b.last[e.Alert] = e
	if b.fired[e.Alert] == nil && e.Status == detect.StatusFiring {
		b.fired[e.Alert] = e
	}
	if !e.Open() {
		b.closedBy[e.Alert] = e
	}
}

// add records e as the next entry of its fingerprint, unless its transition is known.
func (b *Book) add(e Entry) (Entry, bool) {
	if b.recorded[e.Transition] {
		return e, false
	}
	if last := b.last[e.Alert]; last != nil {
		e.Historical = last.Historical // nobody was told of its beginning
	}
	e.Sequence = b.sequences[e.Fingerprint] + 1
	kept := e
	b.put(&kept)
	return e, true
}

// Record takes an entry that has its sequence.
func (b *Book) Record(e Entry) { b.put(&e) }

// Last gives the newest entry of an alert.
func (b *Book) Last(alert string) (Entry, bool) {
	e := b.last[alert]
	if e == nil {
		return Entry{}, false
	}
	return *e, true
}

// Alerts lists the alerts in the order in which they were first recorded.
func (b *Book) Alerts() []string { return b.alerts }

// Inhibitors lists the open alerts that say more than one of the given rule and
// partner does: ghosting of the partner over its drop and its training lapse, and
// tenant.activity_drop over every partner's alerts. A source that is acknowledged or
// snoozed still inhibits, as in Alertmanager.
func (b *Book) Inhibitors(rule detect.Rule, partner string) []string {
	var out []string
	for _, id := range b.alerts {
		e := b.last[id]
		if e.Open() && Inhibits(e.Rule, e.Partner, rule, partner) {
			out = append(out, id)
		}
	}
	return out
}
