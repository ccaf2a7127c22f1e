package collector

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/xapi"
)

// documented are the statuses that a request may be answered with. A fault of the
// server, 500, is none of them, and 503 is none while the log takes everything.
func documented() []int {
	return []int{200, 202, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415}
}

// fuzzed sends a request through the whole handler: it is answered as documented, a
// refusal tells why, and no byte of the budget stays reserved.
func fuzzed(t *testing.T, r *rig, req *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r.h.ServeHTTP(w, req)
	if !slices.Contains(documented(), w.Code) {
		t.Fatalf("%s %s answered %d %s", req.Method, req.URL, w.Code, w.Body)
	}
	var body struct {
		Error *errorDetail `json:"error"`
	}
	if w.Code >= 400 && json.Unmarshal(w.Body.Bytes(), &body) == nil && body.Error != nil && (body.Error.Code == "" || body.Error.Message == "") {
		t.Fatalf("refused without a reason: %s", w.Body)
	}
	if n := r.c.budget.used.Load(); n != 0 {
		t.Fatalf("%d bytes stay reserved", n)
	}
	r.log.take() // decodes what was published
	return w
}

// FuzzEncodedBody feeds what comes over the wire, compressed or said to be, to every
// way in that takes a body: JSON, NDJSON, beacons, CloudEvents, Segment.
func FuzzEncodedBody(f *testing.F) {
	paths := []string{"/v1/events", "/v1/beacon", "/v1/cloudevents", "/v1/batch", "/v1/track", "/v1/import", "/beacon/v1/batch"}
	encodings := []string{"", "gzip", "zstd", "identity", "x-gzip", "br"}
	one := login("a", "")
	for i, body := range [][]byte{
		[]byte(one), []byte(one + "\n" + one), gzipped(f, []byte("["+one+"]")), zstandard(f, []byte(one)), gzipped(f, bytes.Repeat([]byte{0}, 1<<20)),
		gzipped(f, gzipped(f, []byte(one))), zstandard(f, []byte(one))[:9], gzipped(f, []byte(one))[:12], []byte("\x28\xb5\x2f\xfd"), []byte("\x1f\x8b"),
		append(gzipped(f, []byte(one)), gzipped(f, []byte("\n"+one))...), []byte(`{"batch":[` + segmentTrack("m", "") + `]}`), {},
	} {
		for path := range paths {
			f.Add(body, byte(path), byte(i%len(encodings)))
			f.Add(body, byte(path), byte(1+i%2))
		}
	}
	r := newRig(f, func(c *Config) { c.BodyBytesMax, c.InflatedBytesMax, c.BatchEventsMax = 64<<10, 256<<10, 50 })
	f.Fuzz(func(t *testing.T, body []byte, path, encoding byte) {
		req := httptest.NewRequest(http.MethodPost, paths[int(path)%len(paths)], bytes.NewReader(body))
		req.SetBasicAuth(backfillKey, "")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-Encoding", encodings[int(encoding)%len(encodings)])
		fuzzed(t, r, req)
	})
}

// lmsRequest is a request of an LMS with any parameters.
func lmsRequest(method, resource, query, contentType, body string) *http.Request {
	req := httptest.NewRequest(method, "/xapi/"+resource, strings.NewReader(body))
	req.URL.RawQuery = query
	req.SetBasicAuth(serverKey, "")
	req.Header.Set("X-Experience-API-Version", "1.0.3")
	req.Header.Set("Content-Type", contentType)
	return req
}

