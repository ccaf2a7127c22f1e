package simulate

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestEveryEventIsDeliveredThroughAFlakyCollector(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, compression := range []string{"none", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			var mu sync.Mutex
			r := rand.New(rand.NewPCG(1, 2))
			c := &fakeCollector{}
			c.before = func(w http.ResponseWriter, _ *http.Request, events []sentEvent) bool {
				mu.Lock()
				x := r.Float64()
				mu.Unlock()
				switch {
				case x < .15:
					http.Error(w, "busy", http.StatusServiceUnavailable)
				case x < .25:
					return retrySeconds(w, http.StatusTooManyRequests, 0)
				case x < .40: // taken, but the answer never arrives
					c.take(events)
					panic(http.ErrAbortHandler)
				case x < .50: // taken, but the answer is cut short
					c.take(events)
					w.Header().Set("Content-Length", "500")
					_, _ = w.Write([]byte(`{"accepted":`))
				default:
					return false
				}
				return true
			}
			server := httptest.NewServer(c)
			defer server.Close()
			cfg := smallConfig()
			cfg.URL, cfg.Compression = server.URL+"/", compression
			var acks bytes.Buffer
			reg := prometheus.NewRegistry()
			report, err := newTestSimulator(cfg, Deps{AckLog: &acks, Registerer: reg}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := planned(t, cfg, worldStart(cfg), cfg.Through)
			sameIDs(t, "accepted by the collector", sortedIDs(c.firstCopies(t)), want)
			sameIDs(t, "in the list of acks, each once", lines(&acks), want)
			n := int64(len(want))
			if n < 500 || report.Events != n || report.Acked != n || report.Rejected != 0 || report.Pending != 0 || report.Retried == 0 {
				t.Errorf("%d events were planned, the report says %s", n, report)
			}
			if !report.Through.Equal(cfg.Through) {
				t.Errorf("sent through %s, want %s", report.Through, cfg.Through)
			}
			expected := `
				# HELP partnerpulse_simulate_events_total Simulated events by what became of them.
				# TYPE partnerpulse_simulate_events_total counter
				partnerpulse_simulate_events_total{outcome="acked"} ` + itoa(n) + `
				partnerpulse_simulate_events_total{outcome="rejected"} 0
				partnerpulse_simulate_events_total{outcome="retried"} ` + itoa(report.Retried) + "\n"
			if err := testutil.GatherAndCompare(reg, strings.NewReader(expected), "partnerpulse_simulate_events_total"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRejectedEventsAreReportedAndNotRepeated(t *testing.T) {
	cfg := smallConfig()
	want := planned(t, cfg, worldStart(cfg), cfg.Through)
	bad := map[string]bool{want[3]: true, want[len(want)/2]: true, want[len(want)-1]: true}
	c := &fakeCollector{refuse: func(e sentEvent) *problem {
		if bad[e.ID] {
			return &problem{Code: "schema", Pointer: "/data/words", Message: "must be a number"}
		}
		return nil
	}}
	var acks bytes.Buffer
	report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}, AckLog: &acks}).Run(t.Context())
	if !errors.Is(err, ErrRejected) {
		t.Fatalf("got error %v, want ErrRejected", err)
	}
	if report.Rejected != 3 || report.RejectedByCode["schema"] != 3 || len(report.Rejections) != 3 || report.Acked != int64(len(want)-3) || report.Pending != 0 {
		t.Errorf("got %s", report)
	}
	if s := report.String(); !strings.Contains(s, "3 × schema") || !strings.Contains(s, `"/data/words": must be a number`) {
		t.Errorf("the report in words lacks the reason:\n%s", s)
	}
	for _, id := range lines(&acks) {
		if bad[id] {
			t.Errorf("the rejected event %s is listed as accepted", id)
		}
	}
}

func TestABatchRejectedAsAWholeIsNotRepeated(t *testing.T) {
	cfg := smallConfig()
	c := &fakeCollector{refuse: func(sentEvent) *problem { return &problem{Code: "too_old", Pointer: "/time", Message: "over 30 days"} }}
	report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
	if !errors.Is(err, ErrRejected) || report.Rejected != report.Events || report.Acked != 0 || report.Retried != 0 || len(report.Rejections) != rejectionsMax {
		t.Errorf("got error %v and report %s", err, report)
	}
}

func TestHardErrorsEndTheRun(t *testing.T) {
	answers := map[string]struct {
		status int
		body   string
		in     string
	}{
		"wrong key":        {http.StatusUnauthorized, `{"error":"unknown key"}`, "401"},
		"not a collector":  {http.StatusNotFound, "no such page", "404"},
		"malformed":        {http.StatusBadRequest, `{"error":"not JSON"}`, "not JSON"},
		"no JSON":          {http.StatusAccepted, "thanks", "thanks"},
		"events unsettled": {http.StatusAccepted, `{"accepted":1,"rejected":0,"errors":[]}`, "do not add up"},
		"strange index":    {http.StatusAccepted, `{"accepted":0,"rejected":1,"errors":[{"index":9999}]}`, "event 9999"},
	}
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ []sentEvent) bool {
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
				return true
			}}
			report, err := newTestSimulator(smallConfig(), Deps{Transport: inMemory{c}}).Run(t.Context())
			if err == nil || errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), a.in) {
				t.Errorf("got error %v, want one with %q", err, a.in)
			}
			if report.Acked != 0 || report.Retried != 0 {
				t.Errorf("got %s", report)
			}
		})
	}
}

