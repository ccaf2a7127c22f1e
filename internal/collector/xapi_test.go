package collector

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"partnerpulse/internal/event"
	"partnerpulse/internal/xapi"
)

const (
	lmsID    = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
	otherID  = "f47ac10b-58cc-4372-a567-0e02b2c3d480"
	lmsAgent = `{"account":{"homePage":"https://one.example","name":"u-1"}}`
)

// lmsStatement is a valid statement with more members.
func lmsStatement(verb, more string) string {
	return `{"actor":` + lmsAgent + `,"verb":{"id":"http://adlnet.gov/expapi/verbs/` + verb + `"},"object":{"id":"https://lms.example/c"}` + more + `}`
}

func withID(id string) string { return `,"id":"` + id + `"` }

// memoryStore is a store of statements.
type memoryStore struct {
	mu     sync.Mutex
	list   []*xapi.Stored
	voided []xapi.Voiding
	err    error
	asked  int
}

func (m *memoryStore) ByID(_ context.Context, tenant string, ids []string) (known xapi.Known, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	for _, s := range m.list {
		if s.Tenant == tenant && slices.Contains(ids, s.ID) {
			known.Statements = append(known.Statements, s)
		}
	}
	for _, v := range m.voided {
		if slices.Contains(ids, v.Target) {
			known.Voided = append(known.Voided, v)
		}
	}
	return known, m.err
}

func (m *memoryStore) List(_ context.Context, q xapi.Query) ([]*xapi.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return q.Merge(m.list, nil), m.err
}

// lms calls below /xapi/ with the version header and Basic authentication.
func (r *rig) lms(method, target, body string, mod func(*http.Request)) {
	r.t.Helper()
	w := r.call(method, "/xapi/"+target, strings.NewReader(body), func(req *http.Request) {
		req.SetBasicAuth(serverKey, "any")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Experience-API-Version", "1.0.2")
		if mod != nil {
			mod(req)
		}
	})
	if v := w.Header().Get("X-Experience-API-Version"); v != "1.0.3" {
		r.t.Errorf("%s %s: version %q", method, target, v)
	}
}

// ids decodes the answer to POST.
func (r *rig) ids() []string {
	r.t.Helper()
	var ids []string
	if err := json.Unmarshal(r.last.Body.Bytes(), &ids); err != nil || r.last.Code != http.StatusOK {
		r.t.Fatalf("answer %d %s", r.last.Code, r.last.Body)
	}
	return ids
}

func lmsRig(t *testing.T, change func(*Config)) (*rig, *memoryStore) {
	r := newRig(t, func(c *Config) {
		c.XAPI.Partners.HomePages = map[string]string{"https://one.example": "p-1"}
		if change != nil {
			change(c)
		}
	})
	store := new(memoryStore)
	r.c.deps.Statements = store
	return r, store
}

func TestStatementsAreTaken(t *testing.T) {
	r, _ := lmsRig(t, nil)
	r.lms("POST", "statements", lmsStatement("passed", ""), nil)
	one := r.ids()
	if len(one) != 1 || uuid.Validate(one[0]) != nil {
		t.Fatalf("ids %v", one)
	}
	r.lms("POST", "statements", "["+lmsStatement("completed", withID(strings.ToUpper(lmsID)))+","+lmsStatement("launched", "")+"]", nil)
	if many := r.ids(); len(many) != 2 || many[0] != lmsID || uuid.Validate(many[1]) != nil {
		t.Fatalf("ids %v", many)
	}
	r.lms("PUT", "statements?statementId="+otherID, lmsStatement("failed", ""), nil)
	if r.last.Code != http.StatusNoContent || r.last.Body.Len() != 0 {
		t.Fatalf("answer %d %s", r.last.Code, r.last.Body)
	}
	r.lms("POST", "statements", "[]", nil)
	if ids := r.ids(); len(ids) != 0 {
		t.Errorf("ids %v", ids)
	}
	events, rejects, _ := r.log.take()
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.ID, e.Type, e.PartnerID, e.UserID, e.Source))
	}
	for i, want := range []string{one[0] + "training.passedp-1u-1xapi", lmsID + "training.completedp-1u-1xapi", "training.startedp-1u-1xapi", otherID + "training.failedp-1u-1xapi"} {
		if i >= len(got) || !strings.HasSuffix(got[i], want) {
			t.Fatalf("event %d of %v, want %s", i, got, want)
		}
	}
	if len(rejects) != 0 {
		t.Errorf("%+v", rejects)
	}
}

