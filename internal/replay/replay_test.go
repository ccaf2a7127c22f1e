package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
)

var arrival = time.Date(2026, 11, 3, 9, 15, 0, 7e6, time.UTC)

// table is a Store with rows in the order of the cursor.
type table struct{ rows []row }

func (s *table) Select(_ context.Context, dest any, query string, p chstore.Params) error {
	switch dest := dest.(type) {
	case *[]Count:
		*dest = []Count{{Rejects: uint64(len(s.rows))}}
	case *[]row:
		for _, r := range s.rows {
			if r.RejectedAt.UnixMilli() > p["after"].(int64) || r.RejectedAt.UnixMilli() == p["after"].(int64) && r.ID > p["after_id"].(uint64) {
				*dest = append(*dest, r)
			}
			if len(*dest) == int(p["count"].(uint32)) {
				break
			}
		}
	default:
		return fmt.Errorf("asked with %s", query)
	}
	return nil
}

// sent is one request to the fake collector.
type sent struct {
	Path, Type, Body string
}

// fakeCollector answers like the real one: events whose id starts with "bad" are refused.
type fakeCollector struct {
	t      *testing.T
	mu     sync.Mutex
	got    []sent
	before func(w http.ResponseWriter, r *http.Request, body string) bool // true: answered
}

