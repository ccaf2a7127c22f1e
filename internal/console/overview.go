package console

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// overview is what the start page shows.
type overview struct {
	Config  Config
	At      time.Time
	Scores  []Score
	Alerts  []Alert
	Tiers   []tierCount
	Average *float64 // of the partners that have a score
	Desk    bool     // alerts have pages
	Trouble string   // why the figures are missing, for the reader
}

// tierCount is the number of partners in a tier.
type tierCount struct {
	Name  string // as shown
	Class string // as in the style sheet
	Count int
}

// readOverview reads scores and alerts. A failure is shown on the page, which
// stays useful for finding the other parts of the system.
func (c *Console) readOverview(r *http.Request) *overview {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	o := &overview{Config: c.cfg, At: time.Now(), Desk: c.deps.Alerts != nil}
	var err error
	if o.Scores, err = c.latestScores(ctx); err == nil {
		o.Alerts, err = c.recentAlerts(ctx)
	}
	if err != nil {
		c.failures.Inc()
		c.log.Warn("overview is incomplete", zap.Error(err))
		o.Trouble = "The figures cannot be read at the moment. This page tries again by itself."
	}
	o.Tiers, o.Average = summarise(o.Scores)
	return o
}

// summarise counts partners by tier in the order of the tiers' rank and averages
// the scores that are known; nil when none is.
func summarise(scores []Score) ([]tierCount, *float64) {
	tiers := []tierCount{
		{Name: "Strong", Class: "strong"}, {Name: "Steady", Class: "steady"},
		{Name: "At risk", Class: "at_risk"}, {Name: "No score", Class: "none"},
	}
	var sum float64
	var known int
	for i := range scores {
		s := &scores[i]
		if s.Score == nil {
			tiers[3].Count++
			continue
		}
		sum += *s.Score
		known++
		switch s.Tier {
		case "strong":
			tiers[0].Count++
		case "steady":
			tiers[1].Count++
		case "at_risk":
			tiers[2].Count++
		}
	}
	if known == 0 {
		return tiers, nil
	}
	sum /= float64(known)
	return tiers, &sum
}

func (c *Console) overviewPage(w http.ResponseWriter, r *http.Request) {
	c.render(w, http.StatusOK, "overview.html", "console", c.readOverview(r))
}

// overviewPart is the part of the page that renews itself.
func (c *Console) overviewPart(w http.ResponseWriter, r *http.Request) {
	c.render(w, http.StatusOK, "overview.html", "figures", c.readOverview(r))
}