func TestKnownStatements(t *testing.T) {
	for _, where := range []string{"memory", "store"} {
		r, store := lmsRig(t, nil)
		first := lmsStatement("passed", withID(lmsID))
		if where == "memory" {
			r.lms("POST", "statements", first, nil)
		} else {
			store.list = []*xapi.Stored{{ID: lmsID, Raw: []byte(first), Tenant: "acme", Portal: "main", At: time.Now()}}
		}
		r.log.take()
		r.lms("POST", "statements", "["+lmsStatement("launched", "")+","+first+"]", nil)
		if ids := r.ids(); ids[1] != lmsID {
			t.Errorf("%s: %v", where, ids)
		}
		r.lms("PUT", "statements?statementId="+lmsID, lmsStatement("passed", ""), nil)
		if r.last.Code != http.StatusNoContent {
			t.Errorf("%s: %d", where, r.last.Code)
		}
		if events, _, _ := r.log.take(); len(events) != 1 || events[0].Type != event.TrainingStarted {
			t.Errorf("%s: a repetition was published: %v", where, events)
		}
		r.lms("POST", "statements", "["+lmsStatement("launched", withID(otherID))+","+lmsStatement("failed", withID(lmsID))+"]", nil)
		r.refused(http.StatusConflict, "statement_conflict")
		r.lms("PUT", "statements?statementId="+lmsID, lmsStatement("failed", ""), nil)
		r.refused(http.StatusConflict, "statement_conflict")
		if events, rejects, _ := r.log.take(); len(events) != 0 || len(rejects) != 2 || rejects[0].Code != event.CodeConflict || rejects[0].EventID != lmsID {
			t.Errorf("%s: %v %+v", where, events, rejects)
		}
		// The other statement of the refused request is not known.
		r.lms("GET", "statements?statementId="+otherID, "", nil)
		r.refused(http.StatusNotFound, "statement_not_found")
	}
}

func TestInvalidRequestsTakeNothing(t *testing.T) {
	r, _ := lmsRig(t, func(c *Config) { c.BatchEventsMax = 2 })
	good := lmsStatement("passed", "")
	for _, c := range []struct {
		method, target, body string
		status               int
		code                 string
		rejects              int
	}{
		{"POST", "statements", "[" + good + `,{"verb":1}]`, 400, "invalid_statement", 1},
		{"POST", "statements", "[" + lmsStatement("a", withID(lmsID)) + "," + lmsStatement("b", withID(lmsID)) + "]", 400, "invalid_statement", 1},
		{"PUT", "statements?statementId=" + lmsID, lmsStatement("passed", withID(otherID)), 400, "invalid_statement", 1},
		{"PUT", "statements?statementId=" + lmsID, "[" + good + "," + good + "]", 400, "invalid_statement", 0},
		{"POST", "statements", "[", 400, "malformed_json", 1},
		{"POST", "statements", "[1,2,3]", 413, "batch_too_large", 0},
		{"PUT", "statements", good, 400, "bad_parameter", 0},
		{"PUT", "statements?statementId=x", good, 400, "bad_parameter", 0},
		{"POST", "statements?statementId=" + lmsID, good, 400, "bad_parameter", 0},
		{"POST", "statements?x=y", good, 400, "bad_parameter", 0},
		{"DELETE", "statements", "", 405, "method_not_allowed", 0},
		{"PUT", "about", "", 405, "method_not_allowed", 0},
	} {
		r.lms(c.method, c.target, c.body, nil)
		r.refused(c.status, c.code)
		if events, rejects, _ := r.log.take(); len(events) != 0 || len(rejects) != c.rejects {
			t.Errorf("%s %s %s: %v, %+v", c.method, c.target, c.body, events, rejects)
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(name, value) }
	}
	r.lms("POST", "statements", good, header("X-Experience-API-Version", "2.0.0"))
	r.refused(http.StatusBadRequest, "xapi_version")
	r.lms("POST", "statements", good, header("X-Experience-API-Version", ""))
	r.refused(http.StatusBadRequest, "xapi_version")
	r.lms("POST", "statements", good, header("Content-Type", "multipart/mixed; boundary=x"))
	r.refused(http.StatusUnsupportedMediaType, "attachments_not_taken")
	r.lms("POST", "statements", good, header("Content-Type", "text/plain"))
	r.refused(http.StatusUnsupportedMediaType, "not_json")
	r.lms("POST", "statements", good, header("Authorization", "Basic eDp5"))
	r.refused(http.StatusUnauthorized, "unknown_key")
}

