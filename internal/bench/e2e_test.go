package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

func smallE2E() E2EConfig {
	cfg := DefaultE2EConfig()
	cfg.Rate, cfg.Batch, cfg.Connections, cfg.Partners, cfg.Visits, cfg.Probes = 1000, 10, 1, 20, 64, 10
	cfg.WarmUp, cfg.Length = time.Second, 2*time.Second
	return cfg
}

// TestProbesAreScheduled: each partner is probed once before counting begins, none more
// often than its sub-score can tell, and in the order of time.
func TestProbesAreScheduled(t *testing.T) {
	start := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		warm, length time.Duration
		rate         int
	}{{time.Second, 2 * time.Second, 10}, {20 * time.Second, time.Minute, 20}, {time.Second, time.Minute, 7}} {
		cfg := smallE2E()
		cfg.WarmUp, cfg.Length, cfg.Probes = c.warm, c.length, c.rate
		p, err := newProbes(cfg, start, start.Add(c.warm))
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, own := range p.byPartner {
			if len(own) == 0 || len(own) > probesMax {
				t.Errorf("%+v: a partner has %d probes", c, len(own))
			}
			for i, one := range own {
				total++
				if one.number != i+1 || i > 0 && !one.due.After(own[i-1].due) || one.counted != !one.due.Before(start.Add(c.warm)) {
					t.Errorf("%+v: probe %+v", c, one)
				}
			}
		}
		if want := int(float64(c.rate) * (c.warm + c.length).Seconds()); total != want {
			t.Errorf("%+v: %d probes, want %d", c, total, want)
		}
	}
}

// TestProbesAreSeen: a level or a number shows all probes up to it and none after, and
// only those that have been answered.
func TestProbesAreSeen(t *testing.T) {
	start := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	p, err := newProbes(smallE2E(), start, start.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	own := p.byPartner[0]
	if len(own) != 3 {
		t.Fatalf("%d probes of the first partner, want 3", len(own))
	}
	name := probePartner(0)
	at := start.Add(time.Minute)
	p.saw(scored, map[string]uint64{name: p.levels[1]}, at)
	if !own[0].scored.IsZero() {
		t.Error("a probe that was not answered counts as visible")
	}
	own[0].accepted, own[1].accepted, own[2].accepted = start, start, start
	p.saw(scored, map[string]uint64{name: p.levels[2] - 1}, at)
	p.saw(stored, map[string]uint64{name: 2}, at.Add(-time.Second))
	if !own[0].scored.Equal(at) || !own[1].scored.IsZero() || !own[1].stored.Equal(at.Add(-time.Second)) || !own[2].stored.IsZero() {
		t.Errorf("%+v %+v %+v", own[0], own[1], own[2])
	}
	p.saw(scored, map[string]uint64{name: p.levels[3]}, at.Add(time.Second))
	p.saw(scored, map[string]uint64{name: p.levels[3]}, at.Add(time.Minute))
	if !own[0].scored.Equal(at) || !own[1].scored.Equal(at.Add(time.Second)) || !own[2].scored.Equal(at.Add(time.Second)) {
		t.Errorf("%+v %+v %+v: the first look that shows a probe counts", own[0], own[1], own[2])
	}
	if p.all() {
		t.Error("all are visible after one partner's")
	}
}

// TestPacedLoadIsOpen: while one request hangs, those that are due wait, and their
// waiting is measured: a closed loop would have sent fewer and seen one slow answer.
func TestPacedLoadIsOpen(t *testing.T) {
	const hang = 300 * time.Millisecond
	var requests, events atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch []struct {
			ID   string `json:"id"`
			Time string `json:"time"`
		}
		if err == nil {
			err = json.Unmarshal(body, &batch)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		events.Add(int64(len(batch)))
		if requests.Add(1) == 5 {
			time.Sleep(hang)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	cfg := smallE2E()
	start := time.Now().Add(50 * time.Millisecond)
	l := &pacedLoad{cfg: cfg, start: start, end: start.Add(500 * time.Millisecond), counted: start}
	if err := l.send(context.Background(), Address{Addr: srv.Listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	if requests.Load() != 50 || events.Load() != 500 || l.accepted.Load() != 500 {
		t.Errorf("%d requests, %d events, %d accepted; want 50, 500, 500", requests.Load(), events.Load(), l.accepted.Load())
	}
	answers, late := l.sorted()
	waited := 0
	for _, d := range answers {
		if d >= hang/2 {
			waited++
		}
	}
	// The hanging one and the 14 that were due within the first half of its time.
	if waited < 15 || late[len(late)-1] < hang-20*time.Millisecond {
		t.Errorf("%d requests waited at least %s, the latest was sent %s after it was due", waited, hang/2, late[len(late)-1])
	}
}

// TestPacedLoadRefused: nothing but 2xx is measured.
func TestPacedLoadRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }))
	defer srv.Close()
	start := time.Now()
	l := &pacedLoad{cfg: smallE2E(), start: start, end: start.Add(time.Second), counted: start}
	if err := l.send(context.Background(), Address{Addr: srv.Listener.Addr().String()}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
}

// TestTicksOfMetrics reads what the aggregator's page says.
func TestTicksOfMetrics(t *testing.T) {
	got, err := ticksOf(strings.NewReader(`# TYPE partnerpulse_aggregator_tick_seconds histogram
partnerpulse_aggregator_tick_seconds_bucket{le="+Inf"} 4
partnerpulse_aggregator_tick_seconds_sum 6
partnerpulse_aggregator_tick_seconds_count 4
# TYPE partnerpulse_aggregator_partners_total counter
partnerpulse_aggregator_partners_total 17
# TYPE partnerpulse_aggregator_statement_seconds histogram
partnerpulse_aggregator_statement_seconds_bucket{role="a",statement="daily",le="+Inf"} 2
partnerpulse_aggregator_statement_seconds_sum{role="a",statement="daily"} 1.25
partnerpulse_aggregator_statement_seconds_count{role="a",statement="daily"} 2
partnerpulse_aggregator_statement_seconds_bucket{role="a",statement="sessions",le="+Inf"} 3
partnerpulse_aggregator_statement_seconds_sum{role="a",statement="sessions"} 3.5
partnerpulse_aggregator_statement_seconds_count{role="a",statement="sessions"} 3
`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Ticks != 4 || got.MeanSeconds != 1.5 || got.Partners != 17 || len(got.Statements) != 2 ||
		got.Statements[0] != (StatementFigures{"sessions", 3, 3.5}) || got.Statements[1] != (StatementFigures{"daily", 2, 1.25}) {
		t.Errorf("got %+v", got)
	}
	if _, err := ticksOf(strings.NewReader("{")); err == nil {
		t.Error("what is no page of metrics is taken")
	}
}

func TestE2EConfigIsChecked(t *testing.T) {
	if err := DefaultE2EConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*E2EConfig){
		func(c *E2EConfig) { c.Rate = 0 }, func(c *E2EConfig) { c.WarmUp = 0 }, func(c *E2EConfig) { c.Length = time.Hour },
		func(c *E2EConfig) { c.Batch = 0 }, func(c *E2EConfig) { c.Connections = 0 }, func(c *E2EConfig) { c.Partners = 10_000 },
		func(c *E2EConfig) { c.Visits = 0 }, func(c *E2EConfig) { c.Probes = 1001 },
	} {
		c := DefaultE2EConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
