package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"partnerpulse/internal/app"
	"partnerpulse/internal/scoring"
)

type backtestCmd struct {
	scoringFlags
	Outcome        string `required:"" enum:"won,renewed,churned" help:"What the score is held to: won, renewed or churned."`
	Horizon        string `default:"90d" help:"How long after a score the outcome counts, such as 90d."`
	Step           string `help:"From one day of scores to the next, such as 30d (default: the horizon)."`
	Model          string `placeholder:"VERSION" help:"The model (default: the active one)."`
	TrustEventTime bool   `help:"Take events as known when they happened, not when they were received: for a history that was imported at once."`
}

// Run tests.
func (c *backtestCmd) Run(ctx context.Context, g *globals) error {
	horizon, err := parseDays("--horizon", c.Horizon)
	if err != nil {
		return err
	}
	step := int32(0)
	if c.Step != "" {
		if step, err = parseDays("--step", c.Step); err != nil {
			return err
		}
	}
	return c.run(g, func(s *app.Scoring) error {
		r, err := s.Backtest(ctx, scoring.BacktestConfig{
			ExplainConfig: scoring.ExplainConfig{Version: c.Model}, Outcome: scoring.Outcome(c.Outcome),
			HorizonDays: horizon, StepDays: step, TrustEventTime: c.TrustEventTime,
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(os.Stdout, r)
		}
		return printBacktest(os.Stdout, r)
	})
}

// parseDays reads 90d, or a duration of whole days such as 2160h.
func parseDays(flag, text string) (int32, error) {
	if n, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil && n >= 1 && n <= 3650 {
		return int32(n), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 24*time.Hour && d <= 3650*24*time.Hour && math.Mod(d.Hours(), 24) == 0 {
		return int32(d.Hours() / 24), nil
	}
	return 0, usageError{fmt.Errorf("%s %q is not a number of days such as 90d", flag, text)}
}

func printBacktest(out io.Writer, r *scoring.BacktestReport) error {
	fmt.Fprintf(out, "%s within %d days after the score, tenant %s, model %s\n", r.Outcome, r.HorizonDays, plain(r.Tenant), plain(r.ModelVersion))
	fmt.Fprintf(out, "scores of %d partners on %d days (%s … %s), from events known by %s\n", r.Partners, len(r.Days), r.Days[0], r.Days[len(r.Days)-1], r.Known)
	if r.LooksAhead {
		fmt.Fprintln(out, "The model's bars were frozen from data of these days or later: they knew more than was known then.")
	}
	fmt.Fprintf(out, "\nAUC %.3f, 95 %% interval %.3f–%.3f (%s scores should mean the outcome; 0.5 is chance)\n", r.AUC, r.Low, r.High, r.Direction)
	fmt.Fprintf(out, "%d of %d observations with the outcome, %.1f %%\n\n", r.Outcomes, r.Observations, 100*r.BaseRate)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "decile\tscores\tobservations\toutcomes\trate\tlift\t")
	for i, d := range r.Deciles {
		low, high := d.ScoreLow, d.ScoreHigh
		if r.Direction == "lower" {
			low, high = -high, -low
		}
		fmt.Fprintf(w, "%d\t%.1f–%.1f\t%d\t%d\t%.1f %%\t%.2f\t\n", i+1, low, high, d.Observations, d.Outcomes, 100*d.Rate, d.Lift)
	}
	return w.Flush()
}
