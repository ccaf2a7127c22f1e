package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"partnerpulse/internal/embedded/enginetest"
)

var (
	outageDuration = flag.Duration("outage.duration", 5*time.Second, "how long ClickHouse is gone")
	outageRate     = flag.Int("outage.rate", 2000, "events a second meanwhile")
)

// enricherMiBMax is the promise for a role's memory, whatever its backlog.
const enricherMiBMax = 512

// TestClickHouseGone kills the store under load and starts it again after a while. No
// other process may end or need a restart, none may grow beyond its bound, and at the
// end every row must be what the oracle says.
func TestClickHouseGone(t *testing.T) {
	enginetest.Need(t)
	seed := uint64(time.Now().UnixNano())
	if *chaosSeed != 0 {
		seed = *chaosSeed
	}
	const around = 3 * time.Second // load before and after
	within := *outageDuration + 2*around
	events := int(within.Seconds()) * *outageRate
	t.Logf("seed %d, %d events", seed, events)
	w := newWorld(seed, events, 40, 20, time.Now().UTC().Truncate(24*time.Hour))
	c := newCluster(t, settings{})
	c.run(2, 1)
	r := newReport()
	d := &director{c: c, report: r, rng: rand.New(rand.NewPCG(seed, 5)), begin: time.Now()}
	l := &load{w: w, c: c, within: within}
	ctx, cancel := context.WithTimeout(t.Context(), within+5*time.Minute)
	defer cancel()
	loaded := make(chan error, 1)
	go func() { loaded <- l.run(ctx) }()
	tend := func(until time.Duration) {
		for time.Since(d.begin) < until {
			must(t, d.tend())
			time.Sleep(50 * time.Millisecond)
		}
	}
	tend(around)
	must(t, c.store.end(syscall.SIGKILL))
	gone := time.Now()
	for time.Since(gone) < *outageDuration {
		for _, p := range c.processes() {
			if ended, _ := p.gone(); ended {
				t.Fatalf("%s ended while ClickHouse was gone:\n%s", p.name, p.tail())
			}
			p.measure()
		}
		time.Sleep(50 * time.Millisecond)
	}
	o := newOffsets(c.broker.addrs())
	lag, err := o.lag(t.Context(), group)
	must(t, err)
	acked := l.sent.Load()
	must(t, c.store.start(""))
	must(t, c.awaitStore())
	back := time.Now()
	must(t, <-loaded)
	c.settle(o, group, database)
	drained := time.Since(back)
	must(t, d.tend())
	for _, p := range c.roles() {
		if p.starts != 1 || !p.running() {
			t.Errorf("%s was started %d times", p.name, p.starts)
		}
	}
	streamed := false
	for _, p := range c.enrichers {
		text, err := c.get(c.at(p.name), "/metrics")
		must(t, err)
		streamed = streamed || strings.Contains(text, `partnerpulse_clickhouse_statement_seconds_count{kind="insert_stream"`)
	}
	if !streamed {
		t.Error("no insert was streamed, though more was waiting than is held")
	}
	if lag == 0 {
		t.Error("no lag while ClickHouse was gone: was there load?")
	}
	if peak := r.PeakMiB["enricher"]; peak == 0 || peak >= enricherMiBMax {
		t.Errorf("an enricher took %d MiB", peak)
	}
	check := &checker{w: w, store: c.open(database), report: r, now: time.Now()}
	must(t, check.check(t.Context()))
	if r.Mismatches > 0 || r.Stored != int64(events) {
		t.Errorf("%d mismatches, %d of %d events stored: %v", r.Mismatches, r.Stored, events, r.Examples)
	}
	t.Logf("ClickHouse gone for %s under %d events/s: %d acknowledged when it came back, lag %d records; nothing left to do %s later; peak MiB %v; %d mismatches in %d events, %d daily, %d session and %d score rows",
		*outageDuration, *outageRate, acked, lag, drained.Round(100*time.Millisecond), r.PeakMiB, r.Mismatches, r.Stored, r.DailyRows, r.SessionRows, r.ScoreRows)
}
