package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/forget"
	"partnerpulse/internal/obs"
)

type forgetCmd struct {
	Tenant     string        `required:"" help:"Whose programme."`
	User       string        `placeholder:"ID" xor:"who" help:"Erase this user, as the portal names him."`
	Partner    string        `placeholder:"ID" xor:"who" help:"Erase this partner with all its people."`
	DryRun     bool          `help:"Erase nothing; print what there is, by place."`
	Block      bool          `help:"Refuse for ever what comes of them. Without it, only what was received so far is refused."`
	Wait       time.Duration `default:"2m" help:"How long to wait for the aggregator to recompute; 0s: not at all."`
	Clickhouse string        `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
	Kafka      string        `default:"127.0.0.1:9092" help:"Kafka's address, unless kafka.brokers is configured."`
	JSON       bool          `help:"Print the report as JSON."`
}

// errPending makes the exit code tell that the command has to be repeated.
var errPending = errors.New("everything is erased, but the aggregator has not recomputed yet: repeat the command when it runs")

// Run erases, or tells what would be erased.
func (c *forgetCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if c.User == "" && c.Partner == "" {
		return usageError{errors.New("say whom: --user or --partner")}
	}
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{c.Clickhouse}
	}
	if len(cfg.Kafka.Brokers) == 0 {
		cfg.Kafka.Brokers = config.List{c.Kafka}
	}
	f, end, err := app.NewForgetter(cfg, log, obs.NewRegistry())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, end()) }()
	report, err := f.Run(ctx, forget.Request{
		Tenant: c.Tenant, User: c.User, Partner: c.Partner, Pseudonym: cfg.Pseudonym(c.Tenant, c.User),
		Block: c.Block, DryRun: c.DryRun, Wait: c.Wait,
	})
	if err == nil || report != nil && len(report.Places) > 0 { // after an error: how far it came
		err = errors.Join(err, c.print(os.Stdout, report, err == nil))
	}
	if err == nil && report.Pending && c.Wait > 0 {
		err = errPending
	}
	return err
}

func (c *forgetCmd) print(w io.Writer, r *forget.Report, done bool) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	did := "erased"
	if r.DryRun {
		did = "found"
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "place\t%s\t\n", did)
	for _, p := range r.Places {
		fmt.Fprintf(table, "%s\t%d\t%s\n", p.Name, p.Rows, p.Remark)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if r.DryRun || !done {
		return nil
	}
	_, err := fmt.Fprintf(w, "refused from now on: what was received up to %s; days recomputed: %d\n", r.Until.Format(time.RFC3339), r.Days)
	return err
}
