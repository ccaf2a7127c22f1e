package notifier

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/detect"
)

// Alert is the newest transition of one alert, as read from its topic.
type Alert struct {
	Tenant     string
	ID         string
	Transition string
	Partner    string
	Subject    string
	Rule       detect.Rule
	Status     detect.Status
	Severity   string
	Owner      string
	Data       []byte // JSON
	Received   time.Time
	Sequence   uint64
}

func (a *Alert) open() bool {
	return a.Status == detect.StatusFiring || a.Status == alert.Acknowledged || a.Status == alert.Snoozed
}

// Told is what an endpoint was last told of an alert.
type Told struct {
	Sequence uint64
	At       time.Time
}

// Notification is what one endpoint is told about the partners of one owner.
type Notification struct {
	ID     string // the webhook-id: the same whenever the same is planned again
	Tenant string
	Owner  string
	Alerts []Alert
	Repeat []bool // by alert: nothing new, it still fires
}

// plan gives what an endpoint has to be told at an instant, in a fixed order.
//
//   - An alert that fires and is not inhibited is told once, and again each time
//     Config.Repeat has passed. What was inhibited is told when that has ended, if it
//     still fires then.
//   - Later transitions are told to those who were told before: acknowledged, woken,
//     resolved, rebaselined. Snoozing is not told: it asks for quiet.
//   - A daily endpoint is told only what was known at its hour.
func (c *Config) plan(now time.Time, e *Endpoint, alerts []Alert, told map[string]Told) []Notification {
	cutoff := e.cutoff(now)
	type group struct{ tenant, owner string }
	groups := make(map[group]*Notification)
	var order []group
	sorted := slices.Clone(alerts)
	slices.SortFunc(sorted, func(x, y Alert) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Owner, y.Owner), cmp.Compare(x.Partner, y.Partner), cmp.Compare(x.ID, y.ID))
	})
	for i := range sorted {
		a := &sorted[i]
		if !e.wants(a) || a.Received.After(cutoff) {
			continue
		}
		before, known := told[a.ID]
		due, repeat := c.due(e, a, before, known, cutoff)
		if !due || a.open() && inhibited(a, sorted) {
			continue
		}
		g := group{a.Tenant, a.Owner}
		n := groups[g]
		if n == nil {
			n = &Notification{Tenant: a.Tenant, Owner: a.Owner}
			groups[g], order = n, append(order, g)
		}
		n.Alerts, n.Repeat = append(n.Alerts, *a), append(n.Repeat, repeat)
	}
	var out []Notification
	for _, g := range order {
		for _, n := range groups[g].split(c.AlertsMax) {
			n.ID = n.identify(e.Name, told)
			out = append(out, n)
		}
	}
	return out
}

// cutoff is the instant whose knowledge counts: now, or the last time it was the
// endpoint's hour.
func (e *Endpoint) cutoff(now time.Time) time.Time {
	if e.Schedule != Daily {
		return now
	}
	loc, err := e.location()
	if err != nil { // Validate has loaded it before
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	at := time.Date(y, m, d, e.Hour, 0, 0, 0, loc)
	if at.After(now) {
		at = time.Date(y, m, d-1, e.Hour, 0, 0, 0, loc)
	}
	return at
}

// clockChange is the most by which a week in a zone is shorter than seven days.
const clockChange = time.Hour

// due tells whether there is something to say, and whether it was said before. A
// digest of the hour counts as told at its hour: composed seconds later, the next
// week's would otherwise come a day late, as it would where the clocks go forward.
func (c *Config) due(e *Endpoint, a *Alert, before Told, known bool, cutoff time.Time) (due, repeat bool) {
	switch {
	case !known:
		return a.Status == detect.StatusFiring, false
	case a.Sequence > before.Sequence:
		return a.Status != alert.Snoozed, false
	}
	again := e.cutoff(before.At).Add(c.Repeat)
	if e.Schedule == Daily {
		again = again.Add(-clockChange)
	}
	return a.Status == detect.StatusFiring && !cutoff.Before(again), true
}

// inhibited tells whether an open alert says more.
func inhibited(a *Alert, all []Alert) bool {
	for i := range all {
		s := &all[i]
		if s.Tenant == a.Tenant && s.ID != a.ID && s.open() && alert.Inhibits(s.Rule, s.Partner, a.Rule, a.Partner) {
			return true
		}
	}
	return false
}

// split bounds the alerts of one message.
func (n *Notification) split(most int) []Notification {
	var out []Notification
	for from := 0; from < len(n.Alerts); from += most {
		to := min(from+most, len(n.Alerts))
		out = append(out, Notification{Tenant: n.Tenant, Owner: n.Owner, Alerts: n.Alerts[from:to], Repeat: n.Repeat[from:to]})
	}
	return out
}

// identify gives the id of what is told: the endpoint, each alert's transition, and
// for a repetition what it repeats.
func (n *Notification) identify(endpoint string, told map[string]Told) string {
	parts := []string{endpoint, n.Tenant, n.Owner}
	for i, a := range n.Alerts {
		parts = append(parts, a.ID, strconv.FormatUint(a.Sequence, 10))
		if n.Repeat[i] {
			parts = append(parts, strconv.FormatInt(told[a.ID].At.UnixMilli(), 10))
		}
	}
	return "msg_" + alert.ID("delivery", parts...)
}