func TestTooLargeBatchesAreHalved(t *testing.T) {
	cfg := smallConfig()
	want := planned(t, cfg, worldStart(cfg), cfg.Through)
	giant := want[7]
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, events []sentEvent) bool {
		tooLarge := len(events) > 7
		for _, e := range events {
			tooLarge = tooLarge || e.ID == giant
		}
		if tooLarge {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
		return tooLarge
	}}
	report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
	if !errors.Is(err, ErrRejected) || report.Rejected != 1 || report.RejectedByCode["http_413"] != 1 {
		t.Errorf("got error %v and %s", err, report)
	}
	if got := len(c.firstCopies(t)); got != len(want)-1 {
		t.Errorf("%d events arrived, want all %d but one", got, len(want))
	}
}

func TestEventsLimitsTheRunToTheFirstOfThePlan(t *testing.T) {
	cfg := smallConfig()
	cfg.Events = 321
	c := &fakeCollector{}
	report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
	if err != nil || report.Acked != 321 {
		t.Fatalf("got error %v and %s", err, report)
	}
	sameIDs(t, "accepted", sortedIDs(c.firstCopies(t)), planned(t, cfg, worldStart(cfg), cfg.Through)[:321])
	if !report.Through.Before(cfg.Through) {
		t.Errorf("a limited run claims to have sent everything before %s", report.Through)
	}
}

func TestCancelledBackfillStopsAndResumesWithoutGap(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := smallConfig()
	want := planned(t, cfg, worldStart(cfg), cfg.Through)
	ctx, cancel := context.WithCancel(t.Context())
	var requests atomic.Int64
	c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ []sentEvent) bool {
		if requests.Add(1) > 4 { // then the collector is gone until the user gives up
			if requests.Load() > 12 {
				cancel()
			}
			http.Error(w, "down", http.StatusBadGateway)
			return true
		}
		return false
	}}
	path := filepath.Join(t.TempDir(), "state.json")
	deps := Deps{Transport: inMemory{c}, Checkpoint: func(s State) error { return WriteState(path, s) }}
	var acks bytes.Buffer
	deps.AckLog = &acks
	report, err := newTestSimulator(cfg, deps).Run(ctx)
	if !errors.Is(err, context.Canceled) || report.Pending == 0 || report.Acked == 0 {
		t.Fatalf("got error %v and %s", err, report)
	}
	state, found, err := ReadState(path)
	if err != nil || !found || !state.Through.Before(cfg.Through) {
		t.Fatalf("state %+v, found %t, error %v", state, found, err)
	}
	c.before = nil
	again := DefaultConfig(time.Now())
	again.URL, again.Key, again.Through = cfg.URL, cfg.Key, cfg.Through
	state.Resume(&again)
	if _, err := newTestSimulator(again, deps).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, e := range c.accepted {
		got[e.ID] = true
	}
	if len(got) != len(want) {
		t.Errorf("%d events arrived in both runs, want %d", len(got), len(want))
	}
	if state, _, err = ReadState(path); err != nil || !state.Through.Equal(cfg.Through) {
		t.Errorf("afterwards the state is %+v, error %v", state, err)
	}
}

