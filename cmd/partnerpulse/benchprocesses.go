package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"partnerpulse/internal/bench"
)

// processes are the parts of a measurement, with a directory for their data.
type processes struct {
	globals *globals
	dir     string
	owned   *benchDir
	running []*bench.Child
}

func newProcesses(g *globals) (*processes, error) {
	dir, err := newBenchDir()
	if err != nil {
		return nil, err
	}
	return &processes{globals: g, dir: dir.path, owned: dir}, nil
}

// start runs a part until it or all of them are stopped.
func (p *processes) start(ctx context.Context, part string, more ...string) (*bench.Child, error) {
	c, err := bench.StartChild(ctx, part, append(p.globals.args(), append([]string{"bench", "serve", part}, more...)...)...)
	if err == nil {
		p.running = append(p.running, c)
	}
	return c, err
}

// stop ends the parts in reverse order of their start and removes their data.
func (p *processes) stop() error {
	var err error
	for i := len(p.running) - 1; i >= 0; i-- {
		err = errors.Join(err, p.running[i].Stop())
	}
	return errors.Join(err, p.owned.remove())
}

// printReport prints a report for people, or as JSON.
func printReport(report fmt.Stringer, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Print(report)
		return err
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
