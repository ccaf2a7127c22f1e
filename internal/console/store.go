package console

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"partnerpulse/internal/chstore"
)

// Store reads ClickHouse: dest is a pointer to a slice of structs with `ch` tags.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
}

// One file per question, so that a change of a table touches one place.
var (
	//go:embed queries/partner_score.sql
	partnerScoreSQL string
	//go:embed queries/latest_scores.sql
	latestScoresSQL string
	//go:embed queries/recent_alerts.sql
	recentAlertsSQL string
)

// Score is the latest score of one partner. Points add up to Score, both 0–100;
// Score is nil when too few feeds are known (coverage below 0.6).
type Score struct {
	PartnerID    string    `ch:"partner_id"`
	AsOf         time.Time `ch:"as_of"`
	ModelVersion string    `ch:"model_version"`
	Score        *float64  `ch:"score_value"`
	Tier         string    `ch:"tier"`           // strong, steady, at_risk; empty without a score
	Coverage     float64   `ch:"coverage_value"` // 0–1
	Activity     float64   `ch:"activity"`
	Content      float64   `ch:"content"`
	Training     float64   `ch:"training"`
	Pipeline     float64   `ch:"pipeline"`
	Sentiment    float64   `ch:"sentiment"`
	Imputed      []string  `ch:"imputed"` // components without data of their own
}

// Alert is one transition of an alert.
type Alert struct {
	ID           string    `ch:"alert_id"`
	PartnerID    string    `ch:"partner_id"`
	Rule         string    `ch:"rule"`
	Status       string    `ch:"status"`
	Severity     string    `ch:"severity"`
	Day          time.Time `ch:"day"`           // last day that was counted
	ChangeDay    time.Time `ch:"change_day"`    // estimated first day of the new level
	BaselineRate float64   `ch:"baseline_rate"` // sessions per average day before
	CurrentRate  float64   `ch:"current_rate"`  // and since
	DropPct      float64   `ch:"drop_pct"`
}

// partnerScore gives the latest score of a partner; nil when there is none.
func (c *Console) partnerScore(ctx context.Context, partner string) (*Score, error) {
	var rows []Score
	p := chstore.Params{"tenant": c.cfg.Tenant, "partner_id": partner}
	if err := c.deps.Store.Select(ctx, &rows, partnerScoreSQL, p); err != nil {
		return nil, fmt.Errorf("reading the score of %s: %w", partner, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// latestScores gives the partners' latest scores, best first, at most Config.RowsMax.
func (c *Console) latestScores(ctx context.Context) ([]Score, error) {
	var rows []Score
	p := chstore.Params{"tenant": c.cfg.Tenant, "most": uint32(c.cfg.RowsMax)}
	if err := c.deps.Store.Select(ctx, &rows, latestScoresSQL, p); err != nil {
		return nil, fmt.Errorf("reading the latest scores: %w", err)
	}
	return rows, nil
}

// recentAlerts gives the newest alerts, newest first, at most Config.AlertsMax.
func (c *Console) recentAlerts(ctx context.Context) ([]Alert, error) {
	var rows []Alert
	p := chstore.Params{"tenant": c.cfg.Tenant, "most": uint32(c.cfg.AlertsMax)}
	if err := c.deps.Store.Select(ctx, &rows, recentAlertsSQL, p); err != nil {
		return nil, fmt.Errorf("reading recent alerts: %w", err)
	}
	return rows, nil
}
