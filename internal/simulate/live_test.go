package simulate

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"partnerpulse/internal/simulate/plan"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// bubbleConfig is a world whose today is the day on which synctest's clock starts.
func bubbleConfig() Config {
	cfg := smallConfig()
	cfg.World.Start, cfg.World.Days = plan.DayOf(time.Now(), time.UTC)-30, 30
	cfg.From, cfg.Through = time.Time{}, time.Time{}
	cfg.RequestTimeout = time.Second
	return cfg
}

func TestLiveSendsTheRestOfThePlanWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * time.Hour) // into the first working day of the clock
		cfg := bubbleConfig()
		cfg.Live = true
		began := time.Now()
		cfg.From = began.Add(-48 * time.Hour)
		c, states := &fakeCollector{}, 0
		var last State
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Hour)
		defer cancel()
		var acks bytes.Buffer
		report, err := newTestSimulator(cfg, Deps{
			Transport: inMemory{c}, AckLog: &acks, Checkpoint: func(s State) error { states++; last = s; return nil },
		}).Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := c.firstCopies(t)
		if len(got) != len(c.accepted) {
			t.Errorf("%d events were sent twice", len(c.accepted)-len(got))
		}
		end := began.Add(30 * time.Hour)
		all := planned(t, cfg, cfg.From, end)
		// What was due in the last linger time may not have left.
		sure := planned(t, cfg, cfg.From, end.Add(-2*cfg.Linger))
		if len(got) < len(sure) || len(got) > len(all) || len(sure) < 300 {
			t.Errorf("%d events were sent, want %d to %d", len(got), len(sure), len(all))
		}
		sent := map[string]bool{}
		for _, e := range got {
			sent[e.ID] = true
			due := e.Time
			if due.Before(began) {
				due = began
			}
			if late := e.arrived.Sub(due); late < 0 || late > 2*cfg.Linger {
				t.Fatalf("the event of %s arrived at %s", e.Time, e.arrived)
			}
		}
		for _, id := range sure {
			if !sent[id] {
				t.Fatalf("event %s is missing between backfill and live", id)
			}
		}
		sameIDs(t, "acks", lines(&acks), sortedIDs(got))
		if states < 1000 || last.Through.Before(end.Add(-24*time.Hour)) || last.Through.After(end) || report.Acked != int64(len(got)) {
			t.Errorf("%d checkpoints, the last through %s; report %s", states, last.Through, report)
		}
	})
}

func TestSpeedMakesUpForThePastWithoutTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		cfg := bubbleConfig()
		cfg.Backfill, cfg.Live, cfg.Speed = false, true, 24
		began := time.Now()
		cfg.From = began.Add(-72 * time.Hour)
		c := &fakeCollector{}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour) // caught up after 72/23 hours
		defer cancel()
		if _, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		early := 0
		for _, e := range c.firstCopies(t) {
			if e.Time.After(e.arrived) {
				t.Fatalf("the event of %s was sent at %s already", e.Time, e.arrived)
			}
			if e.arrived.Before(began.Add(time.Hour)) {
				early++
			}
		}
		want := len(planned(t, cfg, cfg.From, cfg.From.Add(24*time.Hour)))
		if early < want-1 || early > want {
			t.Errorf("%d events in the first hour, want the %d of the first day", early, want)
		}
	})
}

func TestRateSendsASteadyLoadOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := bubbleConfig()
		cfg.Backfill, cfg.Rate = false, 50
		c := &fakeCollector{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		saved := 0
		report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}, Checkpoint: func(State) error { saved++; return nil }}).Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := c.firstCopies(t)
		if len(got) != len(c.accepted) || len(got) < 2900 || len(got) > 3010 || int64(len(got)) != report.Acked {
			t.Errorf("%d events and %d different ones in a minute at 50 a second", len(c.accepted), len(got))
		}
		for _, e := range got {
			if late := e.arrived.Sub(e.Time); late < 0 || late > 2*cfg.Linger {
				t.Fatalf("the event of %s arrived at %s", e.Time, e.arrived)
			}
		}
		if saved != 0 {
			t.Error("a pure load has saved a state to resume")
		}
	})
}

func TestTheLoadDoesNotMoveTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		cfg := bubbleConfig()
		cfg.Backfill, cfg.Live, cfg.Speed, cfg.Rate = false, true, 2, 5
		cfg.From = time.Now().Add(-72 * time.Hour)
		var last State
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		_, err := newTestSimulator(cfg, Deps{
			Transport: inMemory{&fakeCollector{}}, Checkpoint: func(s State) error { last = s; return nil },
		}).Run(ctx)
		if limit := cfg.From.Add(20 * time.Minute); err != nil || last.Through.After(limit) || last.Through.Before(cfg.From) {
			t.Errorf("error %v; after ten minutes at twice the speed the state is through %s, want at most %s", err, last.Through, limit)
		}
	})
}

func TestEventsEndsALiveRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := bubbleConfig()
		cfg.Backfill, cfg.Rate, cfg.Events = false, 100, 500
		c := &fakeCollector{}
		report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
		if err != nil || report.Acked != 500 || len(c.accepted) != 500 {
			t.Errorf("error %v, %s", err, report)
		}
		began := time.Now()
		cfg.Backfill, cfg.Live, cfg.Through = true, true, began
		report, err = newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
		if err != nil || report.Acked != 500 || time.Since(began) > time.Minute {
			t.Errorf("after a backfill that used up the number: error %v, %s", err, report)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := bubbleConfig()
		cfg.Through, cfg.Events = time.Now(), 10
		cfg.Workers = 1
		var attempts []time.Time
		c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ []sentEvent) bool {
			attempts = append(attempts, time.Now())
			switch len(attempts) {
			case 1:
				return retrySeconds(w, http.StatusServiceUnavailable, 7)
			case 2:
				w.Header().Set("Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat))
				http.Error(w, "later", http.StatusTooManyRequests)
				return true
			}
			return false
		}}
		report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
		if err != nil || len(attempts) != 3 || report.Requests != 3 || report.Retried != 20 {
			t.Fatalf("error %v, %d attempts, %s", err, len(attempts), report)
		}
		first, second := attempts[1].Sub(attempts[0]), attempts[2].Sub(attempts[1])
		if first < 7*time.Second || first > 9*time.Second || second < 19*time.Second || second > 25*time.Second {
			t.Errorf("pauses of %s and %s, asked for were 7 s and 20 s", first, second)
		}
	})
}

func TestBackoffGrowsToItsLimitAndNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := bubbleConfig()
		cfg.Through, cfg.Events, cfg.Workers = time.Now(), 5, 1
		cfg.RetryMin, cfg.RetryMax = 100*time.Millisecond, 10*time.Second
		down := time.Now().Add(20 * time.Minute)
		var attempts []time.Time
		c := &fakeCollector{before: func(w http.ResponseWriter, _ *http.Request, _ []sentEvent) bool {
			attempts = append(attempts, time.Now())
			if time.Now().Before(down) {
				http.Error(w, "down", http.StatusInternalServerError)
				return true
			}
			return false
		}}
		report, err := newTestSimulator(cfg, Deps{Transport: inMemory{c}}).Run(t.Context())
		if err != nil || report.Acked != 5 {
			t.Fatalf("error %v, %s", err, report)
		}
		for i := 1; i < len(attempts); i++ {
			if pause := attempts[i].Sub(attempts[i-1]); pause < 50*time.Millisecond || pause > 15*time.Second {
				t.Fatalf("pause %d is %s", i, pause)
			}
		}
		if n := len(attempts); n < 80 || n > 300 {
			t.Errorf("%d attempts in 20 minutes with pauses of about 10 s", n)
		}
	})
}

func TestNothingIsDueBeforeItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		second := func(name string, lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Second
		}
		p := pace{began: base, from: base.Add(-second("behind", 0, 1e6)), speed: rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(1, 1000)).Draw(t, "speed")}
		a := p.from.Add(second("a", 0, 1e6))
		b := a.Add(second("b", 0, 1e6))
		if p.due(a).Before(a) || p.due(b).Before(b) {
			t.Fatalf("an event of %s is due at %s", a, p.due(a))
		}
		if p.due(b).Before(p.due(a)) {
			t.Fatalf("the later of two events is due first: %s, %s", p.due(a), p.due(b))
		}
	})
}
