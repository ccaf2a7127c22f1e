package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"partnerpulse/internal/app"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/notifier"
	"partnerpulse/internal/obs"
)

type notifierCmd struct {
	Run  notifierRunCmd  `cmd:"" default:"1" help:"Run the notifier: alert topics in, signed webhooks out."`
	Dead notifierDeadCmd `cmd:"" help:"List or send again the messages whose attempts are used up."`
}

type notifierRunCmd struct{}

// Run runs the notifier until a signal.
func (*notifierRunCmd) Run(ctx context.Context, g *globals) error { return g.role(ctx, app.Notifier) }

type notifierDeadCmd struct {
	List   deadListCmd   `cmd:"" help:"List dead messages, oldest first."`
	Resend deadResendCmd `cmd:"" help:"Queue dead messages again under their ids; a disabled endpoint is enabled by it."`
}

// deadFlags are the flags of both.
type deadFlags struct {
	Clickhouse string `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
	Endpoint   string `help:"Only this endpoint's."`
	JSON       bool   `help:"Print JSON."`
}

func (f *deadFlags) open(g *globals) (*chstore.Store, func() error, error) {
	cfg, log, err := g.start()
	if err != nil {
		return nil, nil, err
	}
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{f.Clickhouse}
	}
	store, end, err := app.OpenDeadLetters(cfg, log, obs.NewRegistry())
	if err != nil {
		return nil, nil, usageError{err}
	}
	return store, end, nil
}

func (f *deadFlags) print(list []notifier.Delivery) error {
	if f.JSON {
		if list == nil {
			list = []notifier.Delivery{}
		}
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	if len(list) == 0 {
		_, err := fmt.Println("no dead messages")
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "endpoint\tmessage\ttenant\towner\talerts\tattempts\tcreated\tlast error")
	for _, d := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", plain(d.Endpoint), d.ID, plain(d.Tenant), plain(d.Owner), len(d.Alerts),
			d.Attempts, d.Created.UTC().Format(time.RFC3339), shorten(plain(d.LastError)))
	}
	return table.Flush()
}

type deadListCmd struct{ deadFlags }

// Run lists.
func (c *deadListCmd) Run(ctx context.Context, g *globals) (err error) {
	store, end, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	list, err := notifier.Dead(ctx, store, c.Endpoint)
	if err != nil {
		return err
	}
	return c.print(list)
}

type deadResendCmd struct {
	deadFlags
	All bool     `help:"All dead messages (of the endpoint)."`
	IDs []string `arg:"" optional:"" name:"message" help:"Messages by id."`
}

// Run queues.
func (c *deadResendCmd) Run(ctx context.Context, g *globals) (err error) {
	if c.All == (len(c.IDs) > 0) {
		return usageError{errors.New("name messages, or give --all")}
	}
	store, end, err := c.open(g)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	list, err := notifier.Resend(ctx, store, c.Endpoint, c.IDs, time.Now())
	if err != nil {
		return err
	}
	return c.print(list)
}
