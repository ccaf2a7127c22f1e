package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"text/tabwriter"

	"go.uber.org/zap"

	"partnerpulse/internal/app"
	"partnerpulse/internal/embedded/clickhouse/chdb"
)

type doctorCmd struct {
	DataDir string `placeholder:"DIR" env:"PARTNERPULSE_DATA_DIR" help:"The data directory of up."`
	JSON    bool   `help:"Print the findings as JSON."`
}

// errUnwell makes the exit code tell that something is to be mended.
var errUnwell = errors.New("something is to be mended")

// Run checks and prints; it fails when a check does.
func (d *doctorCmd) Run(ctx context.Context, g *globals) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	if d.DataDir == "" {
		if d.DataDir, err = defaultDataDir(); err != nil {
			return err
		}
	}
	findings := app.Diagnose(ctx, cfg, d.DataDir, zap.NewNop())
	if len(cfg.ClickHouse.Addr) == 0 {
		findings = append(findings, engineLibrary())
	}
	findings = append(findings, port(ctx, "collector.http.addr", cfg.Collector.HTTP.Addr),
		port(ctx, "console.http.addr", cfg.Console.HTTP.Addr))
	if err := d.print(findings); err != nil {
		return err
	}
	for _, f := range findings {
		if !f.OK {
			return errUnwell
		}
	}
	return nil
}

func engineLibrary() app.Finding {
	path, err := chdb.Locate(os.Getenv("PARTNERPULSE_LIBCHDB"))
	if err != nil {
		return app.Finding{Check: "embedded ClickHouse", Detail: err.Error(), Mend: "run `make deps`"}
	}
	return app.Finding{Check: "embedded ClickHouse", OK: true, Detail: path}
}

// port tells whether addr is free; something that listens there may well be ours.
func port(ctx context.Context, setting, addr string) app.Finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return app.Finding{
			Check: setting, Detail: err.Error(),
			Mend: "fine if PartnerPulse is running there; else stop what is, or change " + setting,
		}
	}
	if err := l.Close(); err != nil {
		return app.Finding{Check: setting, Detail: err.Error()}
	}
	return app.Finding{Check: setting, OK: true, Detail: addr + " is free"}
}

func (d *doctorCmd) print(findings []app.Finding) error {
	if d.JSON {
		return json.NewEncoder(os.Stdout).Encode(findings)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		state := "ok"
		if !f.OK {
			state = "MEND"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", state, f.Check, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Mend)
		}
	}
	return w.Flush()
}
