package main

import (
	"context"
	"os"

	"partnerpulse/internal/app"
)

type explainCmd struct {
	scoringFlags
	Partner string `required:"" help:"The partner."`
	AsOf    string `placeholder:"DAY" help:"The day, YYYY-MM-DD (default: today in the tenant's time zone)."`
	Model   string `placeholder:"VERSION" help:"The model (default: the active one)."`
}

// Run explains.
func (c *explainCmd) Run(ctx context.Context, g *globals) error {
	return c.run(g, func(s *app.Scoring) error {
		asOf, err := parseDay("--as-of", c.AsOf, s.Today())
		if err != nil {
			return err
		}
		r, err := s.Explain(ctx, c.Partner, c.Model, asOf)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, r)
		}
		return r.Print(os.Stdout)
	})
}
