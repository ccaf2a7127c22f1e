package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/session"
	"partnerpulse/internal/simulate"
)

var (
	chaosDuration    = flag.Duration("chaos.duration", 14*time.Second, "how long load and faults go on")
	chaosEvents      = flag.Int("chaos.events", 50_000, "distinct events")
	chaosKills       = flag.Int("chaos.kills", 8, "least number of kills")
	chaosPartners    = flag.Int("chaos.partners", 40, "partners")
	chaosDays        = flag.Int("chaos.days", 20, "days of the world")
	chaosEnrichers   = flag.Int("chaos.enrichers", 2, "enrichers, besides those that come and go")
	chaosAggregators = flag.Int("chaos.aggregators", 2, "aggregators, which share the tenants out")
	chaosSeed        = flag.Uint64("chaos.seed", 0, "seed of world and plan; 0 takes one from the clock")
	chaosDay         = flag.String("chaos.day", "", "last day of the world, YYYY-MM-DD, to repeat a run; empty: today")
	chaosBroker      = flag.String("chaos.broker", "embedded", "embedded or apache")
	chaosJSON        = flag.String("chaos.json", "", "write the report to this file, - is standard output")
)

// TestChaos kills, freezes and rewinds everything under load. Then every event, every
// row of partner_daily, sessions and partner_scores must be what the oracle says.
func TestChaos(t *testing.T) {
	enginetest.Need(t)
	apache := *chaosBroker == "apache"
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	if *chaosDay != "" {
		day, err := time.Parse(time.DateOnly, *chaosDay)
		must(t, err)
		today = day
	}
	w := newWorld(seed, *chaosEvents, *chaosPartners, *chaosDays, today)
	steps := plan(seed, *chaosDuration, *chaosKills, apache)
	r := newReport()
	r.Seed, r.Day, r.Broker, r.Events = seed, today.Format(time.DateOnly), *chaosBroker, *chaosEvents
	t.Logf("seed %d: %d events of %d partners over %d days, %d steps in %s", seed, w.events, w.partners, w.days, len(steps), *chaosDuration)

	begin := time.Now()
	c := newCluster(t, settings{apache: apache})
	c.run(*chaosEnrichers, *chaosAggregators)
	o := newOffsets(c.broker.addrs())
	underFaults(t, c, w, steps, o, r)
	drained := time.Now()
	c.settle(o, group, database)
	r.DrainSecs = time.Since(drained).Seconds()
	check := &checker{w: w, store: c.open(database), report: r, now: time.Now()}
	must(t, check.check(t.Context()))
	r.Seconds = time.Since(begin).Seconds()
	if end, err := o.ends(t.Context()); err == nil {
		for _, n := range end {
			r.TopicEnd += n
		}
	}
	t.Logf("report\n%s", r)
	if *chaosJSON != "" {
		must(t, r.write(*chaosJSON))
	}
	if r.Mismatches > 0 {
		t.Errorf("%d mismatches; repeat with -chaos.seed=%d -chaos.day=%s", r.Mismatches, seed, r.Day)
	}
	if r.Stored != int64(w.events) {
		t.Errorf("%d events are stored, %d were acknowledged", r.Stored, w.events)
	}
	if r.Kills < *chaosKills {
		t.Errorf("only %d kills of %d", r.Kills, *chaosKills)
	}
	if err := o.wentBack(); err != nil {
		t.Errorf("the group's offsets went back by themselves: %v", err)
	}
}

// underFaults sends the world while the plan is carried out, and returns when both are
// over and everything runs again.
func underFaults(t *testing.T, c *cluster, w *world, steps []step, o *offsets, r *report) {
	t.Helper()
	d := &director{c: c, offsets: o, report: r, rng: rand.New(rand.NewPCG(w.seed, 5)), begin: time.Now()}
	l := &load{w: w, c: c, within: *chaosDuration * 9 / 10}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		if err := l.run(ctx); err != nil {
			cancel(fmt.Errorf("sending: %w", err))
		}
	}()
	watched := make(chan struct{})
	go func() { defer close(watched); o.watch(ctx, group) }()
	show := newProgress(t, d, l)
	fail := func(err error) {
		if err != nil {
			t.Fatal(errors.Join(err, context.Cause(ctx)))
		}
	}
	fail(d.run(ctx, steps, show))
	// On a machine that is slower than the pace, the load is not over: the faults go on.
	for round := uint64(1); ctx.Err() == nil && !over(loaded); round++ {
		after := time.Since(d.begin)
		more := plan(w.seed+round, max(*chaosDuration, time.Minute), *chaosKills, c.broker.process() == nil)
		for i := range more {
			more[i].at += after
		}
		d.enough = loaded
		fail(d.run(ctx, more, show))
	}
	fail(context.Cause(ctx))
	must(t, d.topUp(ctx, *chaosKills))
	must(t, d.calm())
	r.Rebalances = d.generations()
	r.LoadSeconds = time.Since(d.begin).Seconds()
	r.Records, r.Collected, r.Resent, r.Retried = l.records.Load(), l.posted.Load(), l.resent.Load(), l.retries.Load()
	cancel(nil)
	<-watched
	r.Samples = o.samples
}

