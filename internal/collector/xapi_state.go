package collector

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"partnerpulse/internal/xapi"
)

// errPrecondition says that If-Match or If-None-Match does not hold.
var errPrecondition = errors.New("the document is not the one that If-Match or If-None-Match asks for")

// stateIDBytesMax bounds a stateId, activityId and agent.
const stateIDBytesMax = 2048

// xapiState keeps what courses note about a learner.
func (c *Collector) xapiState(call *xapiCall) (xapiAnswer, *failure) {
	if fail := serverOnly(call); fail != nil {
		return nil, fail
	}
	place, id, fail := c.placeOf(call)
	if fail != nil {
		return nil, fail
	}
	switch call.r.Method {
	case http.MethodPut, http.MethodPost:
		return c.putState(call, place, id)
	case http.MethodDelete:
		return c.deleteState(call, place, id)
	}
	if id == "" {
		return c.listStates(call, place)
	}
	d, err := c.xapi.documents.Get(call.r.Context(), place, id)
	if err != nil {
		return nil, c.documentFailure(err)
	}
	if d == nil {
		return nil, &failure{http.StatusNotFound, "state_not_found", "no such state document is here", 0}
	}
	return func(w http.ResponseWriter) int {
		h := w.Header()
		h.Set("Content-Type", d.ContentType)
		h.Set("ETag", d.ETag())
		h.Set("Last-Modified", d.Updated.UTC().Format(http.TimeFormat))
		h.Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(d.Body)
		return http.StatusOK
	}, nil
}

// placeOf reads the parameters of the state resource.
func (c *Collector) placeOf(call *xapiCall) (p xapi.Place, id string, fail *failure) {
	for name, values := range call.query {
		switch name {
		case "activityId", "agent", "stateId", "registration", "since", "cachebuster", "key":
		default:
			return p, "", badParameter(name, "is not known")
		}
		if len(values[0]) > stateIDBytesMax {
			return p, "", badParameter(name, "is too long")
		}
	}
	p = xapi.Place{Tenant: call.tenant, Portal: call.key.Portal, Activity: call.query.Get("activityId"), Registration: strings.ToLower(call.query.Get("registration"))}
	if p.Activity == "" {
		return p, "", badParameter("activityId", "is required")
	}
	if p.Registration != "" && uuid.Validate(p.Registration) != nil {
		return p, "", badParameter("registration", "must be a UUID")
	}
	agent, err := xapi.ParseAgent(call.query.Get("agent"))
	if err != nil {
		return p, "", badParameter("agent", "must be an agent in JSON: "+err.Error())
	}
	p.Agent, p.User, id = agent.Key(), c.xapi.mapper.User(agent), call.query.Get("stateId")
	writes := call.r.Method == http.MethodPut || call.r.Method == http.MethodPost
	if id == "" && writes {
		return p, "", badParameter("stateId", "is required")
	}
	return p, id, nil
}

func (c *Collector) putState(call *xapiCall, p xapi.Place, id string) (xapiAnswer, *failure) {
	body, fail := c.readBody(call.w, call.r)
	if fail != nil {
		return nil, fail
	}
	contentType := limit(strings.ToValidUTF8(call.r.Header.Get("Content-Type"), "?"), 200)
	next := &xapi.Document{ContentType: contentType, Body: bytes.Clone(body.bytes), Updated: time.Now().UTC()}
	body.release()
	if contentType == "" {
		next.ContentType = "application/octet-stream"
	}
	if strings.HasPrefix(strings.ToLower(contentType), "application/json") && !jsontext.Value(next.Body).IsValid() {
		return nil, &failure{http.StatusBadRequest, "invalid_document", "the document is not the JSON that its Content-Type says", 0}
	}
	err := c.xapi.documents.Change(call.r.Context(), p, id, func(old *xapi.Document) (*xapi.Document, error) {
		if !holds412(call.r, old) {
			return nil, errPrecondition
		}
		if call.r.Method == http.MethodPut {
			return next, nil
		}
		return xapi.Merge(old, next)
	})
	if err != nil {
		return nil, c.documentFailure(err)
	}
	return status(http.StatusNoContent), nil
}

// deleteState removes one document, or all of the place.
func (c *Collector) deleteState(call *xapiCall, p xapi.Place, id string) (xapiAnswer, *failure) {
	ids := []string{id}
	if id == "" {
		var err error
		if ids, err = c.xapi.documents.List(call.r.Context(), p, time.Time{}); err != nil {
			return nil, c.documentFailure(err)
		}
	}
	for _, id := range ids {
		err := c.xapi.documents.Change(call.r.Context(), p, id, func(old *xapi.Document) (*xapi.Document, error) {
			if !holds412(call.r, old) {
				return nil, errPrecondition
			}
			return nil, nil
		})
		if err != nil {
			return nil, c.documentFailure(err)
		}
	}
	return status(http.StatusNoContent), nil
}

func (c *Collector) listStates(call *xapiCall, p xapi.Place) (xapiAnswer, *failure) {
	var since time.Time
	if text := call.query.Get("since"); text != "" {
		var err error
		if since, err = xapi.Time(text); err != nil {
			return nil, badParameter("since", "must be an ISO 8601 time with a zone")
		}
	}
	ids, err := c.xapi.documents.List(call.r.Context(), p, since)
	if err != nil {
		return nil, c.documentFailure(err)
	}
	return func(w http.ResponseWriter) int {
		c.writeJSON(w, http.StatusOK, ids)
		return http.StatusOK
	}, nil
}

// holds412 tells whether the request's preconditions hold for the document; nil is none.
func holds412(r *http.Request, d *xapi.Document) bool {
	match := func(header string) bool {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimSpace(tag)
			// Old clients send the bare digest, without quotes.
			if d != nil && (tag == "*" || strings.Trim(tag, `"`) == strings.Trim(d.ETag(), `"`)) {
				return true
			}
		}
		return false
	}
	if h := r.Header.Get("If-Match"); h != "" && !match(h) {
		return false
	}
	h := r.Header.Get("If-None-Match")
	return h == "" || !match(h)
}

// documentFailure words why a document could not be kept or read.
func (c *Collector) documentFailure(err error) *failure {
	switch {
	case errors.Is(err, errPrecondition):
		return &failure{http.StatusPreconditionFailed, "precondition_failed", err.Error() + ": read it again", 0}
	case errors.Is(err, xapi.ErrNotMergeable):
		return &failure{http.StatusBadRequest, "not_mergeable", err.Error(), 0}
	case errors.Is(err, xapi.ErrDocumentTooLarge):
		return tooLarge("document", c.cfg.XAPI.DocumentBytesMax)
	}
	c.xapi.storeErrors.Inc()
	c.log.Warn("reaching state documents", zap.Error(err))
	return &failure{http.StatusServiceUnavailable, "store_unavailable", "the document cannot be reached at this moment: ask again later", c.cfg.RetryAfter}
}
