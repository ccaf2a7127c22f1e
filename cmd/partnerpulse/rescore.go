package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/app"
	"partnerpulse/internal/simulate"
)

type rescoreCmd struct {
	scoringFlags
	From  string `required:"" placeholder:"DAY" help:"First day, YYYY-MM-DD."`
	To    string `placeholder:"DAY" help:"Last day, YYYY-MM-DD (default: today in the tenant's time zone)."`
	Model string `placeholder:"VERSION" help:"The model (default: the active one)."`
}

// Run recomputes; an interrupted run goes on with the same command.
func (c *rescoreCmd) Run(ctx context.Context, g *globals) error {
	from, err := parseDay("--from", c.From, 0)
	if err != nil {
		return err
	}
	return c.run(g, func(s *app.Scoring) error {
		to, err := parseDay("--to", c.To, s.Today())
		if err != nil {
			return err
		}
		r, err := s.Rescore(ctx, c.Model, from, to, rescorePrinter(os.Stderr, simulate.IsTerminal(os.Stderr)))
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, r)
		}
		_, err = fmt.Printf("scored %d partners from %s to %s with model %s: %d rows\n", r.Partners, r.From, r.To, plain(r.Model), r.Rows)
		return err
	})
}

// rescoreLineStep is how often a line is written where there is no terminal.
const rescoreLineStep = 5 * time.Second

// rescorePrinter shows progress as a bar on a terminal, else as a line now and then.
// Errors of drawing are not worth stopping for.
func rescorePrinter(w io.Writer, terminal bool) func(aggregator.RescoreProgress) {
	if terminal {
		bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionSetDescription("partners"),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
		return func(p aggregator.RescoreProgress) {
			bar.ChangeMax64(max(1, p.Total))
			_ = bar.Set64(min(p.Done, max(1, p.Total)))
			if p.Finished {
				_, _ = fmt.Fprintln(w)
			}
		}
	}
	var next time.Time
	return func(p aggregator.RescoreProgress) {
		now := time.Now()
		if !p.Finished && now.Before(next) {
			return
		}
		next = now.Add(rescoreLineStep)
		_, _ = fmt.Fprintf(w, "rescore: %d of %d partners, %d rows\n", p.Done, p.Total, p.Rows)
	}
}