// TestValidButNotCounted: the LMS hears success, the statement is kept.
func TestValidButNotCounted(t *testing.T) {
	r, _ := lmsRig(t, nil)
	stranger := `{"actor":{"mbox":"mailto:x@y.example"},"verb":{"id":"http://adlnet.gov/expapi/verbs/passed"},"object":{"id":"urn:c"}}`
	old := lmsStatement("passed", `,"timestamp":"2001-01-01T00:00:00Z"`)
	r.lms("POST", "statements", "["+lmsStatement("danced", withID(lmsID))+","+stranger+","+old+","+lmsStatement("passed", "")+"]", nil)
	ids := r.ids()
	if r.last.Header().Get("X-PartnerPulse-Not-Counted") != "3" {
		t.Errorf("headers %v", r.last.Header())
	}
	events, rejects, _ := r.log.take()
	if len(events) != 1 || events[0].ID != ids[3] || len(rejects) != 3 {
		t.Fatalf("%v %v", events, rejects)
	}
	for i, want := range []event.Code{event.CodeUnknownType, event.CodeUnresolvedPartner, event.CodeTooOld} {
		if rejects[i].Code != want || rejects[i].EventID != ids[i] || rejects[i].Source != event.SourceXAPI || !strings.HasPrefix(rejects[i].Original, `{"actor"`) {
			t.Errorf("%+v, want %s", rejects[i], want)
		}
	}
	r.lms("GET", "statements?statementId="+lmsID, "", nil)
	if r.last.Code != http.StatusOK {
		t.Errorf("a kept statement cannot be read: %d", r.last.Code)
	}
}

func TestUnmappedVerbsOfATenantWithCustomTypes(t *testing.T) {
	r, _ := lmsRig(t, nil)
	r.lms("POST", "statements", lmsStatement("danced", ""), func(req *http.Request) { req.SetBasicAuth(otherKey, "") })
	r.ids()
	if events, _, _ := r.log.take(); len(events) != 1 || events[0].Type != "custom.xapi.danced" || events[0].Tenant != "custom" {
		t.Errorf("%+v", events)
	}
}

func TestStrict(t *testing.T) {
	r, _ := lmsRig(t, func(c *Config) { c.XAPI.Strict = true })
	r.lms("POST", "statements", "["+lmsStatement("passed", withID(otherID))+","+lmsStatement("danced", withID(lmsID))+"]", nil)
	if d := r.refused(http.StatusBadRequest, "statement_not_counted"); !strings.Contains(d.Message, "statement 1") {
		t.Errorf("%+v", d)
	}
	if events, rejects, _ := r.log.take(); len(events) != 0 || len(rejects) != 1 {
		t.Errorf("%v %v", events, rejects)
	}
	r.lms("POST", "statements", lmsStatement("passed", withID(otherID)), nil)
	r.ids()
}

