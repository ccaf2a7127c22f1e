package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
	"partnerpulse/internal/segment"
)

func basic(key string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(key, "") }
}

func (r *rig) segment(path, body string, mod func(*http.Request)) segmentAnswer {
	r.t.Helper()
	r.call(http.MethodPost, path, strings.NewReader(body), mod)
	var a segmentAnswer
	if err := json.Unmarshal(r.last.Body.Bytes(), &a); err != nil || r.last.Code != http.StatusOK || !a.Success {
		r.t.Fatalf("answer %d %q", r.last.Code, r.last.Body)
	}
	return a
}

func segmentTrack(id, more string) string {
	return `{"type":"track","messageId":"` + id + `","event":"Signed In","userId":"u-1","context":{"groupId":"p-1"}` + more + `}`
}

func TestSegmentAddresses(t *testing.T) {
	for path, c := range map[string]struct {
		body string
		want event.Type
	}{
		"/v1/track":        {segmentTrack("m", ""), event.PortalLogin},
		"/v1/t":            {segmentTrack("m", ""), event.PortalLogin},
		"/v1/page":         {`{"messageId":"m","userId":"u-1","context":{"groupId":"p-1"}}`, event.PageViewed},
		"/v1/p":            {`{"messageId":"m","userId":"u-1","context":{"groupId":"p-1"}}`, event.PageViewed},
		"/v1/screen":       {`{"messageId":"m","userId":"u-1","name":"X","context":{"groupId":"p-1"}}`, event.PageViewed},
		"/v1/s":            {`{"messageId":"m","userId":"u-1","name":"X","context":{"groupId":"p-1"}}`, event.PageViewed},
		"/v1/identify":     {`{"messageId":"m","userId":"u-1","traits":{"partner_id":"p-1"}}`, event.UserUpserted},
		"/v1/i":            {`{"messageId":"m","userId":"u-1","traits":{"partner_id":"p-1"}}`, event.UserUpserted},
		"/v1/group":        {`{"messageId":"m","anonymousId":"u-1","groupId":"p-1"}`, event.PartnerUpserted},
		"/v1/g":            {`{"messageId":"m","anonymousId":"u-1","groupId":"p-1"}`, event.PartnerUpserted},
		"/v1/alias":        {`{"messageId":"m","userId":"u-1","previousId":"x"}`, ""},
		"/v1/a":            {`{"messageId":"m","userId":"u-1","previousId":"x"}`, ""},
		"/v1/batch":        {`{"batch":[` + segmentTrack("m", "") + `]}`, event.PortalLogin},
		"/v1/b":            {`{"batch":[` + segmentTrack("m", "") + `]}`, event.PortalLogin},
		"/v1/import":       {`{"batch":[` + segmentTrack("m", "") + `]}`, event.PortalLogin},
		"/beacon/v1/batch": {`{"batch":[` + segmentTrack("m", "") + `]}`, event.PortalLogin},
	} {
		r := newRig(t, nil)
		if a := r.segment(path, c.body, basic(serverKey)); a.Rejected != 0 || strings.TrimSpace(r.last.Body.String()) != `{"success":true}` {
			t.Errorf("%s: answer %s", path, r.last.Body)
		}
		events, _, _ := r.log.take()
		switch {
		case c.want == "" && (len(events) != 0 || r.count("partnerpulse_collector_segment_ignored_total", "alias") != 1):
			t.Errorf("%s: %d events, not counted as ignored", path, len(events))
		case c.want != "" && (len(events) != 1 || events[0].Type != c.want || events[0].PartnerID != "p-1" || events[0].ID != "m" ||
			events[0].Source != event.SourceSegment || events[0].KeyID != "srv" || events[0].Tenant != "acme"):
			t.Errorf("%s: %+v", path, events)
		}
		if c.want != "" && r.count("partnerpulse_collector_events_accepted_total", "segment") != 1 {
			t.Errorf("%s: not counted as accepted", path)
		}
	}
}

