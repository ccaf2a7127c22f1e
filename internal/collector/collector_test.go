package collector

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
)

func TestOneEvent(t *testing.T) {
	r := newRig(t, nil)
	before := time.Now().Add(-time.Second)
	r.call(http.MethodPost, "/v1/events", strings.NewReader(`{
		"id": "e-1", "type": "content.viewed", "time": "2020-01-02T03:04:05.6789+01:00",
		"partner_id": "p-\u0031", "user_id": "u-1", "anonymous_id": "a-1", "session_id": "s-1", "internal": true,
		"context": {"url": "https://portal.example/x", "title": "T", "utm_source": "mail", "screen": "1x1"},
		"data": {"view_id": "v", "content_id": "c", "own": {"field": [1, 2.50, "é"]}}
	}`), func(req *http.Request) {
		bearer(backfillKey)(req)
		req.RemoteAddr = "192.0.2.77:1234"
		req.Header.Set("X-Forwarded-For", "198.51.100.9")
		req.Header.Set("User-Agent", "curl/8")
	})
	if got := r.answered(http.StatusAccepted); got.Accepted != 1 || got.Rejected != 0 || len(got.Errors) != 0 {
		t.Fatalf("answer %+v", got)
	}
	events, rejects, keysOf := r.log.take()
	if len(events) != 1 || len(rejects) != 0 || keysOf[0] != "acme/p-1" {
		t.Fatalf("published %d events, %d rejects, keys %v", len(events), len(rejects), keysOf)
	}
	e := events[0]
	if e.ReceivedAt.Before(before) || e.ReceivedAt.After(time.Now()) {
		t.Errorf("received_at is %s", e.ReceivedAt)
	}
	want := event.Event{
		ID: "e-1", Type: event.ContentViewed, Time: time.Date(2020, 1, 2, 2, 4, 5, 678e6, time.UTC), PartnerID: "p-1",
		UserID: "u-1", AnonymousID: "a-1", SessionID: "s-1", Internal: true,
		Context: event.Context{URL: "https://portal.example/x", Title: "T", UTMSource: "mail", Screen: "1x1"},
		Data:    []byte(`{"view_id":"v","content_id":"c","own":{"field":[1,2.50,"é"]}}`),
		Tenant:  "acme", Portal: "main", ReceivedAt: e.ReceivedAt, Source: event.SourceAPI, IP: "192.0.2.0", KeyID: "back",
	}
	if got, wanted := fmt.Sprintf("%+v", *e), fmt.Sprintf("%+v", want); got != wanted {
		t.Errorf("published\n%s, want\n%s", got, wanted)
	}
	if got := r.count("partnerpulse_collector_events_accepted_total", "api"); got != 1 {
		t.Errorf("%v events counted", got)
	}
}

// TestBatchOfThree is the contract's example: one bad event of three.
func TestBatchOfThree(t *testing.T) {
	r := newRig(t, nil)
	bad := `{ "id":"bad", "type":"content.viewed", "partner_id":"p-9", "user_id":"u", "data":{"view_id":"v"} }`
	r.post(serverKey, `[`+login("a", "")+`, `+bad+"\n,"+login("b", "")+`]`)
	got := r.answered(http.StatusAccepted)
	if got.Accepted != 2 || got.Rejected != 1 || len(got.Errors) != 1 {
		t.Fatalf("answer %+v", got)
	}
	want := errorRow{Index: 1, ID: "bad", Code: event.CodeSchema, Pointer: "/data/content_id",
		Message: "content_id is required by content.viewed: The document, video or other asset"}
	if got.Errors[0] != want {
		t.Errorf("error %+v, want %+v", got.Errors[0], want)
	}
	events, rejects, keysOf := r.log.take()
	if len(events) != 2 || events[0].ID != "a" || events[1].ID != "b" || len(rejects) != 1 || keysOf[2] != "acme/p-9" {
		t.Fatalf("published %d events, %d rejects, keys %v", len(events), len(rejects), keysOf)
	}
	rej := rejects[0]
	original, err := rej.Bytes()
	if err != nil || string(original) != bad {
		t.Errorf("original %q, %v; want %q", original, err, bad)
	}
	if rej.Tenant != "acme" || rej.Portal != "main" || rej.KeyID != "srv" || rej.Source != event.SourceAPI || rej.EventID != "bad" ||
		rej.EventType != "content.viewed" || rej.Code != event.CodeSchema || rej.Pointer != want.Pointer || rej.Message != want.Message ||
		rej.Stage != "collector" || rej.Truncated {
		t.Errorf("reject %+v", rej)
	}
	if r.count("partnerpulse_collector_events_rejected_total", "schema") != 1 || r.count("partnerpulse_collector_events_accepted_total") != 2 ||
		r.count("partnerpulse_collector_requests_total", "events", "202") != 1 {
		t.Error("metrics do not show two accepted and one rejected event of one request")
	}
}