func TestNothingIsKnownThatIsNotDurable(t *testing.T) {
	r, _ := lmsRig(t, nil)
	r.log.err = errStoreDown
	r.lms("POST", "statements", lmsStatement("passed", withID(lmsID)), nil)
	r.refused(http.StatusServiceUnavailable, "not_durable")
	r.log.err = nil
	r.lms("GET", "statements?statementId="+lmsID, "", nil)
	r.refused(http.StatusNotFound, "statement_not_found")
	r.lms("POST", "statements", lmsStatement("passed", withID(lmsID)), nil)
	r.ids()
	if events, _, _ := r.log.take(); len(events) != 1 {
		t.Errorf("%v", events)
	}
}

// TestSameStatementAtTheSameTime: every request that says 200 has published, or
// came after one that had; copies are the same event.
func TestSameStatementAtTheSameTime(t *testing.T) {
	r, _ := lmsRig(t, nil)
	r.log.hold = make(chan struct{})
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() {
			req, err := http.NewRequest(http.MethodPost, "/xapi/statements", strings.NewReader(lmsStatement("passed", withID(lmsID))))
			if err != nil {
				return
			}
			req.SetBasicAuth(serverKey, "")
			req.Header.Set("X-Experience-API-Version", "1.0.3")
			req.Header.Set("Content-Type", "application/json")
			w := newRecorder()
			r.h.ServeHTTP(w, req)
			codes[i] = w.code
		})
	}
	close(r.log.hold)
	wg.Wait()
	events, _, _ := r.log.take()
	times := map[time.Time]bool{}
	for _, e := range events {
		times[e.Time] = true
	}
	if slices.Max(codes) != http.StatusOK || slices.Min(codes) != http.StatusOK || len(events) == 0 || len(times) != 1 {
		t.Errorf("codes %v, %d events at %v", codes, len(events), times)
	}
}

// recorder keeps the status of an answer.
type recorder struct {
	header http.Header
	code   int
}

func newRecorder() *recorder                    { return &recorder{header: http.Header{}} }
func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (w *recorder) WriteHeader(code int)        { w.code = code }

func TestReadingStatements(t *testing.T) {
	r, store := lmsRig(t, nil)
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range 3 {
		store.list = append(store.list, &xapi.Stored{ID: fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i), Raw: []byte(lmsStatement("passed", "")),
			Tenant: "acme", Portal: "main", KeyID: "srv", Time: at, At: at.Add(time.Duration(i) * time.Second)})
	}
	r.lms("POST", "statements", lmsStatement("passed", withID(lmsID)), nil)
	var all []string
	for target := "statements?limit=2&ascending=true"; target != ""; {
		r.lms("GET", target, "", nil)
		var page struct {
			Statements []struct{ ID, Stored, Timestamp string }
			More       string
		}
		if err := json.Unmarshal(r.last.Body.Bytes(), &page, json.MatchCaseInsensitiveNames(true)); err != nil || r.last.Code != http.StatusOK ||
			r.last.Header().Get("X-Experience-API-Consistent-Through") == "" {
			t.Fatalf("%d %s", r.last.Code, r.last.Body)
		}
		for _, s := range page.Statements {
			all = append(all, s.ID)
			if s.Stored == "" || s.Timestamp == "" {
				t.Errorf("%+v", s)
			}
		}
		target = strings.TrimPrefix(page.More, "/xapi/")
	}
	if len(all) != 4 || all[0] != store.list[0].ID || all[3] != lmsID {
		t.Errorf("listed %v", all)
	}
	r.lms("GET", "statements?until="+url.QueryEscape(at.Format(time.RFC3339Nano)), "", nil)
	if n := strings.Count(r.last.Body.String(), `"stored"`); n != 1 {
		t.Errorf("until: %s", r.last.Body)
	}
	for query, code := range map[string]string{
		"statementId=x": "bad_parameter", "statementId=" + lmsID + "&limit=1": "bad_parameter", "limit=x": "bad_parameter", "limit=-1": "bad_parameter",
		"since=x": "bad_parameter", "ascending=x": "bad_parameter", "after=x": "bad_parameter", "verb=x": "bad_parameter", "attachments=true": "bad_parameter",
		"format=ids": "bad_parameter", "nope=1": "bad_parameter", "voidedStatementId=x": "bad_parameter",
		"voidedStatementId=" + lmsID + "&statementId=" + lmsID: "bad_parameter", "agent=x": "bad_parameter", "agent=%7B%7D": "bad_parameter",
		"registration=x": "bad_parameter", "activity=x": "bad_parameter", "related_agents=1": "bad_parameter", "verb=urn:x&statementId=" + lmsID: "bad_parameter",
	} {
		r.lms("GET", "statements?"+query, "", nil)
		r.refused(http.StatusBadRequest, code)
	}
	r.lms("GET", "statements", "", func(req *http.Request) { req.SetBasicAuth(openKey, "") })
	r.refused(http.StatusForbidden, "server_key_needed")
	r.lms("GET", "statements?statementId="+lmsID, "", func(req *http.Request) { req.SetBasicAuth(otherKey, "") })
	r.refused(http.StatusNotFound, "statement_not_found")
}

