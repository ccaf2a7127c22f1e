package clickhouse

import (
	"net/http"
	"net/url"
	"testing"
)

// TestLogComment: the tag by which a statement is cancelled is unique to its
// connection even when a client gives many statements the same comment.
func TestLogComment(t *testing.T) {
	p := &pool{baseline: map[string]string{"max_threads": "2"}}
	a, b := &conn{tag: "c-1"}, &conn{tag: "c-2"}
	for _, settings := range []map[string]string{nil, {"log_comment": "dashboard"}} {
		wa, wb := p.wanted(a, settings), p.wanted(b, settings)
		if wa["log_comment"] == wb["log_comment"] || wa["max_threads"] != "2" {
			t.Errorf("%v: %v and %v", settings, wa, wb)
		}
	}
	if got := p.wanted(a, map[string]string{"max_threads": "1"})["max_threads"]; got != "1" {
		t.Errorf("the request's setting lost to the baseline: %s", got)
	}
}

func TestParseRequest(t *testing.T) {
	r, err := http.NewRequest(http.MethodPost, "/?query=SELECT+';'&param_a=1&max_threads=2&max_threads=3&compress=true"+
		"&client_protocol_version=54460&quota_key=x&session_timeout=5", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-ClickHouse-Database", "db")
	r.Header.Set("X-ClickHouse-Query-Id", "bad\x01id")
	form, err := parseForm(r)
	if err != nil {
		t.Fatal(err)
	}
	rq, err := parseRequest(r, form)
	if err != nil {
		t.Fatal(err)
	}
	if rq.query != "SELECT ';'" || rq.database != "db" || rq.queryID == "bad\x01id" || !rq.compress || rq.readOnly ||
		rq.revision != 54460 || rq.sessionTimeout.Seconds() != 5 || len(rq.params) != 1 ||
		len(rq.settings) != 1 || rq.settings["max_threads"] != "3" {
		t.Errorf("%+v", rq)
	}
	for _, bad := range []string{"a'b=1", "a+b=1", "client_protocol_version=x", "session_timeout=-1"} {
		form, err := url.ParseQuery(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRequest(r, form); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestAcceptedEncoding(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "identity": "", "gzip": "gzip", "gzip, deflate, br": "br", "zstd;q=1, gzip;q=0": "zstd", "LZ4": "lz4",
	} {
		if got := acceptedEncoding(http.Header{"Accept-Encoding": {accept}}); got != want {
			t.Errorf("%q: %q", accept, got)
		}
	}
}
