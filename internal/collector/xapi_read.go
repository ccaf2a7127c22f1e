package collector

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"partnerpulse/internal/keys"
	"partnerpulse/internal/xapi"
)

// Limits of a list of statements.
const xapiListMax = 100

// xapiConsistentLag is how old a statement is when the store surely has it, in an
// installation that keeps up. It is told to clients, not measured.
const xapiConsistentLag = time.Minute

// serverOnly refuses browser keys: they are public, and what is read here is about
// people.
func serverOnly(call *xapiCall) *failure {
	if call.key.Kind == keys.Server {
		return nil
	}
	return &failure{http.StatusForbidden, "server_key_needed", "a browser key is public and may only send statements: read them, and keep state, with a server key", 0}
}

// xapiRead answers GET: one statement or a list.
func (c *Collector) xapiRead(call *xapiCall) (xapiAnswer, *failure) {
	if fail := serverOnly(call); fail != nil {
		return nil, fail
	}
	one := call.query.Has("statementId") || call.query.Has("voidedStatementId")
	if call.query.Has("statementId") && call.query.Has("voidedStatementId") {
		return nil, badParameter("voidedStatementId", "does not go with statementId")
	}
	for name, values := range call.query {
		if problem := readParameter(name, values[0], one); problem != "" {
			return nil, badParameter(name, problem)
		}
	}
	call.w.Header().Set("X-Experience-API-Consistent-Through", time.Now().Add(-xapiConsistentLag).UTC().Format(time.RFC3339))
	if one {
		return c.xapiOne(call)
	}
	return c.xapiList(call)
}

// readParameter tells what is wrong with a parameter of GET; "" is nothing.
func readParameter(name, value string, one bool) string {
	switch name {
	case "statementId", "voidedStatementId":
		if uuid.Validate(value) != nil || len(value) != 36 {
			return "must be a UUID"
		}
	case "attachments":
		if value != "false" {
			return "is not understood: attachments are not kept here"
		}
	case "format":
		if value != "exact" {
			return "must be exact: statements are given as they were sent"
		}
	case "cachebuster", "key":
	case "limit", "since", "until", "ascending", "after", "agent", "verb", "activity", "registration", "related_activities", "related_agents":
		if one {
			return "does not go with statementId"
		}
		if len(value) > stateIDBytesMax {
			return "is too long"
		}
	default:
		return "is not known"
	}
	return ""
}

// xapiOne gives one statement: with statementId one that is not voided, with
// voidedStatementId one that is.
func (c *Collector) xapiOne(call *xapiCall) (xapiAnswer, *failure) {
	voided := call.query.Has("voidedStatementId")
	id := strings.ToLower(call.query.Get("statementId") + call.query.Get("voidedStatementId"))
	s, fail := c.xapiFind(call, id)
	switch {
	case fail != nil:
		return nil, fail
	case s == nil || s.Portal != call.key.Portal:
		return nil, &failure{http.StatusNotFound, "statement_not_found", "no statement with this id is here", 0}
	case !voided && s.VoidedBy != "":
		return nil, &failure{http.StatusNotFound, "statement_not_found", "the statement is voided: ask with voidedStatementId", 0}
	case voided && s.VoidedBy == "":
		return nil, &failure{http.StatusNotFound, "statement_not_found", "the statement is not voided: ask with statementId", 0}
	}
	text, err := s.Statement()
	if err != nil {
		return nil, c.unreadable(err)
	}
	return func(w http.ResponseWriter) int {
		w.Header().Set("Last-Modified", s.At.UTC().Format(http.TimeFormat))
		c.writeJSON(w, http.StatusOK, text)
		return http.StatusOK
	}, nil
}

// xapiFind looks for a statement in memory and in the store; nil: it is in neither.
// VoidedBy of what it gives is as memory and store know it. While the store does not
// answer, what memory has is given.
func (c *Collector) xapiFind(call *xapiCall, id string) (*xapi.Stored, *failure) {
	var found *xapi.Stored
	if s, ok := c.xapi.recent.Get(call.tenant, id); ok {
		found = s.Clone()
	}
	known, err := c.askByID(call.r.Context(), call.tenant, []string{id})
	if err != nil && found == nil {
		return nil, c.storeSilent(err)
	}
	if found == nil && len(known.Statements) > 0 {
		found = known.Statements[0]
	}
	if found == nil || xapi.Voids(found.Raw) != "" { // what voids is never voided itself
		return found, nil
	}
	for _, v := range known.Voided {
		if v.Portal == found.Portal && v.Target == id {
			found.VoidedBy = v.By
		}
	}
	if by := c.xapi.recent.VoidedBy(call.tenant, found.Portal, id); by != "" {
		found.VoidedBy = by
	}
	return found, nil
}

func (c *Collector) storeSilent(err error) *failure {
	c.log.Warn("reading statements", zap.Error(err))
	return &failure{http.StatusServiceUnavailable, "store_unavailable", "the store does not answer at this moment: ask again later", c.cfg.RetryAfter}
}

