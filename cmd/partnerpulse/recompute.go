package main

import (
	"context"
	"fmt"
	"os"

	"partnerpulse/internal/app"
)

type recomputeCmd struct {
	scoringFlags
	From string `required:"" placeholder:"DAY" help:"First day, YYYY-MM-DD."`
	To   string `placeholder:"DAY" help:"Last day, YYYY-MM-DD (default: today)."`
}

// Run marks the days and leaves the work to the aggregator.
func (c *recomputeCmd) Run(ctx context.Context, g *globals) error {
	from, err := parseDay("--from", c.From, 0)
	if err != nil {
		return err
	}
	return c.run(g, func(s *app.Scoring) error {
		to, err := parseDay("--to", c.To, s.Today()+1) // UTC's day may be the next already
		if err != nil {
			return err
		}
		if to < from {
			return usageError{fmt.Errorf("--to %s is before --from %s", c.To, c.From)}
		}
		marked, err := s.Mark(ctx, from, to)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, marked)
		}
		_, err = fmt.Printf("marked %d days of %d partners: the aggregator recomputes them, from their events, with its next ticks\n", marked.Days, marked.Partners)
		return err
	})
}