func (c *fakeCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	body := string(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer k" {
		c.t.Errorf("authorized with %q", r.Header.Get("Authorization"))
	}
	if c.before != nil && c.before(w, r, body) {
		return
	}
	c.got = append(c.got, sent{r.URL.Path, r.Header.Get("Content-Type"), body})
	switch r.URL.Path {
	case "/xapi/statements":
		if r.Header.Get("X-Experience-API-Version") == "" {
			c.t.Error("a statement without a version")
		}
		_, _ = io.WriteString(w, `["x"]`)
	case "/v1/batch":
		_, _ = io.WriteString(w, `{"success":true}`)
	default:
		var events []struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(b, &events); err != nil {
			c.t.Error(err)
		}
		refused := []refusal{}
		for i, e := range events {
			if strings.HasPrefix(e.ID, "bad") {
				refused = append(refused, refusal{Index: i, ID: e.ID, Code: strings.TrimPrefix(e.ID, "bad-"), Message: "no"})
			}
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"accepted":%d,"rejected":%d,"errors":%s}`, len(events)-len(refused), len(refused), must(json.Marshal(refused)))
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func rowOf(n int, source event.Source, original string) row {
	return row{ID: uint64(n), RejectedAt: arrival, Tenant: "demo", Stage: "collector", Source: string(source), Code: "unknown_type",
		EventID: fmt.Sprintf("e-%d", n), Original: original}
}

// run replays rows to c.
func run(t *testing.T, c *fakeCollector, change func(*Config), rows ...row) (*Report, error) {
	t.Helper()
	c.t = t
	srv := httptest.NewServer(c)
	defer srv.Close()
	cfg := Config{Filter: Filter{Tenant: "demo"}, Collector: srv.URL + "/", Key: "k", RetryMin: time.Microsecond, RetryMax: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	last := Progress{}
	r, err := New(cfg, Deps{Store: &table{rows}, Progress: func(p Progress) { last = p }}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	report, err := r.Run(t.Context())
	if !last.Finished || last.Done != report.done() || last.Total != int64(len(rows)) {
		t.Errorf("the last progress is %+v of %d rejects", last, len(rows))
	}
	return report, err
}

func TestEachSourceGoesItsOwnWay(t *testing.T) {
	record, err := event.MarshalCloudEvent(&event.Event{
		ID: "stored", Type: event.CoursePublished, Time: arrival, PartnerID: event.TenantWide, UserID: "u", Tenant: "demo", ReceivedAt: arrival,
		Context: event.Context{UTMSource: "mail"}, Data: jsontext.Value(`{"course_id":"c"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	enriched := rowOf(8, event.SourceXAPI, string(record))
	enriched.Stage = "enricher"
	cut := rowOf(9, event.SourceAPI, `{"id":"cut"}`)
	cut.Truncated = true
	c := &fakeCollector{}
	report, err := run(t, c, nil,
		rowOf(1, event.SourceAPI, `{"id":"own","time":"2026-11-01T00:00:00Z","n":1.50}`),
		rowOf(2, event.SourceTracker, ` { "type":"custom.x" } `),
		rowOf(3, event.SourcePixel, `{}`),
		rowOf(4, event.SourceSegment, `{"type":"track","event":"X","timestamp":"2026-11-03T09:00:00Z","messageId":"m"}`),
		rowOf(5, event.SourceXAPI, `{"verb":{"id":"v"}}`),
		rowOf(6, event.SourceXAPI, `{"id":"s-2","timestamp":"2026-11-01T00:00:00Z"}`),
		rowOf(7, event.SourceCloudEvents, `{"specversion":"1.0","id":"c"}`),
		enriched, cut,
		rowOf(10, event.SourceAPI, `[{"id":`),
		rowOf(11, event.SourceAPI, "\xff"),
		rowOf(12, event.SourceAPI, `{"id":"own","time":"2026-11-01T00:00:00Z","n":1.50}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []sent{
		{"/xapi/statements", "application/json", `{"id":"e-5","timestamp":"2026-11-03T09:15:00.007Z","verb":{"id":"v"}}`},
		{"/v1/events", "application/json", `[{"id":"own","time":"2026-11-01T00:00:00Z","n":1.50},` +
			`{"id":"e-2","time":"2026-11-03T09:15:00.007Z", "type":"custom.x" },{"id":"e-3","time":"2026-11-03T09:15:00.007Z"},` +
			`{"id":"stored","type":"course.published","time":"2026-11-03T09:15:00.007Z","user_id":"u","context":{"utm_source":"mail"},"data":{"course_id":"c"}}]`},
		{"/v1/batch", "application/json", `{"batch":[{"type":"track","event":"X","messageId":"m","timestamp":"2026-11-03T09:00:00.000Z","originalTimestamp":"2026-11-03T09:00:00Z"}]}`},
		{"/v1/cloudevents", "application/cloudevents-batch+json", `[{"time":"2026-11-03T09:15:00.007Z","specversion":"1.0","id":"c"}]`},
		{"/xapi/statements", "application/json", `{"id":"s-2","timestamp":"2026-11-01T00:00:00Z"}`},
	}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Error(diff)
	}
	wantReport := &Report{Replayed: 8, Accepted: 8, Refused: map[string]int64{}, Requests: 5, Examples: map[string][]string{},
		Skipped: map[string]int64{skipTruncated: 1, skipUnreadable: 2, skipDuplicate: 1}}
	if diff := cmp.Diff(wantReport, report); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsRefusedAgainIsToldByCode(t *testing.T) {
	var rows []row
	for n := range 25 {
		id := fmt.Sprintf("ok-%d", n)
		if n%5 == 0 {
			id = "bad-schema"
		}
		rows = append(rows, rowOf(n+1, event.SourceAPI, fmt.Sprintf(`{"id":%q,"n":%d}`, id, n)))
	}
	c := &fakeCollector{}
	report, err := run(t, c, func(cfg *Config) { cfg.BatchMax, cfg.PageMax = 4, 10 }, rows...)
	if err != nil {
		t.Fatal(err)
	}
	if report.Accepted != 20 || report.Rejected != 5 || report.Refused["schema"] != 5 || len(report.Examples["schema"]) != examplesMax {
		t.Errorf("got %+v", report)
	}
	if len(c.got) != 8 { // 4+4+2, 4+4+2, 4+1
		t.Errorf("%d requests", len(c.got))
	}
	report, err = run(t, &fakeCollector{}, func(cfg *Config) { cfg.Filter.Limit, cfg.PageMax = 7, 5 }, rows...)
	if report.Replayed != 7 {
		t.Errorf("a limit of 7 replayed %d (%v)", report.Replayed, err)
	}
}

func TestOldEventsAskForABackfillKey(t *testing.T) {
	report, err := run(t, &fakeCollector{}, nil, rowOf(1, event.SourceAPI, `{"id":"bad-too_old"}`))
	if !errors.Is(err, ErrBackfill) || !strings.Contains(err.Error(), `"backfill"`) || report.Refused["too_old"] != 1 {
		t.Errorf("got %v, %+v", err, report)
	}
}

// TestABusyCollectorIsWaitedFor: the same bytes are sent until they are taken.
func TestABusyCollectorIsWaitedFor(t *testing.T) {
	var tries []string
	statuses := []int{429, 503, 500, 408}
	c := &fakeCollector{}
	c.before = func(w http.ResponseWriter, _ *http.Request, body string) bool {
		if tries = append(tries, body); len(tries) > len(statuses) {
			return false
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(statuses[len(tries)-1])
		return true
	}
	report, err := run(t, c, nil, rowOf(1, event.SourceAPI, `{}`))
	if err != nil || report.Accepted != 1 || report.Requests != 5 || len(slices.Compact(tries)) != 1 {
		t.Errorf("got %v, %+v after %q", err, report, tries)
	}
}

func TestACollectorThatStaysAwayEndsTheReplay(t *testing.T) {
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}
	report, err := run(t, c, func(cfg *Config) { cfg.GiveUp = time.Millisecond }, rowOf(1, event.SourceAPI, `{}`))
	if err == nil || !strings.Contains(err.Error(), "503") || report.Replayed != 0 {
		t.Errorf("got %v, %+v", err, report)
	}
}

// TestAWrongKeyEndsTheReplay: repeating cannot help.
func TestAWrongKeyEndsTheReplay(t *testing.T) {
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"code":"unknown_key","message":"the key is not known"}}`)
		return true
	}}
	report, err := run(t, c, nil, rowOf(1, event.SourceAPI, `{}`))
	if err == nil || !strings.Contains(err.Error(), "unknown_key") || report.Requests != 1 {
		t.Errorf("got %v, %+v", err, report)
	}
}

// TestABatchThatIsRefusedWholeIsDivided until the event at fault is alone.
func TestABatchThatIsRefusedWholeIsDivided(t *testing.T) {
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, body string) bool {
		if !strings.Contains(body, "poison") {
			return false
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, `{"error":{"code":"body_too_large","message":"too large"}}`)
		return true
	}}
	var rows []row
	for n := range 9 {
		rows = append(rows, rowOf(n+1, event.SourceAPI, fmt.Sprintf(`{"n":%d}`, n)))
	}
	rows[3].Original = `{"poison":1}`
	report, err := run(t, c, nil, rows...)
	if err != nil || report.Accepted != 8 || report.Refused["body_too_large"] != 1 || !strings.HasPrefix(report.Examples["body_too_large"][0], "e-4") {
		t.Errorf("got %v, %+v", err, report)
	}
}