func TestSegmentKeys(t *testing.T) {
	for name, c := range map[string]struct {
		target, body string
		mod          func(*http.Request)
		status       int
		code         string
	}{
		"header":              {"/v1/track", segmentTrack("m", ""), basic(serverKey), 200, ""},
		"body":                {"/v1/track", segmentTrack("m", `,"writeKey":"`+serverKey+`"`), nil, 200, ""},
		"body of a batch":     {"/v1/batch", `{"writeKey":"` + serverKey + `","batch":[` + segmentTrack("m", "") + `]}`, nil, 200, ""},
		"header wins":         {"/v1/track", segmentTrack("m", `,"writeKey":"nope"`), basic(serverKey), 200, ""},
		"beacon":              {"/beacon/v1/batch?writeKey=" + webKey, `{"batch":[` + segmentTrack("m", "") + `]}`, from(portalPage), 200, ""},
		"server key in url":   {"/beacon/v1/batch?writeKey=" + serverKey, `{"batch":[]}`, nil, 401, "server_key_in_url"},
		"none":                {"/v1/track", segmentTrack("m", ""), nil, 401, "no_key"},
		"unknown":             {"/v1/track", segmentTrack("m", `,"writeKey":"nope"`), nil, 401, "unknown_key"},
		"unknown in header":   {"/v1/track", segmentTrack("m", ""), basic("nope"), 401, "unknown_key"},
		"other origin":        {"/v1/t", segmentTrack("m", `,"writeKey":"`+webKey+`"`), from("https://evil.example"), 403, "origin_not_allowed"},
		"no scope":            {"/v1/track", segmentTrack("m", ""), basic(readonlyKey), 403, "missing_scope"},
		"unreadable, no key":  {"/v1/track", `{"writeKey":`, nil, 400, "malformed_json"},
		"two keys":            {"/v1/track", `{"writeKey":"a","writeKey":"b"}`, nil, 400, "malformed_json"},
		"empty":               {"/v1/track", " ", basic(serverKey), 400, "empty_body"},
		"not a batch":         {"/v1/batch", `{}`, basic(serverKey), 400, "malformed_json"},
		"too many":            {"/v1/batch", `{"batch":[1,2,3]}`, basic(serverKey), 413, "batch_too_large"},
		"large":               {"/v1/batch", `{"batch":[` + segmentTrack("m", "") + `],"x":"` + strings.Repeat("x", segment.BatchBytesMax) + `"}`, basic(serverKey), 413, "body_too_large"},
		"large, RudderStack":  {"/v1/batch", `{"batch":[` + segmentTrack("m", `,"channel":"server"`) + `],"x":"` + strings.Repeat("x", segment.BatchBytesMax) + `"}`, basic(serverKey), 200, ""},
		"larger, RudderStack": {"/v1/batch", `{"batch":[` + segmentTrack("m", `,"channel":"server"`) + `],"x":"` + strings.Repeat("x", segment.RudderBatchBytesMax) + `"}`, basic(serverKey), 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.Segment.BatchCallsMax, cfg.BodyBytesMax = 2, 8<<20 })
			r.call(http.MethodPost, c.target, strings.NewReader(c.body), c.mod)
			if c.code != "" {
				r.refused(c.status, c.code)
				return
			}
			if events, _, _ := r.log.take(); r.last.Code != c.status || len(events) != 1 {
				t.Errorf("answer %d %s, %d events", r.last.Code, r.last.Body, len(events))
			}
		})
	}
	r := newRig(t, nil)
	r.call(http.MethodGet, "/v1/track", nil, basic(serverKey))
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
	r.call(http.MethodGet, "/v1/m", nil, nil)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
	r.call(http.MethodPost, "/v1/projects/x/settings", nil, nil)
	r.refused(http.StatusMethodNotAllowed, "method_not_allowed")
}

