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

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/score"
)

// scoringFlags are the flags of every command about a tenant's scores.
type scoringFlags struct {
	Clickhouse string `default:"http://127.0.0.1:8123" help:"ClickHouse's address, unless clickhouse.addr is configured."`
	Tenant     string `required:"" help:"The tenant."`
	JSON       bool   `help:"Print the result as JSON."`
}

// run opens the tenant's scoring for a command.
func (f *scoringFlags) run(g *globals, work func(*app.Scoring) error) (err error) {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if len(cfg.ClickHouse.Addr) == 0 {
		cfg.ClickHouse.Addr = config.List{f.Clickhouse}
	}
	s, err := app.NewScoring(cfg, f.Tenant, log, obs.NewRegistry())
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return work(s)
}

// parseDay reads YYYY-MM-DD as days since 1970-01-01; empty is fallback.
func parseDay(flag, text string, fallback int32) (int32, error) {
	if text == "" {
		return fallback, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, usageError{fmt.Errorf("%s %q is not a day such as 2026-11-03", flag, text)}
	}
	return int32(t.Unix() / 86400), nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type modelCmd struct {
	Freeze modelFreezeCmd `cmd:"" help:"Make a model whose bars are the 80th percentiles of the tenant's segments on a day, and store it."`
	List   modelListCmd   `cmd:"" help:"List the stored models of a tenant."`
}

type modelFreezeCmd struct {
	scoringFlags
	AsOf        string `required:"" placeholder:"DAY" help:"The last day that counts, YYYY-MM-DD."`
	Version     string `required:"" help:"Version of the model; it can never mean another one."`
	PartnersMin int    `default:"20" help:"Segments with fewer partners fall back to the bars of all partners."`
}

// Run freezes.
func (c *modelFreezeCmd) Run(ctx context.Context, g *globals) error {
	asOf, err := parseDay("--as-of", c.AsOf, 0)
	if err != nil {
		return err
	}
	return c.run(g, func(s *app.Scoring) error {
		m, err := s.Freeze(ctx, c.Version, asOf, c.PartnersMin)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, m)
		}
		printModel(os.Stdout, &m)
		_, err = fmt.Printf("\nTo score with it: --set tenants.%s.model.active=%s (or in the configuration file).\n", c.Tenant, m.Version)
		return err
	})
}

type modelListCmd struct{ scoringFlags }

// Run lists.
func (c *modelListCmd) Run(ctx context.Context, g *globals) error {
	return c.run(g, func(s *app.Scoring) error {
		models, err := s.Models(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, models)
		}
		active, err := s.ActiveVersion()
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "version\tstored\tfrozen as of\tsegments\t")
		for i := range models {
			m := &models[i]
			mark := ""
			if m.Version == active {
				mark = "active"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Version, m.Created.Format(time.DateTime), m.Model.FrozenAsOf,
				strings.Join(m.Model.SegmentNames(), ", "), mark)
		}
		return w.Flush()
	})
}

// printModel shows bars and imputed values by segment.
func printModel(out io.Writer, m *score.Model) {
	fmt.Fprintf(out, "model %s, frozen as of %s\n\n", m.Version, m.FrozenAsOf)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "segment\tpartners\t")
	for j := range score.ComponentCount {
		fmt.Fprintf(w, "%s bar\timputed\t", j)
	}
	fmt.Fprintln(w)
	for _, name := range append([]string{""}, m.SegmentNames()...) {
		label, partners := name, fmt.Sprint(m.Segments[name].Partners)
		if name == "" {
			label, partners = "(all others)", ""
		}
		fmt.Fprintf(w, "%s\t%s\t", plain(label), partners)
		for j := range score.ComponentCount {
			bar := "–"
			if j < score.Sentiment {
				bar = fmt.Sprintf("%.3f", m.Bar(name, j))
			}
			fmt.Fprintf(w, "%s\t%.3f\t", bar, float64(m.ImputedValue(name, j))/score.SubUnit)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // errors of standard output show in the line that follows
}
