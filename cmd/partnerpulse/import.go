package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/importer"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/simulate"
	"partnerpulse/schemas"
)

type importCmd struct {
	Kind      string `arg:"" enum:"partners,users,content,courses,commitments" help:"What the file describes: partners, users, content, courses or commitments."`
	File      string `arg:"" help:"CSV file; its first line names the columns (docs/IMPORT.md)."`
	Collector string `default:"http://127.0.0.1:8080" env:"PARTNERPULSE_COLLECTOR_URL" help:"The collector's base address."`
	Key       string `env:"PARTNERPULSE_SERVER_KEY" help:"Server key with the scope directory; not needed with --dry-run."`
	At        string `placeholder:"TIME" help:"When the file holds: RFC 3339, a date, or an age such as 24h (default: when it was last changed)."`
	DryRun    bool   `help:"Check the file and send nothing."`
	JSON      bool   `help:"Print the report as JSON."`
}

// Run imports a file.
func (c *importCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	log, err := obs.NewLogger(cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return usageError{err}
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	kind, ok := importer.KindOf(c.Kind)
	if !ok {
		return usageError{fmt.Errorf("nothing called %q can be imported", c.Kind)}
	}
	file, err := os.Open(c.File)
	if err != nil {
		return usageError{err}
	}
	defer file.Close() //nolint:errcheck // it was only read
	at, err := c.time(file)
	if err != nil {
		return err
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		return fmt.Errorf("compiling the event schemas: %w", err)
	}
	m, err := importer.New(importer.Config{Kind: kind, At: at, Collector: c.Collector, Key: c.Key, DryRun: c.DryRun},
		importer.Deps{Schemas: set, Progress: importer.NewProgressPrinter(os.Stderr, simulate.IsTerminal(os.Stderr))}, log)
	if err != nil {
		return usageError{err}
	}
	report, err := m.Run(ctx, file)
	if c.JSON {
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(report))
	}
	return errors.Join(err, printImport(report))
}

// time gives what --at says, else when the file was last changed.
func (c *importCmd) time(file *os.File) (time.Time, error) {
	if c.At != "" {
		at, err := parseInstant(c.At, time.Now())
		if err != nil {
			return at, usageError{fmt.Errorf("--at: %w", err)}
		}
		return at, nil
	}
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when the file was changed: %w", err)
	}
	return info.ModTime().Truncate(time.Second), nil
}

func printImport(r *importer.Report) error {
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(os.Stderr, plain(p.String())); err != nil {
			return err
		}
	}
	if r.Wrong+r.Rejected > len(r.Problems) {
		fmt.Fprintf(os.Stderr, "… only the first %d problems are shown\n", len(r.Problems))
	}
	what := "would be imported"
	if !r.DryRun {
		what = fmt.Sprintf("%d events accepted, %d refused", r.Accepted, r.Rejected)
	}
	_, err := fmt.Printf("%s: %d rows, %d with problems; %s\n", r.Kind, r.Rows, r.Wrong, what)
	return err
}