// TestSegmentRejects: one bad call does not stop its batch, is answered in terms of
// the call, counted, and kept without the write key in a form that can be sent again.
func TestSegmentRejects(t *testing.T) {
	r := newRig(t, nil)
	body := `{"writeKey":"` + serverKey + `","sentAt":"` + time.Now().UTC().Format(time.RFC3339) + `","context":{"groupId":"p-9"},"batch":[` + strings.Join([]string{
		`{"type":"track","messageId":"a","event":"Guide Flipped","userId":"u","writeKey":"` + serverKey + `"}`,
		`{"type":"track","messageId":"b","event":"Deal Won","userId":"u","properties":{"opportunity_id":"","value":"much"}}`,
		`{"type":"track","messageId":"c","event":"Signed In","userId":"u","context":{"groupId":"p-1"}}`,
		`{"type":"track","messageId":"d","event":"Signed In","userId":"u","timestamp":"1999-01-01T00:00:00Z"}`,
		`{"type":"track","messageId":"e","event":"Signed In"}`,
		`{"type":"track","messageId":"f","event":"Signed In","event":"x"}`,
		`{"type":"group","messageId":"g","groupId":"","userId":"u"}`,
		`{"type":"track","messageId":"h","event":"Signed In","userId":"u","context":{"groupId":""},"properties":{"big":"` + strings.Repeat("x", segment.CallBytesMax) + `"}}`,
	}, ",") + `]}`
	a := r.segment("/v1/batch", body, nil)
	type row struct {
		Index   int
		Code    event.Code
		Pointer string
	}
	var got []row
	for _, e := range a.Errors {
		got = append(got, row{e.Index, e.Code, e.Pointer})
		if e.Message == "" {
			t.Errorf("no message: %+v", e)
		}
	}
	want := []row{
		{0, event.CodeUnknownType, "/event"}, {1, event.CodeSchema, "/properties/value"}, {3, event.CodeTooOld, "/timestamp"},
		{4, event.CodeMissing, "/userId"}, {5, event.CodeMalformed, "/event"}, {6, event.CodeUnresolvedPartner, "/groupId"}, {7, event.CodeTooLong, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" || a.Rejected != len(want) {
		t.Errorf("rejected %d: %s", a.Rejected, diff)
	}
	if m := a.Errors[1].Message; !strings.Contains(m, "also /properties/opportunity_id:") {
		t.Errorf("the message names places of the event, not of the call: %s", m)
	}
	events, rejects, _ := r.log.take()
	if len(events) != 1 || events[0].ID != "c" || events[0].PartnerID != "p-1" || len(rejects) != len(want) {
		t.Fatalf("%d events, %d rejects", len(events), len(rejects))
	}
	for i, reject := range rejects {
		if reject.Source != event.SourceSegment || reject.Code != want[i].Code || strings.Contains(reject.Original, serverKey) {
			t.Errorf("reject %+v", reject)
		}
	}
	if o := rejects[0].Original; !strings.Contains(o, `"groupId":"p-9"`) || rejects[0].EventType != "custom.guide_flipped" || rejects[0].EventID != "a" {
		t.Errorf("reject %+v", rejects[0])
	}
	if n := r.count("partnerpulse_collector_events_rejected_total", string(event.CodeUnknownType)); n != 1 {
		t.Errorf("%v unknown types are counted", n)
	}
	// What was kept is accepted once its cause is gone.
	custom := newRig(t, nil)
	if a := custom.segment("/v1/batch", `{"batch":[`+rejects[0].Original+`]}`, basic(otherKey)); a.Rejected != 0 {
		t.Errorf("sent again: %+v", a)
	}
	if events, _, _ := custom.log.take(); len(events) != 1 || events[0].Type != "custom.guide_flipped" || events[0].PartnerID != "p-9" {
		t.Errorf("sent again: %+v", events)
	}
}

func TestSegmentMalformedBodyIsKeptWithoutKey(t *testing.T) {
	for name, mod := range map[string]func(*http.Request){"basic": basic(serverKey), "bearer": bearer(serverKey)} {
		r := newRig(t, nil)
		r.call(http.MethodPost, "/v1/batch", strings.NewReader(`{"writeKey":"`+serverKey+`","batch":[{]}`), mod)
		r.refused(http.StatusBadRequest, "malformed_json")
		_, rejects, _ := r.log.take()
		if len(rejects) != 1 || strings.Contains(rejects[0].Original, serverKey) || rejects[0].Source != event.SourceSegment {
			t.Errorf("%s: rejects %+v", name, rejects)
		}
	}
}

func TestSegmentUnresolvedAndNotDurable(t *testing.T) {
	r := newRig(t, nil)
	a := r.segment("/v1/track", `{"messageId":"m","event":"Signed In","userId":"u-1"}`, basic(serverKey))
	if len(a.Errors) != 1 || a.Errors[0].Code != event.CodeUnresolvedPartner || a.Errors[0].Pointer != "/context/groupId" {
		t.Errorf("%+v", a)
	}
	r.log.err = errors.New("broker gone")
	r.call(http.MethodPost, "/v1/track", strings.NewReader(segmentTrack("m", "")), basic(serverKey))
	r.refused(http.StatusServiceUnavailable, "not_durable")
	if r.last.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestSegmentDirectoryScope(t *testing.T) {
	batch := `{"batch":[{"type":"identify","messageId":"i","userId":"u-1","traits":{"name":"Ann","email":"a@x.example","partner_id":"p-1"}},` +
		`{"type":"group","messageId":"g","userId":"u-1","groupId":"p-1","traits":{"name":"Initech"}},` +
		`{"type":"track","messageId":"t","event":"Signed In","userId":"u-1"}]}`
	r := newRig(t, nil)
	r.segment("/v1/batch", batch, basic(serverKey))
	events, rejects, _ := r.log.take()
	types := map[event.Type]string{}
	for _, e := range events {
		types[e.Type] += e.ID + " " + e.PartnerID + " "
	}
	want := map[event.Type]string{event.UserUpserted: "i p-1 g:user p-1 ", event.PartnerUpserted: "g p-1 ", event.PortalLogin: "t p-1 "}
	for typ, text := range want {
		if !strings.Contains(types[typ], text) {
			t.Errorf("%s: %q, want %q", typ, types[typ], text)
		}
	}
	if len(rejects) != 0 {
		t.Errorf("rejects %+v", rejects)
	}
	if fmt.Sprint(events) == "" || strings.Contains(string(events[0].Data), "a@x.example") {
		t.Error("an e-mail address is stored")
	}
}

// knownDirectory keeps what it is taught.
type knownDirectory struct{ members map[string]string }

func (d knownDirectory) Partner(_, user, visitor string) (string, bool) {
	p, ok := d.members[user]
	if user == "" {
		p, ok = d.members["anonymous "+visitor]
	}
	return p, ok
}

func (d knownDirectory) Learn(m directory.Membership) {
	if m.UserID == "" {
		d.members["anonymous "+m.AnonymousID] = m.PartnerID
		return
	}
	d.members[m.UserID] = m.PartnerID
}

func (knownDirectory) Ready(context.Context) error { return nil }

// TestSegmentCallsTeachTheDirectory: what a browser's identify and group calls say
// resolves the events that follow, in the same and in later requests.
func TestSegmentCallsTeachTheDirectory(t *testing.T) {
	r := newRig(t, nil)
	known := knownDirectory{map[string]string{}}
	r.c.deps.Directory = known
	from := func(q *http.Request) { basic(webKey)(q); from(portalPage)(q) }
	r.segment("/v1/g", `{"messageId":"g","userId":"u-1","anonymousId":"a-1","groupId":"p-7"}`, from)
	r.segment("/v1/t", `{"messageId":"t","event":"Signed In","userId":"u-1"}`, from)
	r.segment("/v1/p", `{"messageId":"p","anonymousId":"a-1"}`, from)
	r.segment("/v1/i", `{"messageId":"i","userId":"u-2","traits":{"company":{"id":"p-8"}}}`, from)
	r.segment("/v1/i", `{"messageId":"i","userId":"u-3","traits":{"company":{"id":"-"}}}`, from)
	r.segment("/v1/b", `{"batch":[{"type":"track","messageId":"b","event":"Signed In","userId":"u-2"}]}`, from)
	events, rejects, _ := r.log.take()
	var got []string
	for _, e := range events {
		got = append(got, e.ID+" "+e.PartnerID)
	}
	if diff := cmp.Diff([]string{"t p-7", "p p-7", "b p-8"}, got); diff != "" || len(rejects) != 0 || known.members["u-3"] != "" {
		t.Errorf("%s; rejects %+v; known %v", diff, rejects, known.members)
	}
	if n := r.count("partnerpulse_collector_segment_ignored_total"); n != 3 {
		t.Errorf("%v calls are counted as ignored", n)
	}
}

func TestSegmentGzipAndContentType(t *testing.T) {
	r := newRig(t, nil)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(`{"batch":[` + segmentTrack("m", "") + `]}`))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r.segment("/v1/batch", b.String(), func(q *http.Request) {
		basic(serverKey)(q)
		q.Header.Set("Content-Encoding", "gzip")
		q.Header.Set("Content-Type", "text/plain")
	})
	if events, _, _ := r.log.take(); len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
}

func TestSegmentSettings(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodGet, "/v1/projects/"+webKey+"/settings", nil, func(q *http.Request) { from(portalPage)(q); q.Host = "collect.example:8080" })
	var s struct {
		Integrations map[string]map[string]any `json:"integrations"`
		Metrics      map[string]any            `json:"metrics"`
	}
	if err := json.Unmarshal(r.last.Body.Bytes(), &s); err != nil || r.last.Code != http.StatusOK {
		t.Fatalf("answer %d %s", r.last.Code, r.last.Body)
	}
	io := s.Integrations["Segment.io"]
	if len(s.Integrations) != 1 || io["apiKey"] != webKey || io["apiHost"] != "collect.example:8080/v1" || io["protocol"] != "http" || s.Metrics["sampleRate"] != 0.0 {
		t.Errorf("settings %s", r.last.Body)
	}
	if r.last.Header().Get("Access-Control-Allow-Origin") != portalPage {
		t.Error("the page may not read the settings")
	}
	r.call(http.MethodGet, "/v1/projects/"+serverKey+"/settings", nil, from(portalPage))
	r.refused(http.StatusUnauthorized, "server_key_in_url")
	r.call(http.MethodGet, "/v1/projects/nope/settings", nil, basic(serverKey))
	r.refused(http.StatusUnauthorized, "unknown_key")
	r.call(http.MethodGet, "/v1/projects/"+webKey+"/settings", nil, from("https://evil.example"))
	r.refused(http.StatusForbidden, "origin_not_allowed")

	r = newRig(t, func(cfg *Config) { cfg.Segment.PublicURL = "https://x.example/collect/" })
	r.call(http.MethodGet, "/v1/projects/"+webKey+"/settings", nil, nil)
	if b := r.last.Body.String(); !strings.Contains(b, `"apiHost":"x.example/collect/v1"`) || !strings.Contains(b, `"protocol":"https"`) {
		t.Errorf("settings %s", b)
	}
}

