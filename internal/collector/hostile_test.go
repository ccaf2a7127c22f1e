package collector

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/httpserver"
)

// withData is a custom event with the given data. Its type has no schema, so that
// only the limits of all events decide.
func withData(data string) string {
	return `{"id":"a","type":"custom.x","partner_id":"p-1","user_id":"u-1","data":` + data + `}`
}

func nested(open, inner, end string, depth int) string {
	return strings.Repeat(open, depth) + inner + strings.Repeat(end, depth)
}

// allocatedMax bounds what one request may allocate in all, freed again or not: the
// inflated body, grown by doubling, and as much again for what is made of it.
const allocatedMax = 48 << 20

// TestHostileBodies: each gets its documented answer, with memory bounded.
func TestHostileBodies(t *testing.T) {
	bomb := bytes.Repeat([]byte{' '}, 256<<20)
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		status   int
		code     string // of the request, or of its one event; "": accepted
		pointer  string
	}{
		"gzip bomb":                  {"gzip", gzipped(t, bomb), 413, "body_too_large", ""},
		"zstd bomb":                  {"zstd", zstandard(t, bomb), 413, "body_too_large", ""},
		"gzip in gzip":               {"gzip", gzipped(t, gzipped(t, []byte(login("a", "")))), 400, "malformed_json", ""},
		"1 MB field":                 {"", []byte(login("a", `,"context":{"title":"`+strings.Repeat("x", 1<<20)+`"}`)), 400, "too_long", ""},
		"1 MB id":                    {"", []byte(login(strings.Repeat("x", 1<<20), "")), 400, "too_long", ""},
		"1 MB name of a field":       {"", []byte(login("a", `,"`+strings.Repeat("x", 1<<20)+`":1`)), 400, "too_long", ""},
		"3000 characters":            {"", []byte(login("a", `,"context":{"title":"`+strings.Repeat("é", 3000)+`"}`)), 400, "too_long", "/context/title"},
		"40 KB of data":              {"", []byte(withData(`{"x":"` + strings.Repeat("x", 40<<10) + `"}`)), 400, "too_long", "/data"},
		"33 levels":                  {"", []byte(withData(nested(`{"a":`, "1", "}", 32))), 400, "too_long", "/data"},
		"32 levels":                  {"", []byte(withData(nested(`{"a":`, "1", "}", 31))), 202, "", ""},
		"9,000 levels":               {"", []byte(withData(`{"a":` + nested("[", "", "]", 9000) + "}")), 400, "too_long", "/data"},
		"10,000 levels":              {"", []byte(withData(nested(`{"a":`, "1", "}", 10_000))), 400, "malformed_json", ""},
		"4 million open brackets":    {"", bytes.Repeat([]byte("["), 4<<20-1), 400, "malformed_json", ""},
		"4 MB of one open text":      {"", append([]byte(`{"id":"`), bytes.Repeat([]byte("x"), 4<<20-10)...), 400, "malformed_json", ""},
		"a million empty events":     {"", []byte("[" + strings.Repeat("{},", 1_000_000) + "{}]"), 413, "batch_too_large", ""},
		"a million lines":            {"", bytes.Repeat([]byte("{}\n"), 1_000_000), 413, "batch_too_large", ""},
		"invalid UTF-8":              {"", []byte(login("a", ",\"session_id\":\"\xff\xfe\"")), 400, "malformed_json", "/session_id"},
		"UTF-8 cut short":            {"", []byte(login("a", ",\"session_id\":\"x\xc3\"")), 400, "malformed_json", "/session_id"},
		"half a surrogate":           {"", []byte(login("a", `,"session_id":"\ud800"`)), 400, "malformed_json", "/session_id"},
		"NUL in a name":              {"", []byte(login("a", `,"session_id":"\u0000"`)), 400, "schema", "/session_id"},
		"raw NUL":                    {"", []byte(login("a", ",\"session_id\":\"\x00\"")), 400, "malformed_json", ""},
		"duplicate id":               {"", []byte(login("a", `,"id":"b"`)), 400, "malformed_json", "/id"},
		"duplicate in other letters": {"", []byte(login("a", `,"\u0069d":"b"`)), 400, "malformed_json", "/id"},
		"duplicate in data":          {"", []byte(withData(`{"a":{"b":1,"b":2}}`)), 400, "malformed_json", "/data/a/b"},
		"10,000 names":               {"", []byte(withData("{" + names(3000) + "}")), 400, "schema", "/data"},
		"huge exponent":              {"", []byte(withData(`{"n":1e999999999}`)), 400, "schema", "/data/n"},
		"20,000 digits":              {"", []byte(withData(`{"n":` + strings.Repeat("9", 20_000) + `}`)), 400, "schema", "/data/n"},
		"huge amount":                {"", []byte(deal(`1e400`)), 400, "schema", "/data/amount"},
		"amount of 20,000 digits":    {"", []byte(deal(strings.Repeat("9", 20_000))), 400, "schema", "/data/amount"},
		"not a number":               {"", []byte(deal(`NaN`)), 400, "malformed_json", ""},
		"a number for the whole":     {"", []byte(strings.Repeat("9", 1<<20)), 400, "malformed_json", ""},
		"year 99999":                 {"", []byte(login("a", `,"time":"99999-01-01T00:00:00Z"`)), 400, "schema", "/time"},
		"time of 1 KB":               {"", []byte(login("a", `,"time":"`+strings.Repeat("2", 1024)+`"`)), 400, "too_long", "/time"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { cfg.Tenants["acme"] = Tenant{AllowCustom: true} })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r.encoded(c.encoding, c.body, false)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > allocatedMax {
				t.Errorf("%d MB allocated, at most %d are bearable", got>>20, allocatedMax>>20)
			}
			if got := r.c.budget.used.Load(); got != 0 {
				t.Errorf("%d bytes stay reserved", got)
			}
			switch {
			case c.code == "":
				r.answered(c.status)
			case strings.Contains(r.last.Body.String(), `"error":`):
				r.refused(c.status, c.code)
			default:
				got := r.answered(c.status)
				if e := got.Errors[0]; len(got.Errors) != 1 || e.Code != event.Code(c.code) || e.Pointer != c.pointer {
					t.Errorf("errors %.300v, want %s at %q", got.Errors, c.code, c.pointer)
				}
			}
			if r.last.Body.Len() > 8<<10 {
				t.Errorf("the answer repeats %d bytes", r.last.Body.Len())
			}
		})
	}
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":1`, i)
	}
	return b.String()
}