func TestShapesOfBodies(t *testing.T) {
	a, b := login("a", ""), login("b", "")
	for name, c := range map[string]struct {
		body               string
		accepted, rejected int
	}{
		"object":                 {a, 1, 0},
		"byte order mark":        {"\xef\xbb\xbf" + a, 1, 0},
		"white space around":     {"\r\n\t " + a + "\n\n", 1, 0},
		"pretty object":          {"{\n \"id\": \"x\",\n \"type\":\n \"portal.login\", \"partner_id\": \"p\", \"user_id\": \"u\"}", 1, 0},
		"pretty nested":          {"{\"data\":\n {}, \"id\": \"x\", \"type\": \"portal.login\", \"partner_id\": \"p\", \"user_id\": \"u\"}", 1, 0},
		"array":                  {"[" + a + "," + b + "]", 2, 0},
		"empty array":            {" [ ] ", 0, 0},
		"array of one":           {"[" + a + "]", 1, 0},
		"NDJSON":                 {a + "\n" + b, 2, 0},
		"NDJSON, CRLF and blank": {a + "\r\n\r\n" + b + "\r\n", 2, 0},
		"NDJSON, bad line":       {a + "\n{\"id\":\n" + b, 2, 1},
		"NDJSON, first bad":      {"{\"id\":\n" + a + "\n" + b, 2, 1},
		"NDJSON, two on a line":  {a + "\n" + a + b, 1, 1},
		"NDJSON, not an object":  {a + "\n" + b + "\n17", 2, 1},
		"number in array":        {"[1," + a + "]", 1, 1},
		"null in array":          {"[null," + a + "]", 1, 1},
		"array in array":         {"[[" + b + "]," + a + "]", 1, 1},
		"duplicate name":         {"[" + a + `,{"id":"x","id":"y"}]`, 1, 1},
		"duplicate name in data": {"[" + a + `,` + login("x", `,"data":{"a":1,"a":2}`) + `]`, 1, 1},
		"invalid UTF-8":          {"[" + login("\xff", "") + "," + a + "]", 1, 1},
		"lone surrogate":         {"[" + login(`\ud800`, "") + "," + a + "]", 1, 1},
		"escaped names":          {`{"\u0069d":"x","type":"portal.login","partner_id":"p","user_id":"u"}`, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.post(serverKey, c.body)
			status := http.StatusAccepted
			got := r.answered(status)
			if got.Accepted != c.accepted || got.Rejected != c.rejected {
				t.Fatalf("answer %+v, want %d accepted, %d rejected", got, c.accepted, c.rejected)
			}
			events, rejects, _ := r.log.take()
			if len(events) != c.accepted || len(rejects) != c.rejected {
				t.Errorf("published %d events, %d rejects", len(events), len(rejects))
			}
			for _, rej := range rejects {
				original, err := rej.Bytes()
				if err != nil || !strings.Contains(c.body, string(original)) || len(original) == 0 {
					t.Errorf("original %q is not of the body (%v)", original, err)
				}
				if rej.Code != event.CodeMalformed {
					t.Errorf("code %s", rej.Code)
				}
			}
		})
	}
}

