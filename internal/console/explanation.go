package console

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/scoring"
)

// Explainer takes scores apart. Days are counted from 1970-01-01.
type Explainer interface {
	Explain(ctx context.Context, partner string, asOf int32) (*scoring.Report, error)
	Today() int32
}

// explanationAPI answers GET /api/v1/partners/{id}/explanation?as_of=YYYY-MM-DD.
func (c *Console) explanationAPI(w http.ResponseWriter, r *http.Request) {
	asOf := c.deps.Explainer.Today()
	if text := r.URL.Query().Get("as_of"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			c.writeJSON(w, http.StatusBadRequest, problemJSON{"bad_day", "as_of is not a day such as 2026-11-03"})
			return
		}
		asOf = int32(day.Unix() / 86400)
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	partner := r.PathValue("id")
	report, err := c.deps.Explainer.Explain(ctx, partner, asOf)
	switch {
	case errors.Is(err, scoring.ErrNoPartner), errors.Is(err, scoring.ErrNoModel):
		c.writeJSON(w, http.StatusNotFound, problemJSON{"no_score", "no score for this partner by that day: it appears a few seconds after its first event"})
	case err != nil:
		c.failures.Inc()
		c.log.Warn("explanation request failed", zap.String("partner", partner), zap.Error(err))
		w.Header().Set("Retry-After", "2")
		c.writeJSON(w, http.StatusServiceUnavailable, problemJSON{"unavailable", "scores cannot be read at the moment; try again"})
	default:
		c.writeJSON(w, http.StatusOK, report)
	}
}
