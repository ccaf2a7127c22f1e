package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/console"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/tracker"
	"partnerpulse/schemas"
)

// got is one event as the collector received it.
type got struct {
	ID          string         `json:"id"`
	Type        event.Type     `json:"type"`
	Time        time.Time      `json:"time"`
	PartnerID   string         `json:"partner_id"`
	UserID      string         `json:"user_id"`
	AnonymousID string         `json:"anonymous_id"`
	SessionID   string         `json:"session_id"`
	Internal    bool           `json:"internal"`
	Context     map[string]any `json:"context"`
	Data        map[string]any `json:"data"`

	raw json.RawMessage
	via string // events or beacon
}

func (g *got) number(field string) float64 { n, _ := g.Data[field].(float64); return n }
func (g *got) text(field string) string    { s, _ := g.Data[field].(string); return s }

// request is one request to the collector.
type request struct {
	path, key, contentType string
	ids                    []string
	status                 int
}

// collector stands in for the real one: it records, and can be told to fail.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	events   []*got // in order of arrival, copies included
	requests []request
	// fail answers the nth request to /v1/events, from 0, in the collector's place; status 0 accepts.
	fail func(n int) (status int, retryAfter, body string)
	// beaconStatus answers beacons; 0 accepts.
	beaconStatus int
	script       []byte // /tracker.js
}

// script gives the tracker as it is served.
func script(t *testing.T) []byte {
	t.Helper()
	b, err := tracker.Script()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const browserKey = "pp_web_test"

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{script: script(t)}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	what, isAPI := strings.CutPrefix(r.URL.Path, "/v1/")
	switch {
	case r.URL.Path == "/tracker.js":
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(c.script)
	case !isAPI || r.Method != http.MethodPost: // a preflight would be an OPTIONS request
		http.Error(w, "no such endpoint", http.StatusNotFound)
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.accept(w, r, what, body)
	}
}

func (c *collector) accept(w http.ResponseWriter, r *http.Request, what string, body []byte) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	req := request{path: r.URL.Path, key: r.URL.Query().Get("key"), contentType: r.Header.Get("Content-Type"), status: http.StatusAccepted}
	text, retryAfter := fmt.Sprintf(`{"accepted":%d,"rejected":0}`, len(raw)), ""
	switch {
	case what == "beacon" && c.beaconStatus != 0:
		req.status = c.beaconStatus
	case what == "events" && c.fail != nil:
		if status, h, b := c.fail(c.count(r.URL.Path)); status != 0 {
			req.status, retryAfter, text = status, h, b
		}
	}
	for _, one := range raw {
		g := &got{raw: one, via: what}
		if err := json.Unmarshal(one, g); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.ids = append(req.ids, g.ID)
		if req.status < 300 {
			c.events = append(c.events, g)
		}
	}
	c.requests = append(c.requests, req)
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(req.status)
	_, _ = io.WriteString(w, text)
}

// count gives the requests to a path so far; the caller holds mu.
func (c *collector) count(path string) int {
	n := 0
	for _, q := range c.requests {
		if q.path == path {
			n++
		}
	}
	return n
}

// behave changes how requests are answered.
func (c *collector) behave(fail func(n int) (int, string, string), beaconStatus int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail, c.beaconStatus = fail, beaconStatus
}

// always answers every request to /v1/events with a status.
func always(status int) func(int) (int, string, string) {
	return func(int) (int, string, string) { return status, "", "{}" }
}

// distinct gives the accepted events once each, in order of first arrival.
func (c *collector) distinct() []*got {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*got
	seen := map[string]bool{}
	for _, g := range c.events {
		if !seen[g.ID] {
			seen[g.ID] = true
			all = append(all, g)
		}
	}
	return all
}

func (c *collector) of(typ event.Type) []*got {
	var some []*got
	for _, g := range c.distinct() {
		if g.Type == typ {
			some = append(some, g)
		}
	}
	return some
}

func (c *collector) seen() []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]request(nil), c.requests...)
}

// eventually waits until ok, at most half a minute; it bounds, it does not measure.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// checkSchemas holds every received event to the contract.
func checkSchemas(t *testing.T, c *collector) {
	t.Helper()
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range c.distinct() {
		for _, p := range set.Check(g.Type, g.raw) {
			t.Errorf("%s is not valid: %v\n%s", g.Type, &p, g.raw)
		}
	}
}

// emptyStore has no rows.
type emptyStore struct{}

func (emptyStore) Select(context.Context, any, string, chstore.Params) error { return nil }

// newPortal serves the console with the demo portal against the collector.
func newPortal(t *testing.T, c *collector) *httptest.Server {
	t.Helper()
	cfg := console.DefaultConfig()
	cfg.CollectorURL, cfg.BrowserKey = c.URL, browserKey
	con, err := console.New(cfg, console.Deps{Store: emptyStore{}}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(con.Handler())
	t.Cleanup(s.Close)
	return s
}

// newSite serves pages by path; A line TRACKER becomes the script tag; attributes on
// the rest of the line win over the usual ones, as the first of a name does in HTML.
func newSite(t *testing.T, c *collector, pages map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		var b strings.Builder
		for line := range strings.Lines(page) {
			if attrs, ok := strings.CutPrefix(strings.TrimSpace(line), "TRACKER"); ok {
				line = fmt.Sprintf(`<script src="%s/tracker.js" %s data-key="%s" data-partner="p-0007" data-user="u-1" data-flush-ms="100" data-retry-ms="100"></script>`+"\n", c.URL, attrs, browserKey)
			}
			b.WriteString(line)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><meta name=viewport content=width=device-width>"+b.String())
	}))
	t.Cleanup(s.Close)
	return s
}

// do runs steps in the tab.
func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval runs a script and gives its value.
func eval[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
