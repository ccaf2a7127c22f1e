package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"go.uber.org/zap"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/keys"
)

// Alerts lists alerts and takes what people ask of them.
type Alerts interface {
	List(ctx context.Context, tenant string, f alert.Filter) ([]alert.View, error)
	Show(ctx context.Context, tenant, id string) (*alert.Detail, error)
	Take(ctx context.Context, r alert.Request) (alert.Request, error)
}

// Keys finds the key of a request.
type Keys interface {
	Authenticate(r *http.Request) (*keys.Key, error)
}

// commandBytesMax bounds the body of a command.
const commandBytesMax = 8 << 10

// alertRoutes adds the API of the alerts: reading is open as the pages are, a
// command needs a server key with the scope alerts.
func (c *Console) alertRoutes(handle func(string, http.HandlerFunc)) {
	handle("GET /api/v1/alerts", c.listAlerts)
	handle("GET /api/v1/alerts/{id}", c.showAlert)
	handle("POST /api/v1/alerts/{id}/{action}", c.commandAlert)
}

func (c *Console) listAlerts(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	q := r.URL.Query()
	list, err := c.deps.Alerts.List(ctx, c.cfg.Tenant, alert.Filter{
		Partner: q.Get("partner_id"), Rule: q.Get("rule"), Status: q.Get("status"), Open: q.Get("open") == "true",
	})
	if err != nil {
		c.alertProblem(w, err)
		return
	}
	c.writeJSON(w, http.StatusOK, map[string]any{"tenant": c.cfg.Tenant, "alerts": list})
}

func (c *Console) showAlert(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	detail, err := c.deps.Alerts.Show(ctx, c.cfg.Tenant, r.PathValue("id"))
	if err != nil {
		c.alertProblem(w, err)
		return
	}
	c.writeJSON(w, http.StatusOK, detail)
}

// commandAlert takes a command: 202, the aggregator folds it in within seconds.
func (c *Console) commandAlert(w http.ResponseWriter, r *http.Request) {
	key, status, problem := c.commander(r)
	if problem != nil {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		c.writeJSON(w, status, problem)
		return
	}
	var body struct {
		Until string `json:"until"`
		Actor string `json:"actor"`
		Note  string `json:"note"`
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, commandBytesMax))
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		err = json.Unmarshal(b, &body, json.RejectUnknownMembers(true))
	}
	if err != nil {
		c.writeJSON(w, http.StatusBadRequest, problemJSON{"invalid_body", "the body is a JSON object with until, actor and note, all optional but until of a snooze"})
		return
	}
	if body.Actor == "" {
		body.Actor = "key:" + key.ID
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	taken, err := c.deps.Alerts.Take(ctx, alert.Request{
		Tenant: key.Tenant, Alert: r.PathValue("id"), Action: r.PathValue("action"), Until: body.Until, Actor: body.Actor, Note: body.Note,
		Key: r.Header.Get("Idempotency-Key"),
	})
	if err != nil {
		c.alertProblem(w, err)
		return
	}
	c.writeJSON(w, http.StatusAccepted, taken)
}

// commander finds who gives a command, or says why nobody may.
func (c *Console) commander(r *http.Request) (*keys.Key, int, *problemJSON) {
	if r.Header.Get("Authorization") == "" {
		return nil, http.StatusUnauthorized, &problemJSON{"no_key", "a command needs a server key: Authorization: Bearer pp_srv_…"}
	}
	key, err := c.deps.Keys.Authenticate(r)
	switch {
	case err != nil:
		return nil, http.StatusUnauthorized, &problemJSON{"unknown_key", "the key is not known or not valid any more"}
	case key.Kind != keys.Server || !key.Has(keys.Alerts) || key.Tenant != c.cfg.Tenant:
		return nil, http.StatusForbidden, &problemJSON{"forbidden", "a command needs a server key of this tenant with the scope alerts"}
	}
	return key, 0, nil
}

// alertProblem answers what went wrong.
func (c *Console) alertProblem(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, alert.ErrUnknown):
		c.writeJSON(w, http.StatusNotFound, problemJSON{"unknown_alert", err.Error()})
	case errors.Is(err, alert.ErrOver):
		c.writeJSON(w, http.StatusConflict, problemJSON{"alert_over", err.Error()})
	case errors.Is(err, alert.ErrInvalid):
		c.writeJSON(w, http.StatusBadRequest, problemJSON{"invalid_command", err.Error()})
	default:
		c.failures.Inc()
		c.log.Warn("alerts request failed", zap.Error(err))
		w.Header().Set("Retry-After", "2")
		c.writeJSON(w, http.StatusServiceUnavailable, problemJSON{"unavailable", "alerts cannot be reached at the moment; try again"})
	}
}
