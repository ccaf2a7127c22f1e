package alert

import (
	"errors"
	"time"
)

// View is an alert as people see it.
type View struct {
	ID           string    `ch:"alert_id" json:"alert_id"`
	Partner      string    `ch:"partner_id" json:"partner_id"`
	Subject      string    `ch:"subject" json:"subject"`
	Rule         string    `ch:"rule" json:"rule"`
	Status       string    `ch:"status" json:"status"`
	Reason       string    `ch:"reason" json:"reason"`
	Severity     string    `ch:"severity" json:"severity"`
	Owner        string    `ch:"owner" json:"owner"`
	Day          string    `ch:"day_" json:"day"`            // last day that was counted
	StartsAt     string    `ch:"starts" json:"starts_at"`    // day on which it fired
	ChangeAt     string    `ch:"change" json:"change_at"`    // estimated first day of the new level
	SnoozedUntil string    `ch:"until" json:"snoozed_until"` // empty: not snoozed
	Actor        string    `ch:"actor" json:"actor"`
	InhibitedBy  []string  `ch:"inhibited_by" json:"inhibited_by"`
	BaselineRate float64   `ch:"baseline_rate" json:"baseline_rate"`
	CurrentRate  float64   `ch:"current_rate" json:"current_rate"`
	DropPct      float64   `ch:"drop_pct" json:"drop_pct"`
	Historical   bool      `ch:"historical_" json:"historical"` // too old to tell when it was found
	Sequence     uint32    `ch:"sequence" json:"sequence"`
	RecordedAt   time.Time `ch:"recorded_at" json:"recorded_at"`
}

// Step is one transition of an alert as people see it.
type Step struct {
	Transition string    `ch:"transition_id" json:"transition_id"`
	Sequence   uint32    `ch:"sequence" json:"sequence"`
	Status     string    `ch:"status" json:"status"`
	Reason     string    `ch:"reason" json:"reason"`
	Day        string    `ch:"day_" json:"day"`
	Actor      string    `ch:"actor" json:"actor"`
	Published  bool      `ch:"published_" json:"published"`
	RecordedAt time.Time `ch:"recorded_at" json:"recorded_at"`
}

// Detail is an alert with its life.
type Detail struct {
	View
	Steps    []Step    `json:"transitions"`
	Commands []Request `json:"commands"` // given and not folded in yet
}

// Filter chooses alerts; zero fields choose all.
type Filter struct {
	Partner string
	Rule    string
	Open    bool   // firing, acknowledged or snoozed
	Status  string // exactly this one; pending lists what is not told yet
	Limit   int    // 0: 200
}

// Request is a command as it is given.
type Request struct {
	ID       string    `ch:"command_id" json:"command_id"` // set when it is taken
	Tenant   string    `ch:"tenant" json:"-"`
	Alert    string    `ch:"alert_id" json:"alert_id"`
	Partner  string    `ch:"partner_id" json:"-"` // set when it is taken
	Action   string    `ch:"action" json:"action"`
	Until    string    `ch:"until_" json:"until,omitempty"` // snooze: day on which the alert speaks again, YYYY-MM-DD
	Actor    string    `ch:"actor" json:"actor"`
	Note     string    `ch:"note" json:"note,omitempty"`
	Key      string    `json:"-"` // idempotency key; empty: each call is another command
	IssuedAt time.Time `ch:"issued_at" json:"issued_at"`
}

// Errors of a request.
var (
	ErrUnknown = errors.New("there is no such alert")
	ErrOver    = errors.New("the alert is over")
	ErrInvalid = errors.New("the request is not valid")
)