func TestAFailingAckLogOrCheckpointEndsTheRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	full := errors.New("disk full")
	for name, deps := range map[string]Deps{
		"acks":       {AckLog: writerFunc(func([]byte) (int, error) { return 0, full })},
		"checkpoint": {Checkpoint: func(State) error { return full }},
	} {
		deps.Transport = inMemory{&fakeCollector{}}
		if _, err := newTestSimulator(smallConfig(), deps).Run(t.Context()); !errors.Is(err, full) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestProgressIsReported(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		show, last, backfilled := NewProgressPrinter(&out, terminal), Progress{}, Report{}
		report, err := newTestSimulator(smallConfig(), Deps{
			Transport: inMemory{&fakeCollector{}},
			Progress: func(p Progress) {
				if p.Done < last.Done || p.Acked < last.Acked {
					t.Errorf("progress goes back from %+v to %+v", last, p)
				}
				last = p
				show(p)
			},
			Backfilled: func(r Report) { backfilled = r },
		}).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !last.Finished || last.Done != 1 || last.Acked != report.Acked || backfilled.Acked != report.Acked {
			t.Errorf("the last progress is %+v, the backfill's report %s", last, backfilled)
		}
		if !strings.Contains(out.String(), "100") || !strings.Contains(out.String(), "2025-09-05") {
			t.Errorf("terminal %t: shown was %q", terminal, out.String())
		}
	}
}

func TestStateFileRoundTripAndFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if _, found, err := ReadState(path); found || err != nil {
		t.Errorf("a missing file: found %t, error %v", found, err)
	}
	want := stateOf(smallConfig().World, time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC))
	if err := WriteState(path, want); err != nil {
		t.Fatal(err)
	}
	got, found, err := ReadState(path)
	if diff := cmp.Diff(want, got); diff != "" || !found || err != nil {
		t.Errorf("found %t, error %v:\n%s", found, err, diff)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	if err := WriteState(filepath.Join(path, "below-a-file"), want); err == nil {
		t.Error("writing below a file succeeded")
	}
}

func TestBadConfigsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no address": func(c *Config) { c.URL = "" }, "not http": func(c *Config) { c.URL = "ftp://x" }, "no host": func(c *Config) { c.URL = "http:///x" },
		"no key": func(c *Config) { c.Key = "" }, "nothing to do": func(c *Config) { c.Backfill = false },
		"backwards": func(c *Config) { c.From = c.Through.Add(time.Hour) }, "speed": func(c *Config) { c.Speed = .5 },
		"workers": func(c *Config) { c.Workers = 0 }, "batch": func(c *Config) { c.BatchEventsMax = 0 },
		"compression": func(c *Config) { c.Compression = "br" }, "backoff": func(c *Config) { c.RetryMax = 0 },
		"world": func(c *Config) { c.World.Partners = 0 },
	} {
		cfg := smallConfig()
		change(&cfg)
		c := &fakeCollector{}
		if _, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context()); err == nil || len(c.accepted) > 0 {
			t.Errorf("%s: error %v after %d events", name, err, len(c.accepted))
		}
	}
}