func deal(amount string) string {
	return `{"id":"a","type":"deal.won","partner_id":"p-1","user_id":"u-1","data":{"deal_id":"d","currency":"EUR","amount":` + amount + `}}`
}

// TestOneHostileEventDoesNotStopItsBatch: its neighbours are taken.
func TestOneHostileEventDoesNotStopItsBatch(t *testing.T) {
	for name, bad := range map[string]string{
		"duplicate":     login("x", `,"id":"y"`),
		"invalid UTF-8": login("x", ",\"session_id\":\"\xff\""),
		"deep":          withData(`{"a":` + nested("[", "", "]", 5000) + "}"),
		"long":          login("x", `,"context":{"title":"`+strings.Repeat("x", 1<<20)+`"}`),
		"huge number":   deal("1e400"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range []string{"[%s,%s,%s]", "%s\n%s\n%s"} {
				r := newRig(t, nil)
				r.post(serverKey, fmt.Sprintf(form, login("a", ""), bad, login("b", "")))
				if got := r.answered(http.StatusAccepted); got.Accepted != 2 || got.Rejected != 1 || got.Errors[0].Index != 1 {
					t.Errorf("%.20q: %d accepted, errors %.200v", form, got.Accepted, got.Errors)
				}
			}
		})
	}
}

// TestSlowBodies: a body that trickles in is cut off by the read timeout with 408,
// however many there are, and others are served meanwhile.
func TestSlowBodies(t *testing.T) {
	r := newRig(t, nil)
	cfg := httpserver.DefaultConfig("")
	cfg.ReadTimeout = 300 * time.Millisecond
	l, err := httpserver.Listen(t.Context(), "127.0.0.1:0", "--addr")
	if err != nil {
		t.Fatal(err)
	}
	srv := httpserver.New(cfg, l, r.h, r.c.Ready, prometheus.NewRegistry(), zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	const slow = 40
	answers := make(chan string, slow)
	for range slow {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{\"id\":", serverKey); err != nil {
			t.Fatal(err)
		}
		go func() {
			b, _ := io.ReadAll(conn) // until the server closes it
			answers <- string(b)
		}()
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/v1/events", strings.NewReader(login("a", "")))
	if err != nil {
		t.Fatal(err)
	}
	bearer(serverKey)(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Errorf("others are answered %v, %v", res, err)
	}
	if err == nil {
		res.Body.Close()
	}
	for range slow {
		if got := <-answers; !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "read_timeout") {
			t.Errorf("answer %.200q", got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := r.c.budget.used.Load(); got != 0 {
		t.Errorf("%d bytes stay reserved", got)
	}
}