// FuzzXAPIRequest feeds parameters, preconditions, documents and statements, also in
// the multipart form of attachments, to the LMS's resources. What was answered 2xx on
// PUT is there on GET.
func FuzzXAPIRequest(f *testing.F) {
	methods := []string{"GET", "PUT", "POST", "DELETE", "HEAD"}
	resources := []string{"statements", "activities/state", "about"}
	place := url.Values{"activityId": {"urn:a"}, "agent": {lmsAgent}, "stateId": {"s"}}.Encode()
	for _, query := range []string{
		place, place + "&registration=" + lmsID, "statementId=" + lmsID, "voidedStatementId=" + lmsID + "&x", "agent=" + url.QueryEscape(lmsAgent) + "&related_agents=true&limit=1",
		"verb=urn:v&activity=urn:a&ascending=true&since=2026-01-01T00:00:00Z&until=x", "after=1." + lmsID, "after=" + strings.Repeat("9", 30) + "." + lmsID, "limit=99999999999999999999", "%zz&;=&&a=%00",
		"agent=%7B%22objectType%22%3A%22Group%22%7D&activityId=x&since=2026-11-03T10%3A00%3A00%2B99%3A99", "",
	} {
		for m := range methods {
			for res := range resources {
				f.Add(byte(m), byte(res), query, "application/json", lmsStatement("passed", withID(lmsID)), `"`+strings.Repeat("0", 40)+`", *`)
			}
		}
	}
	f.Add(byte(2), byte(0), "", "multipart/mixed; boundary=x", "--x\r\nContent-Type: application/json\r\n\r\n"+lmsStatement("passed", "")+"\r\n--x--", "")
	f.Add(byte(2), byte(0), "", "application/json", voidStatement(lmsID, ""), "")
	f.Add(byte(1), byte(1), place, "text/plain; charset=\xff", "\x00\xff", "*")
	r := newRig(f, func(c *Config) { c.XAPI.Partners.HomePages = map[string]string{"https://one.example": "p-1"} })
	f.Fuzz(func(t *testing.T, method, resource byte, query, contentType, body, match string) {
		m, res := methods[int(method)%len(methods)], resources[int(resource)%len(resources)]
		req := lmsRequest(m, res, query, contentType, body)
		req.Header.Set("If-Match", match)
		w := fuzzed(t, r, req)
		if m != http.MethodPut || w.Code != http.StatusNoContent {
			return
		}
		again := fuzzed(t, r, lmsRequest(http.MethodGet, res, query, "", ""))
		switch {
		case res == "activities/state" && again.Code == http.StatusOK && again.Body.String() != body:
			t.Fatalf("the document %q is given as %q", body, again.Body)
		case res == "statements" && again.Code == http.StatusNotFound && xapi.Voids([]byte(body)) == "":
			voided := fuzzed(t, r, lmsRequest(http.MethodGet, res, strings.Replace(query, "statementId", "voidedStatementId", 1), "", ""))
			if voided.Code != http.StatusOK {
				t.Fatalf("a statement that was taken is not found: %d %s", voided.Code, voided.Body)
			}
		}
	})
}

// FuzzAlternateSyntax feeds the form that holds a whole request.
func FuzzAlternateSyntax(f *testing.F) {
	form := func(pairs ...string) string {
		v := url.Values{"Authorization": {"Bearer " + serverKey}, "X-Experience-API-Version": {"1.0.3"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	f.Add("method=PUT", form("statementId", lmsID, "Content-Type", "application/json", "content", lmsStatement("passed", "")))
	f.Add("method=GET", form("statementId", lmsID))
	f.Add("method=POST&key="+openKey, form("content", "["+lmsStatement("passed", "")+"]", "Content-Length", "7"))
	f.Add("method=delete", form("stateId", "s", "activityId", "urn:a", "agent", lmsAgent, "If-Match", "*"))
	f.Add("method=%ff&method=x", "%")
	f.Add("method=POST", form("content", "a\x00", "Content-Type", "multipart/form-data; boundary=\"", "Authorization", "Basic \xff\n"))
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, query, body string) {
		for _, resource := range []string{"statements", "activities/state"} {
			req := httptest.NewRequest(http.MethodPost, "/xapi/"+resource, strings.NewReader(body))
			req.URL.RawQuery = query
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			fuzzed(t, r, req)
		}
	})
}
