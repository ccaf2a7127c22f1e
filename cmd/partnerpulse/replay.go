package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/replay"
	"partnerpulse/internal/simulate"
)

type replayCmd struct {
	Collector  string   `default:"http://127.0.0.1:8080" env:"PARTNERPULSE_COLLECTOR_URL" help:"The collector's base address."`
	Key        string   `env:"PARTNERPULSE_SERVER_KEY" help:"Server key of the tenant; with the scope backfill for events older than 30 days, directory for descriptions."`
	Clickhouse string   `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
	Tenant     string   `help:"Only this tenant's; needed unless --dry-run."`
	Code       []string `placeholder:"CODE" help:"Only these reasons, such as unknown_type; forbidden_* and conflict only when named."`
	Stage      string   `enum:",collector,enricher" default:"" help:"Only what the collector or the enricher refused."`
	Since      string   `placeholder:"TIME" help:"Only what was refused at or after this time: RFC 3339, a date, or an age such as 24h."`
	Until      string   `placeholder:"TIME" help:"Only what was refused before this time (default: now)."`
	Limit      uint64   `help:"At most so many, the oldest first."`
	DryRun     bool     `help:"Send nothing; print how many there are by tenant and reason, with examples."`
	JSON       bool     `help:"Print the report as JSON."`
}

// Run replays, or tells what would be replayed.
func (c *replayCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{c.Clickhouse}
	}
	filter, err := c.filter(time.Now())
	if err != nil {
		return usageError{err}
	}
	if !c.DryRun && (c.Tenant == "" || c.Key == "") {
		return usageError{errors.New("sending needs --tenant and --key, a server key of that tenant; --dry-run needs neither")}
	}
	rc := replay.Config{Filter: filter, Collector: c.Collector, Key: c.Key}
	r, end, err := app.NewReplay(cfg, rc, replay.NewProgressPrinter(os.Stderr, simulate.IsTerminal(os.Stderr)), log, obs.NewRegistry())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, end()) }()
	if c.DryRun {
		counts, err := r.Counts(ctx)
		if err != nil {
			return err
		}
		return c.printCounts(os.Stdout, counts)
	}
	report, err := r.Run(ctx)
	if c.JSON {
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(report))
	}
	_, perr := fmt.Println(report)
	return errors.Join(err, perr)
}

func (c *replayCmd) filter(now time.Time) (f replay.Filter, err error) {
	f = replay.Filter{Tenant: c.Tenant, Codes: c.Code, Stage: c.Stage, Until: now, Limit: c.Limit}
	if c.Since != "" {
		if f.Since, err = parseInstant(c.Since, now); err != nil {
			return f, fmt.Errorf("--since: %w", err)
		}
	}
	if c.Until != "" {
		if f.Until, err = parseInstant(c.Until, now); err != nil {
			return f, fmt.Errorf("--until: %w", err)
		}
	}
	return f, nil
}

// parseInstant reads a time, or an age before now.
func parseInstant(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	age, err := time.ParseDuration(text)
	if err != nil || age < 0 {
		return time.Time{}, fmt.Errorf("%q is not RFC 3339 (2026-11-03T09:15:00Z), a date or an age (24h)", text)
	}
	return now.Add(-age), nil
}

// exampleRunesMax is how much of an example is shown.
const exampleRunesMax = 160

func (c *replayCmd) printCounts(w io.Writer, counts []replay.Count) error {
	if c.JSON {
		if counts == nil {
			counts = []replay.Count{}
		}
		return json.NewEncoder(w).Encode(counts)
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintln(w, "no rejects")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "tenant\tcode\tstage\tsource\trejects\tfirst\tlast")
	for i := range counts {
		n := &counts[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", plain(n.Tenant), plain(n.Code), plain(n.Stage), plain(n.Source), n.Rejects,
			n.First.UTC().Format(time.RFC3339), n.Last.UTC().Format(time.RFC3339))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	for i := range counts {
		n := &counts[i]
		// What a stranger sent is quoted: it must not reach the terminal as it is.
		if _, err := fmt.Fprintf(w, "\n%s, for example %.100q %.100q: %q\n  %q\n", plain(n.Code), n.EventType, n.EventID, shorten(n.Message), shorten(n.Original)); err != nil {
			return err
		}
	}
	return nil
}

// plain replaces control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= exampleRunesMax {
		return s
	}
	return string([]rune(s)[:exampleRunesMax]) + "…"
}