// TestSegmentFromPages: the browser SDK sends its key in a header, which a browser
// asks about first, and its metrics without a key.
func TestSegmentFromPages(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodOptions, "/v1/t", nil, func(q *http.Request) {
		from(portalPage)(q)
		q.Header.Set("Access-Control-Request-Method", "POST")
		q.Header.Set("Access-Control-Request-Headers", "authorization,x-retry-count")
	})
	if h := r.last.Header(); r.last.Code != http.StatusNoContent || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-Retry-Count") {
		t.Errorf("preflight %d %v", r.last.Code, h)
	}
	r.segment("/v1/m", `{"series":[]}`, from(portalPage))
	if r.last.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Error("the page may not read the answer to its metrics")
	}
	r.call(http.MethodPost, "/v1/t", strings.NewReader("{"), from(portalPage))
	r.refused(http.StatusBadRequest, "malformed_json")
	if r.last.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Error("the page may not read why its call was refused")
	}
}

// TestSegmentSignedIdentity: a page cannot claim another partner by any Segment call,
// neither for an event nor for the directory.
func TestSegmentSignedIdentity(t *testing.T) {
	known := knownDirectory{map[string]string{}}
	r, _ := rigOf(t, identityKeys(), known, nil)
	tok := token(t, newSecret, "u-1", "p-1", time.Hour)
	r.page("/v1/t", signedKey, tok, `{"messageId":"m","event":"Signed In","anonymousId":"a"}`)
	if events, _, _ := r.log.take(); r.last.Code != http.StatusOK || len(events) != 1 || events[0].PartnerID != "p-1" || events[0].UserID != "u-1" {
		t.Fatalf("answer %d, events %+v", r.last.Code, events)
	}
	r.page("/v1/t", signedKey, tok, `{"messageId":"m","event":"Signed In","userId":"u-1","context":{"groupId":"p-2"}}`)
	var a segmentAnswer
	if err := json.Unmarshal(r.last.Body.Bytes(), &a); err != nil || r.last.Code != http.StatusForbidden || a.Success || len(a.Errors) != 1 ||
		a.Errors[0].Code != event.CodeForbiddenPartner || a.Errors[0].Pointer != "/context/groupId" {
		t.Errorf("a forged partner is answered %d %s", r.last.Code, r.last.Body)
	}
	if r.count("partnerpulse_collector_identity_total", "forged") != 1 {
		t.Error("the forged claim is not counted")
	}
	r.page("/v1/g", signedKey, tok, `{"messageId":"g","userId":"u-1","anonymousId":"x","groupId":"p-2"}`)
	r.page("/v1/i", signedKey, tok, `{"messageId":"i","userId":"u-9","traits":{"partner_id":"p-1"}}`)
	if known.members["u-1"] != "p-1" || known.members["u-9"] != "" || known.members["anonymous x"] != "" {
		t.Errorf("the directory believes %v", known.members)
	}
	r.page("/v1/g", signedKey, "", `{"messageId":"g","userId":"u-1","groupId":"p-2"}`)
	r.refused(http.StatusUnauthorized, "identity_missing")
}