func (c *Collector) unreadable(err error) *failure {
	c.log.Error("writing a statement", zap.Error(err))
	return &failure{http.StatusInternalServerError, "internal", "a stored statement cannot be read: this is a fault of the server", 0}
}

// statementList is the answer to a list.
type statementList struct {
	Statements []jsontext.Value `json:"statements"`
	More       string           `json:"more"` // path and parameters of the rest, "" when this is all
}

// xapiList gives statements in the order in which they were taken, newest first
// unless asked otherwise.
func (c *Collector) xapiList(call *xapiCall) (xapiAnswer, *failure) {
	q, fail := queryOf(call)
	if fail != nil {
		return nil, fail
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there is more
	var stored []*xapi.Stored
	err := c.askStore(call.r.Context(), func(ctx context.Context, st Statements) (err error) {
		stored, err = st.List(ctx, q)
		return err
	})
	if err != nil {
		return nil, c.storeSilent(err)
	}
	list := q.Merge(c.xapi.recent.List(q), stored)
	out := statementList{Statements: make([]jsontext.Value, 0, len(list))}
	if len(list) > limit {
		list = list[:limit]
		out.More = moreOf(call.query, list[limit-1].Cursor())
	}
	list = slices.DeleteFunc(list, func(s *xapi.Stored) bool { // what the store does not know yet to be voided
		return c.xapi.recent.VoidedBy(s.Tenant, s.Portal, s.ID) != "" && xapi.Voids(s.Raw) == ""
	})
	for _, s := range list {
		text, err := s.Statement()
		if err != nil {
			return nil, c.unreadable(err)
		}
		out.Statements = append(out.Statements, text)
	}
	return func(w http.ResponseWriter) int {
		c.writeJSON(w, http.StatusOK, &out)
		return http.StatusOK
	}, nil
}

// queryOf reads the parameters of a list.
func queryOf(call *xapiCall) (xapi.Query, *failure) {
	q := xapi.Query{Tenant: call.tenant, Portal: call.key.Portal, Limit: xapiListMax}
	if text := call.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, badParameter("limit", "must be a whole number, 0 for the most that is given at once")
		}
		if n > 0 {
			q.Limit = min(n, xapiListMax)
		}
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := call.query.Get(name); text != "" {
			t, err := xapi.Time(text)
			if err != nil {
				return q, badParameter(name, "must be an ISO 8601 time with a zone")
			}
			*into = t
		}
	}
	var fail *failure
	if q.Filter, fail = filterOf(call.query); fail != nil {
		return q, fail
	}
	if q.Ascending, fail = booleanOf(call.query, "ascending"); fail != nil {
		return q, fail
	}
	if text := call.query.Get("after"); text != "" {
		ms, id, ok := strings.Cut(text, ".")
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil || !ok || uuid.Validate(id) != nil {
			return q, badParameter("after", "is made here: take the address in more as it is")
		}
		q.After = xapi.Cursor{At: time.UnixMilli(n).UTC(), ID: id}
	}
	return q, nil
}

// filterOf reads what statements are selected by.
func filterOf(query url.Values) (f xapi.Filter, fail *failure) {
	f.Verb, f.Activity, f.Registration = query.Get("verb"), query.Get("activity"), strings.ToLower(query.Get("registration"))
	if f.Registration != "" && (uuid.Validate(f.Registration) != nil || len(f.Registration) != 36) {
		return f, badParameter("registration", "must be a UUID")
	}
	for name, iri := range map[string]string{"verb": f.Verb, "activity": f.Activity} {
		if iri != "" && !xapi.IsIRI(iri) {
			return f, badParameter(name, "must be an IRI")
		}
	}
	if text := query.Get("agent"); text != "" {
		agent, err := xapi.ParseAgent(text)
		if err != nil {
			return f, badParameter("agent", "must be an agent in JSON: "+err.Error())
		}
		f.Agent = agent.Key()
	}
	if f.RelatedActivities, fail = booleanOf(query, "related_activities"); fail != nil {
		return f, fail
	}
	f.RelatedAgents, fail = booleanOf(query, "related_agents")
	return f, fail
}

// booleanOf reads a parameter that is false unless given.
func booleanOf(query url.Values, name string) (bool, *failure) {
	switch query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badParameter(name, "must be true or false")
}

// moreOf gives the address of what follows.
func moreOf(query url.Values, last xapi.Cursor) string {
	next := url.Values{"after": {strconv.FormatInt(last.At.UnixMilli(), 10) + "." + last.ID}}
	for _, name := range []string{"limit", "since", "until", "ascending", "agent", "verb", "activity", "registration", "related_activities", "related_agents"} {
		if v := query.Get(name); v != "" {
			next.Set(name, v)
		}
	}
	return "/xapi/statements?" + next.Encode()
}
