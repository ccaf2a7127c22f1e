// Package alertdesk is where people see to alerts: it lists them, shows the life of
// one, and takes commands. A command is a durable row that the aggregator folds in;
// the desk changes no alert itself.
package alertdesk

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

//go:embed queries/*.sql
var statements embed.FS

func query(name string) string {
	b, err := statements.ReadFile("queries/" + name + ".sql")
	if err != nil {
		panic(err) // a programming error that the first test run shows
	}
	return string(b)
}

// Store is what the desk needs of ClickHouse.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

// Desk answers. It is safe for concurrent use.
type Desk struct {
	store Store
	zone  func(tenant string) *time.Location // whose midnights separate the tenant's days
	now   func() time.Time
}

// New makes a desk; now nil is time.Now.
func New(store Store, zone func(tenant string) *time.Location, now func() time.Time) *Desk {
	if now == nil {
		now = time.Now
	}
	return &Desk{store: store, zone: zone, now: now}
}

// listMax bounds a list when the filter does not.
const listMax = 200

// List gives alerts, the newest first.
func (d *Desk) List(ctx context.Context, tenant string, f alert.Filter) ([]alert.View, error) {
	name := "list"
	if f.Status == string(detect.StatusPending) {
		name = "pending"
	}
	open := uint8(0)
	if f.Open {
		open = 1
	}
	rows := []alert.View{}
	p := chstore.Params{
		"tenant": tenant, "partner": f.Partner, "rule": f.Rule, "status": f.Status, "open": open, "most": uint64(cmp.Or(max(f.Limit, 0), listMax)),
	}
	if err := d.store.Select(ctx, &rows, query(name), p); err != nil {
		return nil, fmt.Errorf("reading alerts: %w", err)
	}
	return rows, nil
}

// Show gives one alert; the error wraps alert.ErrUnknown when there is none.
func (d *Desk) Show(ctx context.Context, tenant, id string) (*alert.Detail, error) {
	p := chstore.Params{"tenant": tenant, "alert": id}
	var views []alert.View
	if err := d.store.Select(ctx, &views, query("one"), p); err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	if len(views) == 0 {
		return nil, fmt.Errorf("%w: %s", alert.ErrUnknown, id)
	}
	out := &alert.Detail{View: views[0], Steps: []alert.Step{}, Commands: []alert.Request{}}
	if err := d.store.Select(ctx, &out.Steps, query("steps"), p); err != nil {
		return nil, fmt.Errorf("reading the life of alert %s: %w", id, err)
	}
	if err := d.store.Select(ctx, &out.Commands, query("commands"), p); err != nil {
		return nil, fmt.Errorf("reading the commands of alert %s: %w", id, err)
	}
	return out, nil
}

// Bounds of a request.
const (
	noteRunesMax  = 1000
	actorRunesMax = 200
	keyBytesMax   = 200
	snoozeDaysMax = 366
)

// Take makes a request durable and gives it as taken; the aggregator folds it in
// within seconds. The same request with the same key is taken once. Errors wrap
// alert.ErrUnknown, ErrOver or ErrInvalid where the request is at fault.
func (d *Desk) Take(ctx context.Context, r alert.Request) (alert.Request, error) {
	now := d.now()
	today := detect.DayOf(now.In(d.zone(r.Tenant)))
	until, err := check(&r, today)
	if err != nil {
		return r, err
	}
	shown, err := d.Show(ctx, r.Tenant, r.Alert)
	if err != nil {
		return r, err
	}
	r.ID, r.Partner, r.IssuedAt = uuid.NewString(), shown.Partner, now
	if r.Key != "" {
		r.ID = alert.ID("command", r.Tenant, r.Alert, r.Action, r.Key)
		var before []alert.Request
		if err := d.store.Select(ctx, &before, query("command"), chstore.Params{"tenant": r.Tenant, "command": r.ID}); err != nil {
			return r, fmt.Errorf("looking for the command: %w", err)
		}
		if len(before) > 0 { // what came after it may have been lost
			return before[0], d.mark(ctx, &before[0], today)
		}
	}
	if s := detect.Status(shown.Status); s == detect.StatusResolved || s == detect.StatusRebaselined {
		return r, fmt.Errorf("%w: it is %s since %s", alert.ErrOver, s, shown.Day)
	}
	if r.Action == string(alert.Rebaseline) && !alert.Rebaselines(detect.Rule(shown.Rule)) {
		return r, fmt.Errorf("%w: %s has no baseline that can be accepted: only sessions_drop and ghosting have", alert.ErrInvalid, shown.Rule)
	}
	if err := d.store.InsertColumns(ctx, "alert_commands", columns(&r, until, today)); err != nil {
		return r, fmt.Errorf("keeping the command: %w", err)
	}
	return r, d.mark(ctx, &r, today)
}