func TestStoreDown(t *testing.T) {
	r, store := lmsRig(t, nil)
	store.err = errStoreDown
	r.lms("POST", "statements", lmsStatement("passed", withID(lmsID)), nil)
	r.ids()
	r.lms("POST", "statements", lmsStatement("passed", withID(otherID)), nil)
	r.ids()
	if store.asked != 1 {
		t.Errorf("a store that is down was asked %d times", store.asked)
	}
	r.lms("GET", "statements", "", nil)
	r.refused(http.StatusServiceUnavailable, "store_unavailable")
	r.lms("GET", "statements?statementId="+lmsID, "", nil)
	if r.last.Code != http.StatusOK {
		t.Errorf("memory: %d", r.last.Code)
	}
	if r.count("partnerpulse_collector_xapi_store_errors_total") != 1 {
		t.Error("the error is not counted")
	}
}

func TestState(t *testing.T) {
	r, _ := lmsRig(t, func(c *Config) { c.XAPI.DocumentBytesMax = 100 })
	base := url.Values{"activityId": {"urn:c"}, "agent": {lmsAgent}}
	target := func(pairs ...string) string {
		q := url.Values{}
		for k, v := range base {
			q[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return "activities/state?" + q.Encode()
	}
	header := func(name, value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(name, value) }
	}
	status := func(want int) {
		t.Helper()
		if r.last.Code != want {
			t.Fatalf("answer %d %s, want %d", r.last.Code, r.last.Body, want)
		}
	}
	one := target("stateId", "a")
	r.lms("PUT", one, `{"x":1}`, header("If-Match", `"0"`))
	r.refused(http.StatusPreconditionFailed, "precondition_failed")
	r.lms("PUT", one, `{"x":1}`, header("If-None-Match", "*"))
	status(204)
	r.lms("PUT", one, `{"x":1}`, header("If-None-Match", "*"))
	r.refused(http.StatusPreconditionFailed, "precondition_failed")
	r.lms("POST", one, `{"y":2}`, nil)
	status(204)
	r.lms("GET", one, "", nil)
	status(200)
	tag := r.last.Header().Get("ETag")
	if r.last.Body.String() != `{"x":1,"y":2}` || r.last.Header().Get("Content-Type") != "application/json" || len(tag) != 42 || r.last.Header().Get("Last-Modified") == "" {
		t.Errorf("%s %v", r.last.Body, r.last.Header())
	}
	r.lms("PUT", target("stateId", "b"), "text", header("Content-Type", "text/plain"))
	status(204)
	r.lms("POST", target("stateId", "b"), "{}", nil)
	r.refused(http.StatusBadRequest, "not_mergeable")
	r.lms("PUT", one, "{", nil)
	r.refused(http.StatusBadRequest, "invalid_document")
	r.lms("PUT", one, `"`+strings.Repeat("x", 100)+`"`, nil)
	r.refused(http.StatusRequestEntityTooLarge, "body_too_large")
	r.lms("GET", target(), "", nil)
	if r.last.Body.String() != `["a","b"]`+"\n" {
		t.Errorf("%s", r.last.Body)
	}
	r.lms("GET", target("stateId", "a", "registration", lmsID), "", nil)
	r.refused(http.StatusNotFound, "state_not_found")
	r.lms("DELETE", one, "", header("If-Match", "x"))
	r.refused(http.StatusPreconditionFailed, "precondition_failed")
	r.lms("DELETE", one, "", header("If-Match", strings.Trim(tag, `"`)))
	status(204)
	r.lms("DELETE", target(), "", nil)
	status(204)
	r.lms("GET", target(), "", nil)
	if r.last.Body.String() != "[]\n" {
		t.Errorf("%s", r.last.Body)
	}
	for _, bad := range []string{"activities/state", target("agent", "x"), target("registration", "x"), target("nope", "1"), target("since", "x"), target("stateId", strings.Repeat("x", 3000))} {
		r.lms("GET", bad, "", nil)
		r.refused(http.StatusBadRequest, "bad_parameter")
	}
	r.lms("PUT", target(), "{}", nil)
	r.refused(http.StatusBadRequest, "bad_parameter")
	r.lms("GET", one, "", func(req *http.Request) { req.SetBasicAuth(openKey, "") })
	r.refused(http.StatusForbidden, "server_key_needed")
}

func TestAlternateSyntax(t *testing.T) {
	r, _ := lmsRig(t, nil)
	form := func(pairs ...string) string {
		v := url.Values{"Authorization": {"Bearer " + serverKey}, "X-Experience-API-Version": {"1.0.3"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	bare := func(req *http.Request) {
		req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	}
	r.lms("POST", "statements?method=PUT", form("statementId", lmsID, "Content-Type", "application/json", "content", lmsStatement("passed", "")), bare)
	if r.last.Code != http.StatusNoContent {
		t.Fatalf("%d %s", r.last.Code, r.last.Body)
	}
	r.lms("POST", "statements?method=POST", form("content", lmsStatement("launched", "")), bare)
	r.ids()
	r.lms("POST", "statements?method=GET", form("statementId", lmsID), bare)
	if r.last.Code != http.StatusOK || !strings.Contains(r.last.Body.String(), lmsID) {
		t.Errorf("%d %s", r.last.Code, r.last.Body)
	}
	r.lms("POST", "statements?method=GET&limit=1", form(), bare)
	r.refused(http.StatusBadRequest, "alternate_syntax")
	r.lms("POST", "statements?method=GET", "%", bare)
	r.refused(http.StatusBadRequest, "alternate_syntax")
	r.lms("POST", "statements?method=BREW", form(), bare)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
}

func TestXAPIInBrowsers(t *testing.T) {
	r, _ := lmsRig(t, nil)
	w := r.call(http.MethodOptions, "/xapi/statements", nil, func(req *http.Request) { req.Header.Set("Origin", portalPage) })
	if h := w.Header(); w.Code != http.StatusNoContent || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") ||
		!strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-Experience-API-Version") {
		t.Errorf("%d %v", w.Code, h)
	}
	r.lms("POST", "statements", lmsStatement("passed", ""), func(req *http.Request) {
		req.SetBasicAuth(webKey, "")
		req.Header.Set("Origin", portalPage)
	})
	r.ids()
	if h := r.last.Header(); h.Get("Access-Control-Allow-Origin") != portalPage || !strings.Contains(strings.Join(h.Values("Access-Control-Expose-Headers"), ","), "X-Experience-API-Version") {
		t.Errorf("%v", h)
	}
	w = r.call(http.MethodGet, "/xapi/about", nil, nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"1.0.3"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