func TestStatementsThatDoNotCountAreTold(t *testing.T) {
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) { w.Header().Set("X-PartnerPulse-Not-Counted", "1"); w.WriteHeader(200) },
		func(w http.ResponseWriter) {
			w.WriteHeader(409)
			_, _ = io.WriteString(w, `{"error":{"code":"statement_conflict","message":"another"}}`)
		},
		func(w http.ResponseWriter) { w.WriteHeader(200) },
	}
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		answers[0](w)
		answers = answers[1:]
		return true
	}}
	report, err := run(t, c, nil, rowOf(1, event.SourceXAPI, `{}`), rowOf(2, event.SourceXAPI, `{}`), rowOf(3, event.SourceXAPI, `{}`))
	want := map[string]int64{codeNotCounted: 1, "statement_conflict": 1}
	if err != nil || report.Accepted != 1 || cmp.Diff(want, report.Refused) != "" {
		t.Errorf("got %v, %+v", err, report)
	}
}

// TestAnAnswerThatDoesNotAddUpIsAnError: an event that is neither accepted nor
// refused would be lost in silence.
func TestAnAnswerThatDoesNotAddUpIsAnError(t *testing.T) {
	for _, body := range []string{`{"accepted":0,"rejected":0}`, `{"accepted":0,"errors":[{"index":1}]}`, `<html>`, `{}`} {
		c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			_, _ = io.WriteString(w, body)
			return true
		}}
		if report, err := run(t, c, nil, rowOf(1, event.SourceAPI, `{}`)); err == nil {
			t.Errorf("%s gave %+v", body, report)
		}
	}
}

func TestSendingNeedsATarget(t *testing.T) {
	for name, cfg := range map[string]Config{
		"tenant":  {Collector: "http://127.0.0.1:1", Key: "k"},
		"key":     {Collector: "http://127.0.0.1:1", Filter: Filter{Tenant: "demo"}},
		"address": {Collector: "127.0.0.1:1", Key: "k", Filter: Filter{Tenant: "demo"}},
	} {
		r, err := New(cfg, Deps{Store: &table{}}, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, f := range []Filter{{Stage: "x"}, {Codes: []string{" "}}, {Since: arrival, Until: arrival}} {
		if _, err := New(Config{Filter: f}, Deps{}, zaptest.NewLogger(t)); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}
