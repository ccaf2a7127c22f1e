package detect

import (
	"strconv"

	"github.com/google/uuid"
)

// Rule names what was noticed about a partner.
type Rule string

// The rules of this package.
const (
	RuleDrop           Rule = "sessions_drop"   // fewer sessions than the baseline
	RuleGhosting       Rule = "ghosting"        // no session at all for too long
	RuleNeverActivated Rule = "never_activated" // no session since the first known day
)

// Status is where an alert stands after a transition.
type Status string

// The statuses. Pending and cleared are kept for explanation and never published.
const (
	StatusOK          Status = "ok"          // nothing to tell
	StatusPending     Status = "pending"     // statistic ≥ PendingFraction of the threshold
	StatusCleared     Status = "cleared"     // was pending, fell below again
	StatusFiring      Status = "firing"      // statistic ≥ threshold
	StatusResolved    Status = "resolved"    // recovery confirmed
	StatusRebaselined Status = "rebaselined" // the new level was accepted
)

// Published tells whether a transition into the status goes to the alert topics.
func (s Status) Published() bool {
	return s == StatusFiring || s == StatusResolved || s == StatusRebaselined
}

// Severity orders alerts for people.
type Severity string

// The severities: ghosting, and a drop of at least Config.CriticalDropPct, are
// critical; a smaller drop is a warning; never_activated is information.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Transition is one change of one rule's status, with the numbers behind it.
type Transition struct {
	Rule     Rule     `json:"rule"`
	Status   Status   `json:"status"`
	Severity Severity `json:"severity"`
	// Day is the last day that was counted when the status changed (detected_at, or
	// resolved_at for resolved and rebaselined).
	Day Day `json:"day"`
	// FiringDay identifies the alert: the day on which it fired; NoDay before that.
	FiringDay Day `json:"firing_day"`
	// ChangeDay is the estimated first day of the new level: the day after the
	// CUSUM was last zero (Page 1954), the day after the last session for ghosting,
	// the first known day for never_activated. Of a resolved alert it stays the
	// change for the worse.
	ChangeDay Day `json:"change_day"`
	// Sequence counts the published transitions of this rule and partner from 1; 0
	// for pending and cleared.
	Sequence int `json:"sequence"`

	Statistic float64 `json:"statistic"` // nats; days for never_activated
	Threshold float64 `json:"threshold"` // same unit as Statistic
	ARL0Days  float64 `json:"arl0_days"` // the budget behind the threshold; 0 for never_activated
	Ratio     float64 `json:"ratio"`     // ρ of the CUSUM that decided; 0 for ghosting and never_activated
	// BaselineRate is the estimated rate before the change, CurrentRate the rate
	// since ChangeDay (since the recovery began, once resolved): sessions per
	// average day.
	BaselineRate float64 `json:"baseline_rate"`
	CurrentRate  float64 `json:"current_rate"`
	// DropPct is 100·(1 − CurrentRate/BaselineRate), within 0–100. DropPctLow and
	// DropPctHigh are its 95 % limits, both rates being estimates (ratioLimits); the
	// change day was chosen by the same data, so they are a little optimistic.
	DropPct     float64 `json:"drop_pct"`
	DropPctLow  float64 `json:"drop_pct_low"`
	DropPctHigh float64 `json:"drop_pct_high"`
}

// namespace separates our identifiers from everyone else's version 5 UUIDs.
const namespace = "urn:partnerpulse:alert"

// identify gives the version 5 UUID of a list of strings. Each is preceded by its
// length, so that ("a", "bc") and ("ab", "c") differ.
func identify(kind string, parts ...string) string {
	name := []byte(kind)
	for _, part := range parts {
		name = append(name, ' ')
		name = strconv.AppendInt(name, int64(len(part)), 10)
		name = append(name, ':')
		name = append(name, part...)
	}
	return uuid.NewSHA1(uuid.NewSHA1(uuid.NameSpaceURL, []byte(namespace)), name).String()
}

// Fingerprint identifies what an alert is about for ever: the same tenant,
// subject (partner or content), rule and component always give the same UUID.
// It is the identity on the compacted topic.
func Fingerprint(tenant, subject string, rule Rule, component string) string {
	return identify("fingerprint", tenant, subject, string(rule), component)
}

// AlertID identifies one episode: the same fingerprint firing on the same day is
// the same alert, whoever computes it and how often.
func AlertID(fingerprint string, firing Day) string {
	return identify("alert", fingerprint, firing.String())
}

// TransitionID identifies one published transition of an alert; it is the
// CloudEvents id, so a consumer that sees a transition twice can tell.
func TransitionID(alertID string, status Status, sequence int) string {
	return identify("transition", alertID, string(status), strconv.Itoa(sequence))
}
