package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/alertdesk"
	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
)

type alertsCmd struct {
	List        alertsListCmd        `cmd:"" help:"List alerts, the newest first."`
	Show        alertsShowCmd        `cmd:"" help:"Show one alert with its life."`
	Acknowledge alertsAcknowledgeCmd `cmd:"" help:"Say that somebody looks after it: no repetition until it ends."`
	Snooze      alertsSnoozeCmd      `cmd:"" help:"Keep it quiet until a day."`
	Unsnooze    alertsUnsnoozeCmd    `cmd:"" help:"End the quiet at once."`
	Rebaseline  alertsRebaselineCmd  `cmd:"" help:"Accept the new level as the normal one; it ends the alert."`
}

// alertsFlags are the flags of every command about alerts.
type alertsFlags struct {
	Clickhouse string `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
	Tenant     string `default:"demo" env:"PARTNERPULSE_TENANT" help:"Whose alerts."`
	JSON       bool   `help:"Print JSON."`
}

// open gives the desk.
func (f *alertsFlags) open(g *globals) (*alertdesk.Desk, func() error, error) {
	cfg, log, err := g.start()
	if err != nil {
		return nil, nil, err
	}
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{f.Clickhouse}
	}
	desk, end, err := app.OpenAlertDesk(cfg, log, obs.NewRegistry())
	if err != nil {
		return nil, nil, usageError{err}
	}
	return desk, end, nil
}

type alertsListCmd struct {
	alertsFlags
	Partner string `help:"Only this partner's."`
	Rule    string `help:"Only this rule's, such as ghosting."`
	Status  string `enum:",pending,firing,acknowledged,snoozed,resolved,rebaselined" default:"" help:"Only in this status; pending lists what is not told yet."`
	Open    bool   `help:"Only what is not over."`
	Limit   int    `default:"200" help:"At most so many."`
}

// Run lists.
func (c *alertsListCmd) Run(ctx context.Context, g *globals) (err error) {
	desk, end, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	list, err := desk.List(ctx, c.Tenant, alert.Filter{Partner: c.Partner, Rule: c.Rule, Status: c.Status, Open: c.Open, Limit: c.Limit})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	return printAlerts(os.Stdout, list)
}

func printAlerts(w io.Writer, list []alert.View) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no alerts")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "alert\tsubject\trule\tstatus\tseverity\tfired\tday\tdrop\towner")
	for _, a := range list {
		status := a.Status
		if a.SnoozedUntil != "" {
			status += " until " + a.SnoozedUntil
		}
		if a.Historical {
			status += " (historical)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f %%\t%s\n",
			a.ID, plain(a.Subject), a.Rule, status, a.Severity, a.StartsAt, a.Day, a.DropPct, plain(a.Owner))
	}
	return table.Flush()
}

type alertsShowCmd struct {
	alertsFlags
	Alert string `arg:"" help:"The alert's id."`
}

// Run shows.
func (c *alertsShowCmd) Run(ctx context.Context, g *globals) (err error) {
	desk, end, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	detail, err := desk.Show(ctx, c.Tenant, c.Alert)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(detail)
	}
	if err := printAlerts(os.Stdout, []alert.View{detail.View}); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nsequence\tstatus\treason\tday\tby\trecorded")
	for _, s := range detail.Steps {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", s.Sequence, s.Status, s.Reason, s.Day, plain(s.Actor), s.RecordedAt.UTC().Format(time.RFC3339))
	}
	for _, r := range detail.Commands {
		fmt.Fprintf(table, "-\t%s\tgiven\t\t%s\t%s\n", r.Action, plain(r.Actor), r.IssuedAt.UTC().Format(time.RFC3339))
	}
	return table.Flush()
}

// commandFlags are the flags of every command that asks for something.
type commandFlags struct {
	alertsFlags
	Alert string `arg:"" help:"The alert's id."`
	Actor string `help:"Who asks (default: the user of this session)."`
	Note  string `help:"Why."`
	Key   string `help:"Idempotency key: repeated with the same one, the command is given once."`
}

func (c *commandFlags) give(ctx context.Context, g *globals, action alert.Action, until string) (err error) {
	if c.Actor == "" {
		c.Actor = "cli"
		if u, err := user.Current(); err == nil && u.Username != "" {
			c.Actor = "cli:" + u.Username
		}
	}
	desk, end, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	taken, err := desk.Take(ctx, alert.Request{
		Tenant: c.Tenant, Alert: c.Alert, Action: string(action), Until: until, Actor: c.Actor, Note: c.Note, Key: c.Key,
	})
	switch {
	case errors.Is(err, alert.ErrInvalid):
		return usageError{err}
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(os.Stdout).Encode(taken)
	}
	_, err = fmt.Printf("%s of %s is taken; the aggregator folds it in within seconds\n", action, taken.Alert)
	return err
}

type (
	alertsAcknowledgeCmd struct{ commandFlags }
	alertsUnsnoozeCmd    struct{ commandFlags }
	alertsRebaselineCmd  struct{ commandFlags }
	alertsSnoozeCmd      struct {
		commandFlags
		Until string `required:"" placeholder:"DAY" help:"Day on which it speaks again, YYYY-MM-DD, or a number of days such as 7d."`
	}
)

// Run gives the command.
func (c *alertsAcknowledgeCmd) Run(ctx context.Context, g *globals) error {
	return c.give(ctx, g, alert.Acknowledge, "")
}

// Run gives the command.
func (c *alertsUnsnoozeCmd) Run(ctx context.Context, g *globals) error {
	return c.give(ctx, g, alert.Unsnooze, "")
}

// Run gives the command.
func (c *alertsRebaselineCmd) Run(ctx context.Context, g *globals) error {
	return c.give(ctx, g, alert.Rebaseline, "")
}

// Run gives the command.
func (c *alertsSnoozeCmd) Run(ctx context.Context, g *globals) error {
	until := c.Until
	if text, ok := strings.CutSuffix(until, "d"); ok {
		var days int
		if _, err := fmt.Sscanf(text, "%d", &days); err != nil || days < 1 || days > 366 {
			return usageError{fmt.Errorf("--until %q is not a day (2026-11-30) or a number of days (7d)", c.Until)}
		}
		until = time.Now().AddDate(0, 0, days).Format(time.DateOnly)
	}
	return c.give(ctx, g, alert.Snooze, until)
}
