package console

import (
	"context"
	"net/http"

	"go.uber.org/zap"
)

// scoreJSON is the answer of GET /api/v1/partners/{id}/score. Score is null when
// too few feeds are known; points add up to it.
type scoreJSON struct {
	Tenant       string             `json:"tenant"`
	PartnerID    string             `json:"partner_id"`
	AsOf         string             `json:"as_of"` // YYYY-MM-DD, the tenant's day
	ModelVersion string             `json:"model_version"`
	Score        *float64           `json:"score"`
	Tier         string             `json:"tier"`
	Coverage     float64            `json:"coverage"` // 0–1
	Points       map[string]float64 `json:"points"`
	Imputed      []string           `json:"imputed"` // components whose points rest on the segment, not on data
}

// problemJSON is the answer to a request that has no result.
type problemJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (c *Console) scoreAPI(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	partner := r.PathValue("id")
	s, err := c.partnerScore(ctx, partner)
	switch {
	case err != nil:
		c.failures.Inc()
		c.log.Warn("score request failed", zap.String("partner", partner), zap.Error(err))
		w.Header().Set("Retry-After", "2")
		c.writeJSON(w, http.StatusServiceUnavailable, problemJSON{"unavailable", "scores cannot be read at the moment; try again"})
	case s == nil:
		c.writeJSON(w, http.StatusNotFound, problemJSON{"no_score", "no score for this partner yet: it appears a few seconds after its first event"})
	default:
		c.writeJSON(w, http.StatusOK, scoreJSON{
			Tenant: c.cfg.Tenant, PartnerID: s.PartnerID, AsOf: s.AsOf.Format("2006-01-02"), ModelVersion: s.ModelVersion,
			Score: s.Score, Tier: s.Tier, Coverage: s.Coverage, Points: s.points(), Imputed: append([]string{}, s.Imputed...),
		})
	}
}

// points names the components as in the score's definition.
func (s *Score) points() map[string]float64 {
	return map[string]float64{
		"activity": s.Activity, "content": s.Content, "training": s.Training,
		"pipeline": s.Pipeline, "sentiment": s.Sentiment,
	}
}
