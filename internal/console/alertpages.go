package console

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/detect"
)

// alertsPage is the list of alerts.
type alertsPage struct {
	Config  Config
	All     bool // closed ones, too
	Alerts  []alert.View
	Actor   string // who is signed in; empty: nobody
	Form    string // token of the session's forms
	Trouble string
}

// alertPage is one alert with what may be done about it.
type alertPage struct {
	Config Config
	Alert  *alert.Detail
	Open   bool
	Actor  string
	Form   string
	Once   string // makes a form that is sent twice one command
	Tell   string // what became of the last command
	// What the alert allows.
	Snoozed, Rebaseline bool
	Tomorrow, In2Weeks  string // days for snoozing
}

// alertPageRoutes adds the pages of the alerts. Reading is as open as the overview;
// forms take effect for who signed in with a key that may give commands. A request
// that a browser says comes from another site is refused.
func (c *Console) alertPageRoutes(handle func(string, http.HandlerFunc)) {
	origin := http.NewCrossOriginProtection()
	form := func(pattern string, h http.HandlerFunc) {
		handle(pattern, origin.Handler(h).ServeHTTP)
	}
	handle("GET /alerts", c.alertsPage)
	handle("GET /alerts/{id}", c.alertPage)
	form("POST "+signInHere, c.deskSignIn)
	form("POST "+signOutHere, c.deskSignOut)
	form("POST /alerts/{id}/{action}", c.alertForm)
}

// validAlertID keeps what a form says about where to go back to from being an address.
func validAlertID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

func (c *Console) alertsPage(w http.ResponseWriter, r *http.Request) {
	c.listPage(w, r, http.StatusOK, "")
}

// alertTrouble shows the list with what went wrong.
func (c *Console) alertTrouble(w http.ResponseWriter, r *http.Request, status int, trouble string) {
	c.listPage(w, r, status, trouble)
}

func (c *Console) listPage(w http.ResponseWriter, r *http.Request, status int, trouble string) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	page := &alertsPage{Config: c.cfg, All: r.URL.Query().Get("all") == "true", Trouble: trouble}
	if s, _, ok := c.signedIn(r); ok {
		page.Actor, page.Form = s.actor, s.form
	}
	var err error
	page.Alerts, err = c.deps.Alerts.List(ctx, c.cfg.Tenant, alert.Filter{Open: !page.All})
	if err != nil {
		c.failures.Inc()
		c.log.Warn("the list of alerts cannot be read", zap.Error(err))
		status, page.Trouble = http.StatusServiceUnavailable, "The alerts cannot be read at the moment. Try again soon."
	}
	c.render(w, status, "alerts.html", "alerts", page)
}

func (c *Console) alertPage(w http.ResponseWriter, r *http.Request) {
	tell := ""
	if action := alert.Action(r.URL.Query().Get("done")); action != "" {
		for _, known := range alert.Actions() {
			if action == known {
				tell = "Recorded: " + string(action) + ". It takes effect within seconds."
			}
		}
	}
	c.onePage(w, r, http.StatusOK, tell)
}

// onePage shows an alert.
func (c *Console) onePage(w http.ResponseWriter, r *http.Request, status int, tell string) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	detail, err := c.deps.Alerts.Show(ctx, c.cfg.Tenant, r.PathValue("id"))
	switch {
	case errors.Is(err, alert.ErrUnknown):
		c.listPage(w, r, http.StatusNotFound, "There is no such alert.")
		return
	case err != nil:
		c.failures.Inc()
		c.log.Warn("an alert cannot be read", zap.Error(err))
		c.listPage(w, r, http.StatusServiceUnavailable, "The alert cannot be read at the moment. Try again soon.")
		return
	}
	state := detect.Status(detail.Status)
	today := time.Now().UTC()
	page := &alertPage{
		Config: c.cfg, Alert: detail, Tell: tell, Once: rand.Text(),
		Open:    state == detect.StatusFiring || state == alert.Acknowledged || state == alert.Snoozed,
		Snoozed: state == alert.Snoozed, Rebaseline: alert.Rebaselines(detect.Rule(detail.Rule)),
		Tomorrow: today.AddDate(0, 0, 1).Format(time.DateOnly), In2Weeks: today.AddDate(0, 0, 14).Format(time.DateOnly),
	}
	if s, _, ok := c.signedIn(r); ok {
		page.Actor, page.Form = s.actor, s.form
	}
	c.render(w, status, "alert.html", "alert", page)
}

// alertForm takes a command from the page of an alert.
func (c *Console) alertForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	s, key, ok := c.signedIn(r)
	switch {
	case !ok:
		c.onePage(w, r, http.StatusUnauthorized, "You are not signed in, or not any more. Nothing was done.")
		return
	case !s.ours(r):
		c.onePage(w, r, http.StatusForbidden, "This form is not from a page of yours, or from an old one. Nothing was done; try again.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.QueryTimeout)
	defer cancel()
	action := r.PathValue("action")
	taken := alert.Request{
		Tenant: key.Tenant, Alert: r.PathValue("id"), Action: action,
		Actor: s.actor + " (key:" + key.ID + ")", Note: r.PostFormValue("note"), Key: r.PostFormValue("once"),
	}
	if alert.Action(action) == alert.Snooze {
		taken.Until = r.PostFormValue("until")
	}
	_, err := c.deps.Alerts.Take(ctx, taken)
	switch {
	case err == nil:
		http.Redirect(w, r, fmt.Sprintf("/alerts/%s?done=%s", r.PathValue("id"), action), http.StatusSeeOther)
	case errors.Is(err, alert.ErrUnknown):
		c.onePage(w, r, http.StatusNotFound, "There is no such alert.")
	case errors.Is(err, alert.ErrOver):
		c.onePage(w, r, http.StatusConflict, "Nothing was done: the alert is over.")
	case errors.Is(err, alert.ErrInvalid):
		c.onePage(w, r, http.StatusBadRequest, "Nothing was done: "+err.Error()+".")
	default:
		c.failures.Inc()
		c.log.Warn("a command was not taken", zap.Error(err))
		c.onePage(w, r, http.StatusServiceUnavailable, "The command could not be recorded. Try again soon.")
	}
}