// over tells that a channel is closed.
func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// newProgress gives a function that tells now and then how far a run is: on a
// terminal in place, elsewhere every 30 s.
func newProgress(t *testing.T, d *director, l *load) func() {
	terminal := simulate.IsTerminal(os.Stderr)
	every, last := 30*time.Second, time.Now()
	if terminal {
		every = time.Second
	}
	return func() {
		if time.Since(last) < every {
			return
		}
		last = time.Now()
		line := fmt.Sprintf("%s: %d of %d events acknowledged, %d kills, %d starts", time.Since(d.begin).Round(time.Second),
			l.sent.Load(), l.w.events, d.report.Kills, d.report.Starts)
		if terminal {
			fmt.Fprintf(os.Stderr, "\r\033[K%s", line)
		} else {
			t.Log(line)
		}
	}
}

// settleLimit only ends a run that hangs; it is for the backlog that the longest of the
// tests can leave.
func settleLimit() time.Duration {
	return 3*time.Minute + 4*max(*chaosDuration, *outageDuration, *soakDuration)
}

// settle waits until everything that was acknowledged is worked off: the spool is
// empty, the group has no lag, no key is dirty, every partner is scored up to today.
func (c *cluster) settle(o *offsets, group, database string) {
	c.t.Helper()
	store := c.open(database)
	last, told := "", time.Now()
	await(c.t, settleLimit(), "the end of all work", func() (err error) {
		defer func() {
			if err != nil && time.Since(told) > 30*time.Second {
				told = time.Now()
				c.t.Logf("still working: %v", err)
			}
		}()
		if n, err := c.metric("collector", "partnerpulse_spool_records"); err != nil || n != 0 {
			return errors.Join(fmt.Errorf("%v records in the spool", n), err)
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
		defer cancel()
		if lag, err := o.lag(ctx, group); err != nil || lag != 0 {
			return errors.Join(fmt.Errorf("lag %d", lag), err)
		}
		behind, err := unfinished(ctx, store)
		if err != nil {
			return err
		}
		if behind != "0 0 0" || behind != last {
			last = behind
			time.Sleep(1500 * time.Millisecond) // the aggregator looks every 500 ms
			return fmt.Errorf("dirty keys, and partners behind by tenant: %s", behind)
		}
		return nil
	})
}

// unfinished counts dirty keys, partners whose scores do not reach the present, and
// those that were scored without a feed that others know.
func unfinished(ctx context.Context, store *chstore.Store) (string, error) {
	var dirty, behind []struct {
		N uint64 `ch:"n"`
	}
	if err := store.Select(ctx, &dirty, "SELECT count() AS n FROM (SELECT hour, tenant, partner_id, day FROM dirty_days GROUP BY ALL HAVING sum(marked) > max(done))", nil); err != nil {
		return "", err
	}
	counts := []string{strconv.FormatUint(dirty[0].N, 10)}
	for _, t := range tenants {
		loc, err := time.LoadLocation(t.zone)
		if err != nil {
			return "", err
		}
		today := time.Unix(int64(session.LocalDay(time.Now(), loc))*86400, 0).UTC().Format(time.DateOnly)
		if err := store.Select(ctx, &behind, "SELECT countIf(scored_through < {today:Date}) + toUInt64(uniqExact(feeds) > 1) AS n FROM partner_progress FINAL WHERE tenant = {tenant:String}",
			chstore.Params{"tenant": t.id, "today": today}); err != nil {
			return "", err
		}
		counts = append(counts, strconv.FormatUint(behind[0].N, 10))
		behind = nil
	}
	return strings.Join(counts, " "), nil
}

// metric reads one sample of a process, the sum over all labels.
func (c *cluster) metric(name, metric string) (float64, error) {
	text, err := c.get(c.at(name), "/metrics")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, metric)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("%s has no metric %s", name, metric)
	}
	return sum, nil
}
