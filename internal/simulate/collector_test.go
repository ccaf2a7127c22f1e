package simulate

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/zap"

	"partnerpulse/internal/simulate/plan"
)

const testKey = "sk-test"

type sentEvent struct {
	ID        string    `json:"id"`
	PartnerID string    `json:"partner_id"`
	Time      time.Time `json:"time"`
	arrived   time.Time
}

// fakeCollector answers POST /v1/events as the contract says; before may answer
// in its place, and refuse may reject single events.
type fakeCollector struct {
	before func(w http.ResponseWriter, r *http.Request, events []sentEvent) (answered bool)
	refuse func(sentEvent) *problem

	mu       sync.Mutex
	accepted []sentEvent // every copy, in order of arrival
	faults   []string
}

func (c *fakeCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/events" || r.Header.Get("Content-Type") != "application/json" {
		c.fault("%s %s with %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if r.Header.Get("Authorization") != "Bearer "+testKey {
		http.Error(w, `{"error":"unknown key"}`, http.StatusUnauthorized)
		return
	}
	raw, err := plainBody(r)
	if err != nil {
		c.fault("reading the body: %v", err)
	}
	var events []sentEvent
	if err := json.Unmarshal(raw, &events); err != nil {
		c.fault("decoding the body: %v", err)
	}
	if c.before != nil && c.before(w, r, events) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	status, body := c.take(events)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (c *fakeCollector) take(events []sentEvent) (status int, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := answer{Errors: []problem{}}
	for i, e := range events {
		if c.refuse != nil {
			if p := c.refuse(e); p != nil {
				p.Index, p.ID = i, e.ID
				got.Rejected, got.Errors = got.Rejected+1, append(got.Errors, *p)
				continue
			}
		}
		e.arrived = time.Now()
		got.Accepted, c.accepted = got.Accepted+1, append(c.accepted, e)
	}
	body, err := json.Marshal(&got)
	if err != nil {
		c.faults = append(c.faults, err.Error())
	}
	if got.Accepted == 0 {
		return http.StatusBadRequest, body
	}
	return http.StatusAccepted, body
}

func (c *fakeCollector) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func plainBody(r *http.Request) ([]byte, error) {
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	default:
		return io.ReadAll(r.Body)
	}
}

// firstCopies gives the accepted events without repetitions, and checks that each
// partner's came in order.
func (c *fakeCollector) firstCopies(t *testing.T) []sentEvent {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		t.Error("a malformed request:", f)
	}
	seen, last := map[string]bool{}, map[string]time.Time{}
	var out []sentEvent
	for _, e := range c.accepted {
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if e.Time.Before(last[e.PartnerID]) {
			t.Fatalf("event %s of %s at %s came after one of %s", e.ID, e.PartnerID, e.Time, last[e.PartnerID])
		}
		last[e.PartnerID] = e.Time
		out = append(out, e)
	}
	return out
}

// inMemory is the collector as a transport without a socket.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// smallConfig is a world of a few partners and days that ended before 2026.
func smallConfig() Config {
	cfg := DefaultConfig(time.Now())
	cfg.World.Partners, cfg.World.Start, cfg.World.Days = 12, plan.Date(2025, 9, 1), 30
	cfg.URL, cfg.Key = "http://collector.test", testKey
	cfg.Through = plan.Date(2025, 9, 5).Start(time.UTC)
	cfg.BatchEventsMax, cfg.RetryMin, cfg.RetryMax = 50, time.Millisecond, 4*time.Millisecond
	return cfg
}

// planned lists the ids of the plan in [from, through).
func planned(t *testing.T, cfg Config, from, through time.Time) []string {
	t.Helper()
	w, err := plan.New(cfg.World)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for e := range w.Events(from) {
		if !e.Time.Before(through) {
			return ids
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func sortedIDs(events []sentEvent) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	slices.Sort(ids)
	return ids
}

func sameIDs(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d ids, want %d, or others", what, len(got), len(want))
	}
}

func lines(b *bytes.Buffer) []string { return strings.Fields(b.String()) }

func newTestSimulator(cfg Config, deps Deps) *Simulator { return New(cfg, deps, zap.NewNop()) }

func worldStart(cfg Config) time.Time { return cfg.World.Start.Start(time.UTC) }

func retrySeconds(w http.ResponseWriter, status, seconds int) bool {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	http.Error(w, "later", status)
	return true
}
