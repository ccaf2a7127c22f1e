package collector

import (
	"net/http"
	"strings"
	"testing"
)

func from(origin string) func(*http.Request) {
	return func(q *http.Request) {
		q.Header.Set("Origin", origin)
		q.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
}

// TestSimpleRequests: text/plain with the key in the address needs no preflight.
func TestSimpleRequests(t *testing.T) {
	for name, c := range map[string]struct {
		key, origin string
		status      int
		allow       string
	}{
		"listed origin":           {webKey, portalPage, 202, portalPage},
		"other origin":            {webKey, "https://evil.example", 403, ""},
		"no origin (not a page)":  {webKey, "", 202, ""},
		"any origin":              {openKey, "https://whatever.example", 202, "*"},
		"sandboxed page":          {webKey, "null", 403, ""},
		"wrong key, known origin": {"nope", "https://whatever.example", 401, "https://whatever.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.call(http.MethodPost, "/v1/events?key="+c.key, strings.NewReader(login("a", "")), func(q *http.Request) {
				if c.origin != "" {
					from(c.origin)(q)
				}
			})
			h := r.last.Header()
			if r.last.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow {
				t.Fatalf("answer %d, allowed origin %q", r.last.Code, h.Get("Access-Control-Allow-Origin"))
			}
			if h.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			if c.allow == c.origin && c.allow != "" && h.Get("Vary") != "Origin" {
				t.Error("an answer for one origin may be cached for another")
			}
			if c.status == http.StatusForbidden {
				if e := r.refused(http.StatusForbidden, "origin_not_allowed"); !strings.Contains(e.Message, c.origin) {
					t.Errorf("message %q does not name the origin", e.Message)
				}
			}
			if (len(r.log.msgs) == 1) != (c.status == 202) {
				t.Errorf("%d records published", len(r.log.msgs))
			}
		})
	}
}

func TestServerKeysAreNotForPages(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodPost, "/v1/events", strings.NewReader(login("a", "")), func(q *http.Request) {
		bearer(serverKey)(q)
		from(portalPage)(q)
	})
	if got := r.last.Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a page may read the answer to a server key: %q", got)
	}
}

func TestPreflight(t *testing.T) {
	for name, c := range map[string]struct {
		target, origin string
		status         int
		allow          string
	}{
		"key in the address":        {"/v1/events?key=" + webKey, portalPage, 204, portalPage},
		"key in the address, other": {"/v1/events?key=" + webKey, "https://evil.example", 403, ""},
		"key to come in a header":   {"/v1/events", portalPage, 204, portalPage},
		"open key":                  {"/v1/beacon?key=" + openKey, "https://x.example", 204, "*"},
		"unknown key":               {"/v1/events?key=nope", portalPage, 401, ""},
		"server key":                {"/v1/events?key=" + serverKey, portalPage, 401, ""},
		"not from a page":           {"/v1/events", "", 204, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.call(http.MethodOptions, c.target, nil, func(q *http.Request) {
				if c.origin != "" {
					q.Header.Set("Origin", c.origin)
					q.Header.Set("Access-Control-Request-Method", "POST")
					q.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
				}
			})
			h := r.last.Header()
			if r.last.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow {
				t.Fatalf("answer %d, allowed origin %q", r.last.Code, h.Get("Access-Control-Allow-Origin"))
			}
			if c.allow != "" && (h.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") ||
				!strings.Contains(h.Get("Access-Control-Allow-Headers"), "Content-Type") || h.Get("Access-Control-Max-Age") == "") {
				t.Errorf("headers %v", h)
			}
			if r.count("partnerpulse_collector_requests_total", "204")+r.count("partnerpulse_collector_requests_total", "401")+
				r.count("partnerpulse_collector_requests_total", "403") != 1 {
				t.Error("the preflight is not counted")
			}
		})
	}
}

// TestPreflightOfUnlistedOrigin: with no key for every page, an unlisted origin is
// refused even before its key is known.
func TestPreflightOfUnlistedOrigin(t *testing.T) {
	r := newRig(t, nil)
	r.c.deps.Keys = closedRing{r.c.deps.Keys}
	r.call(http.MethodOptions, "/v1/events", nil, from("https://evil.example"))
	r.refused(http.StatusForbidden, "origin_not_allowed")
}

type closedRing struct{ KeyRing }

func (closedRing) AllowsOrigin(string) bool { return false }

func TestBeacon(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodPost, "/v1/beacon?key="+webKey, strings.NewReader("["+login("a", "")+",{}]"), from(portalPage))
	if r.last.Code != http.StatusNoContent || r.last.Body.Len() != 0 {
		t.Fatalf("answer %d %q", r.last.Code, r.last.Body)
	}
	events, rejects, _ := r.log.take()
	if len(events) != 1 || len(rejects) != 1 || events[0].Source != "tracker" {
		t.Errorf("published %d events, %d rejects", len(events), len(rejects))
	}
	if r.count("partnerpulse_collector_requests_total", "beacon", "204") != 1 {
		t.Error("the beacon is not counted")
	}
	r.call(http.MethodPost, "/v1/beacon?key="+webKey, strings.NewReader("{"), from(portalPage))
	r.refused(http.StatusBadRequest, "malformed_json")
}
