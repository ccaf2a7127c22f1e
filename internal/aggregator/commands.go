package aggregator

import (
	"context"
	"fmt"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

// command is a row of alert_commands.
type command struct {
	ID      string    `ch:"command_id"`
	Alert   string    `ch:"alert_id"`
	Partner string    `ch:"partner_id"`
	Action  string    `ch:"action"`
	Until   time.Time `ch:"until"`
	Day     time.Time `ch:"day"`
	Actor   string    `ch:"actor"`
	Note    string    `ch:"note"`
	Issued  time.Time `ch:"issued_at"`
}

// accept reads the rebaseline commands about the partners that the batch detects
// again, done or not: the detector has to be given them each time it passes their days.
// It remembers on the tenant which it is given now, because only those may be done.
func (a *Aggregator) accept(ctx context.Context, t *tenant, p chstore.Params, inputs []detectInput) error {
	var rows []struct {
		ID      string `ch:"command_id"`
		Partner string `ch:"partner_id"`
		Day     int32  `ch:"day_"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("rebaselines"), p); err != nil {
		return fmt.Errorf("reading accepted levels: %w", err)
	}
	of := make(map[string]*detectInput, len(inputs))
	for i := range inputs {
		of[inputs[i].Partner] = &inputs[i]
	}
	t.accepted = make(map[string]bool, len(rows))
	for _, r := range rows {
		in := of[r.Partner]
		if in == nil || r.Day < in.Start || r.Day > in.Through {
			continue
		}
		if in.accepted == nil {
			in.accepted = make(map[int32]bool)
		}
		in.accepted[r.Day], t.accepted[r.ID] = true, true
	}
	return nil
}

// obey folds the commands that were given since, and wakes snoozed alerts whose day
// has come. A command is marked done after its transition is recorded; repeated
// after a crash, it gives the same transition, which is known by then.
func (a *Aggregator) obey(ctx context.Context, t *tenant, p chstore.Params, h horizon, work *Work) error {
	defer func() { t.accepted = nil }()
	var all []command
	if err := a.deps.Store.Select(ctx, &all, query("open_commands"), p); err != nil {
		return fmt.Errorf("reading commands: %w", err)
	}
	var known []knownAlert
	q := with(p, chstore.Params{"wake": uint8(0)})
	if t.woken != h.today {
		q["wake"] = uint8(1)
	}
	if len(all) > 0 || t.woken != h.today {
		if err := a.deps.Store.Select(ctx, &known, query("commanded_alerts"), q); err != nil {
			return fmt.Errorf("reading commanded alerts: %w", err)
		}
	}
	n := &telling{known: known, book: newBook(known)}
	for i := range all {
		c := &all[i]
		if alert.Action(c.Action) == alert.Rebaseline && !t.accepted[c.ID] {
			continue // the detector has not been given it yet
		}
		n.commands = append(n.commands, *c)
		e, ok := n.book.Obey(alert.Command{ID: c.ID, Alert: c.Alert, Action: alert.Action(c.Action), Until: detect.DayOf(c.Until)})
		if ok {
			n.entries = append(n.entries, e)
		}
	}
	n.entries = append(n.entries, n.book.Wake(detect.Day(h.today))...)
	if err := a.tell(ctx, t, p, n, work); err != nil {
		return err
	}
	if err := a.deps.Store.InsertColumns(ctx, "alert_commands", doneCommands(t.id, n.commands, p["batch"].(uint64))); err != nil {
		return fmt.Errorf("marking commands done: %w", err)
	}
	t.woken = h.today
	return nil
}

func doneCommands(tenantID string, commands []command, batch uint64) []chstore.Column {
	n := len(commands)
	texts := make([][]string, 7)
	until, day, issued := make([]time.Time, n), make([]time.Time, n), make([]time.Time, n)
	done, ver := make([]uint8, n), make([]uint64, n)
	for i, c := range commands {
		for j, s := range []string{tenantID, c.ID, c.Alert, c.Partner, c.Action, c.Actor, c.Note} {
			texts[j] = append(texts[j], s)
		}
		until[i], day[i], issued[i], done[i], ver[i] = c.Until, c.Day, c.Issued, 1, batch
	}
	return []chstore.Column{
		{Name: "tenant", Values: texts[0]}, {Name: "command_id", Values: texts[1]}, {Name: "alert_id", Values: texts[2]},
		{Name: "partner_id", Values: texts[3]}, {Name: "action", Values: texts[4]}, {Name: "actor", Values: texts[5]}, {Name: "note", Values: texts[6]},
		{Name: "until", Values: until}, {Name: "day", Values: day}, {Name: "issued_at", Values: issued},
		{Name: "done", Values: done}, {Name: "ver", Values: ver},
	}
}