func TestMalformedBodies(t *testing.T) {
	a := login("a", "")
	for name, c := range map[string]struct{ body, code, says string }{
		"empty":              {"", "empty_body", "empty"},
		"white space":        {" \n", "empty_body", "empty"},
		"text":               {"hello", "malformed_json", "byte 0"},
		"form":               {" a=1", "malformed_json", "byte 1"},
		"string":             {`"x"`, "malformed_json", "byte 0"},
		"cut object":         {a[:20], "malformed_json", "byte 20: it ends too early"},
		"cut array":          {"[" + a, "malformed_json", "ends too early"},
		"missing comma":      {"[" + a + a + "]", "malformed_json", fmt.Sprintf("byte %d", 1+len(a))},
		"trailing text":      {a + " x", "malformed_json", fmt.Sprintf("byte %d", len(a)+1)},
		"second object":      {a + a, "malformed_json", "more text after the end"},
		"array and more":     {"[" + a + "]" + a, "malformed_json", "more text after the end"},
		"single quotes":      {"{'id':1}", "malformed_json", "byte 1"},
		"trailing comma":     {`{"id":"1",}`, "malformed_json", "byte"},
		"bad after the mark": {"\xef\xbb\xbf{]", "malformed_json", "byte 4"},
		"10k deep":           {strings.Repeat("[", 20000), "malformed_json", "byte"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.post(serverKey, c.body)
			if e := r.refused(http.StatusBadRequest, c.code); !strings.Contains(e.Message, c.says) {
				t.Errorf("message %q does not say %q", e.Message, c.says)
			}
			events, rejects, _ := r.log.take()
			if len(events) != 0 {
				t.Errorf("%d events were published", len(events))
			}
			if c.code == "empty_body" {
				return
			}
			if len(rejects) != 1 {
				t.Fatalf("%d rejects", len(rejects))
			}
			if original, err := rejects[0].Bytes(); err != nil || string(original) != c.body {
				t.Errorf("original %q (%v), want the whole body", original, err)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	body := login("a", "")
	for name, c := range map[string]struct {
		target string
		mod    func(*http.Request)
		status int
		code   string
		says   string
	}{
		"none":              {"/v1/events", nil, 401, "no_key", "Authorization: Bearer KEY"},
		"wrong":             {"/v1/events", bearer("pp_srv_wrong"), 401, "unknown_key", "not known"},
		"server key in URL": {"/v1/events?key=" + serverKey, nil, 401, "server_key_in_url", "URL"},
		"garbage":           {"/v1/events", func(r *http.Request) { r.Header.Set("Authorization", "Negotiate x") }, 401, "malformed_authorization", "Bearer"},
		"no write scope":    {"/v1/events", bearer(readonlyKey), 403, "missing_scope", "write"},
		"beacon, wrong":     {"/v1/beacon?key=nope", nil, 401, "unknown_key", "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.call(http.MethodPost, c.target, strings.NewReader(body), c.mod)
			if e := r.refused(c.status, c.code); !strings.Contains(e.Message, c.says) {
				t.Errorf("message %q does not say %q", e.Message, c.says)
			}
			if c.status == 401 && r.last.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if len(r.log.msgs) != 0 {
				t.Error("something was published")
			}
		})
	}
	r := newRig(t, nil)
	for _, mod := range []func(*http.Request){bearer(serverKey), func(q *http.Request) { q.SetBasicAuth(serverKey, "") }} {
		r.call(http.MethodPost, "/v1/events", strings.NewReader(body), mod)
		r.answered(http.StatusAccepted)
	}
}

func TestOtherAddressesAndMethods(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodGet, "/v1/nothing", nil, nil)
	r.refused(http.StatusNotFound, "not_found")
	r.call(http.MethodGet, "/v1/events", nil, bearer(serverKey))
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
	if r.last.Header().Get("Allow") != "POST, OPTIONS" {
		t.Error("405 without Allow")
	}
	r.call(http.MethodPost, "/tracker.js", nil, nil)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
}

func TestPublishFailure(t *testing.T) {
	r := newRig(t, nil)
	r.log.err = errors.New("no leader")
	body := "[" + login("a", "") + ",1]"
	r.post(serverKey, body)
	e := r.refused(http.StatusServiceUnavailable, "not_durable")
	if !strings.Contains(e.Message, "same ids") || r.last.Header().Get("Retry-After") != "2" {
		t.Errorf("message %q, Retry-After %q", e.Message, r.last.Header().Get("Retry-After"))
	}
	if r.count("partnerpulse_collector_publish_errors_total") != 1 || r.count("partnerpulse_collector_events_accepted_total") != 0 ||
		r.count("partnerpulse_collector_events_rejected_total") != 0 {
		t.Error("a failed publish is counted as accepted or rejected, or not as failed")
	}
	if !errors.Is(r.c.Ready(t.Context()), ErrNotDurable) {
		t.Error("ready although the last publish failed")
	}
	if got := r.c.budget.used.Load(); got != 0 {
		t.Errorf("%d bytes stay reserved", got)
	}
	// A body that is not JSON is not acknowledged as kept, either.
	r.post(serverKey, "nonsense")
	r.refused(http.StatusServiceUnavailable, "not_durable")
	r.log.err = nil
	r.post(serverKey, body)
	if got := r.answered(http.StatusAccepted); got.Accepted != 1 || got.Rejected != 1 {
		t.Errorf("repeated: %+v", got)
	}
	if err := r.c.Ready(t.Context()); err != nil {
		t.Errorf("not ready after a success: %v", err)
	}
}

func TestTracker(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodGet, "/tracker.js", nil, nil)
	h := r.last.Header()
	etag := h.Get("ETag")
	if r.last.Code != 200 || r.last.Body.String() != "console.log(1)" || !strings.HasPrefix(etag, `"`) ||
		h.Get("Cache-Control") != "public, max-age=3600" || h.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Fatalf("answer %d %v %q", r.last.Code, h, r.last.Body)
	}
	r.call(http.MethodGet, "/tracker.js", nil, func(q *http.Request) { q.Header.Set("If-None-Match", etag) })
	if r.last.Code != http.StatusNotModified || r.last.Body.Len() != 0 {
		t.Errorf("with the known ETag: %d", r.last.Code)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no body":           func(c *Config) { c.BodyBytesMax = 0 },
		"inflated below":    func(c *Config) { c.InflatedBytesMax = c.BodyBytesMax - 1 },
		"budget below body": func(c *Config) { c.InFlightBytesMax = c.InflatedBytesMax },
		"no batch":          func(c *Config) { c.BatchEventsMax = 0 },
		"no timeout":        func(c *Config) { c.PublishTimeout = 0 },
		"no retry":          func(c *Config) { c.RetryAfter = 0 },
		"proxy is a host":   func(c *Config) { c.TrustedProxies = []string{"proxy"} },
		"negative late_max": func(c *Config) { c.Tenants = map[string]Tenant{"x": {LateMax: -1}} },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if _, err := New(cfg, Deps{}, zap.NewNop(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	r := newRig(t, nil)
	r.post(serverKey, login("a", ""))
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v %v", problems, err)
	}
}