// check gives the day until which to snooze.
func check(r *alert.Request, today detect.Day) (until detect.Day, err error) {
	switch {
	case !slices.Contains(alert.Actions(), alert.Action(r.Action)):
		return 0, fmt.Errorf("%w: action %q is not one of %v", alert.ErrInvalid, r.Action, alert.Actions())
	case r.Actor == "" || utf8.RuneCountInString(r.Actor) > actorRunesMax:
		return 0, fmt.Errorf("%w: actor must have 1 to %d characters", alert.ErrInvalid, actorRunesMax)
	case utf8.RuneCountInString(r.Note) > noteRunesMax || len(r.Key) > keyBytesMax:
		return 0, fmt.Errorf("%w: at most %d characters of note and %d bytes of idempotency key", alert.ErrInvalid, noteRunesMax, keyBytesMax)
	case r.Action != string(alert.Snooze) && r.Until != "":
		return 0, fmt.Errorf("%w: until is for snooze only", alert.ErrInvalid)
	case r.Action != string(alert.Snooze):
		return detect.NoDay, nil
	}
	if err := until.UnmarshalText([]byte(r.Until)); err != nil || until <= today || until > today+snoozeDaysMax {
		return 0, fmt.Errorf("%w: snooze needs until, a day (YYYY-MM-DD) after %s and within %d days", alert.ErrInvalid, today, snoozeDaysMax)
	}
	return until, nil
}

// columns are the command's row. A level is accepted as of yesterday, the last day
// that is complete.
func columns(r *alert.Request, until, today detect.Day) []chstore.Column {
	text := func(name, value string) chstore.Column {
		return chstore.Column{Name: name, Values: []string{value}}
	}
	return []chstore.Column{
		text("tenant", r.Tenant), text("command_id", r.ID), text("alert_id", r.Alert), text("partner_id", r.Partner), text("action", r.Action),
		text("actor", r.Actor), text("note", r.Note),
		{Name: "until", Values: []time.Time{until.Time()}}, {Name: "day", Values: []time.Time{(today - 1).Time()}},
		{Name: "issued_at", Values: []time.Time{r.IssuedAt}}, {Name: "done", Values: []uint8{0}}, {Name: "ver", Values: []uint64{0}},
	}
}

// mark makes the aggregator look at the partner.
func (d *Desk) mark(ctx context.Context, r *alert.Request, today detect.Day) error {
	err := d.store.InsertColumns(ctx, "dirty_days", []chstore.Column{
		{Name: "hour", Values: []time.Time{d.now().UTC().Truncate(time.Hour)}}, {Name: "tenant", Values: []string{r.Tenant}},
		{Name: "partner_id", Values: []string{r.Partner}}, {Name: "day", Values: []time.Time{today.Time()}},
		{Name: "marked", Values: []uint64{1}}, {Name: "done", Values: []uint64{0}},
	})
	if err != nil {
		return fmt.Errorf("telling the aggregator: %w", err)
	}
	return nil
}
