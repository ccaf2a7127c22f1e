package enricher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/shopspring/decimal"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// start runs an enricher on one generation and gives the function that ends
// fetching and waits for it.
func start(t *testing.T, cfg enricher.Config, g *fakeGeneration, store *fakeStore, publisher *fakePublisher) (finish func()) {
	t.Helper()
	e, _ := newEnricher(cfg, oneGeneration(g), store, publisher)
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context()) }()
	return func() {
		close(g.batches)
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestAnEventBecomesARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store, publisher := newFakeGeneration(), newFakeStore(), newFakePublisher()
		finish := start(t, enricher.Config{}, g, store, publisher)
		e := sample("e1")
		bot := sample("e2")
		bot.Context.UserAgent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
		bot.Type, bot.Data = event.DealWon, []byte(`{"deal_id":"d1","amount":48000.5,"currency":"EUR"}`)
		silent := sample("e3")
		silent.Context = event.Context{}
		silent.Type, silent.Data = event.PageViewed, []byte(`{"view_id":"v3","path":"/x","title":"From data"}`)
		g.batches <- fetch(0, 0, value(t, e), value(t, bot), value(t, silent))
		finish()

		row := store.rows["e1"]
		for column, want := range map[string]any{
			"tenant": "demo", "partner_id": "p-0001", "type": "content.engaged", "day": time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC),
			"time": e.Time, "received_at": e.ReceivedAt, "portal": "main", "source": "tracker", "key_id": "k1", "user_id": "u-17",
			"ip": "203.0.113.0", "url": "https://portal.example/doc", "title": "Doc", "locale": "de-DE",
			"device": "desktop", "os": "Windows", "browser": "Chrome", "is_bot": false, "internal": false,
			"view_id": "v1", "content_id": "c1", "engaged_ms": uint32(45000), "max_scroll_pct": uint8(87), "data": string(e.Data),
			"url_host": "portal.example", "url_path": "/doc", "referrer_kind": "direct", "clock_skew_ms": int64(1000), "is_datacentre": false,
		} {
			if row[column] != want {
				t.Errorf("%s is %v, want %v", column, row[column], want)
			}
		}
		if row["enrichment_steps"] != "ip/1,user_agent/1,bot/2,url/1,referrer/1,clock/1" {
			t.Errorf("enrichment_steps are %v", row["enrichment_steps"])
		}
		if b := store.rows["e2"]; b["is_bot"] != true || b["device"] != "bot" || !b["amount"].(decimal.Decimal).Equal(decimal.RequireFromString("48000.5")) {
			t.Errorf("bot's row is %v", b)
		}
		if s := store.rows["e3"]; s["title"] != "From data" || s["enrichment_steps"] != "ip/1,bot/2,clock/1" || s["device"] != "" {
			t.Errorf("row without context is %v", s)
		}
		if g.committed(0) != 3 || len(store.marks) != 1 || store.marks["demo/p-0001 2026-11-03"] == 0 {
			t.Errorf("committed %d, marks %v", g.committed(0), store.marks)
		}
	})
}

// Two copies of an event: the one received first has the higher version,
// whichever is stored first; of the same instant, the bytes decide.
func TestTheFirstAcceptedCopyWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store := newFakeGeneration(), newFakeStore()
		finish := start(t, enricher.Config{}, g, store, newFakePublisher())
		early, late, other := sample("early"), sample("late"), sample("other")
		late.ReceivedAt = late.ReceivedAt.Add(time.Millisecond)
		g.batches <- fetch(0, 0, value(t, late), value(t, early), value(t, other))
		finish()
		ver := func(id string) uint64 { return store.rows[id]["ver"].(uint64) }
		if ver("early") <= ver("late") {
			t.Errorf("version of the earlier copy %d is not above %d", ver("early"), ver("late"))
		}
		if ver("early") == ver("other") || ver("early")>>22 != ver("other")>>22 {
			t.Errorf("versions of one instant: %d and %d", ver("early"), ver("other"))
		}
	})
}

func TestBadRecordsGoToTheRejectsAndBlockNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store, publisher := newFakeGeneration(), newFakeStore(), newFakePublisher()
		store.refuse = func(id string) bool { return id == "bad" || id == "worse" }
		finish := start(t, enricher.Config{}, g, store, publisher)
		far := sample("far")
		far.Time = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
		strange := sample("strange")
		strange.ReceivedAt = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)
		binary := []byte{0xff, 0x00, '{'}
		huge := bytes.Repeat([]byte{1}, 2<<20)
		g.batches <- fetch(2, 10, value(t, sample("a")), value(t, sample("bad")), binary, value(t, sample("b")), nil,
			value(t, far), value(t, sample("worse")), huge, value(t, strange), value(t, sample("c")))
		finish()
		if ids := store.ids(); !slices.Equal(ids, []string{"a", "b", "c"}) {
			t.Errorf("stored %v", ids)
		}
		want := map[string]event.Code{
			"2@11": event.CodeUnstorable, "2@12": event.CodeUndecodable, "2@14": event.CodeUndecodable,
			"2@15": event.CodeUnstorable, "2@16": event.CodeUnstorable, "2@17": event.CodeUndecodable, "2@18": event.CodeUnstorable,
		}
		got := publisher.codes()
		for place, code := range want {
			if got[place] != code {
				t.Errorf("%s has code %q, want %q", place, got[place], code)
			}
		}
		if len(got) != len(want) {
			t.Errorf("rejects are %v", got)
		}
		if r := publisher.rejects["2@12"]; r.Topic != kafkabus.TopicEvents || r.Tenant != "demo" || r.Stage != "enricher" {
			t.Errorf("reject is %+v", r)
		} else if original, err := r.Bytes(); err != nil || !bytes.Equal(original, binary) {
			t.Errorf("original is %x, %v", original, err)
		}
		if r := publisher.rejects["2@11"]; r.EventID != "bad" || r.Portal != "main" || r.EventType != "content.engaged" {
			t.Errorf("reject is %+v", r)
		}
		if r := publisher.rejects["2@17"]; !strings.Contains(r.Message, "2097152 bytes") || len(r.Original) > 200_000 {
			t.Errorf("huge reject: %d bytes, %s", len(r.Original), r.Message)
		}
		if g.committed(2) != 20 {
			t.Errorf("committed %d, want 20", g.committed(2))
		}
	})
}

func TestBatchesAreFlushedBySizeAndByAge(t *testing.T) {
	for name, c := range map[string]struct {
		cfg     enricher.Config
		fetches int
		wait    time.Duration
		want    int // inserts
	}{
		"rows":       {enricher.Config{FlushRowsMax: 4, FlushAgeMax: time.Hour}, 4, 0, 2},
		"bytes":      {enricher.Config{FlushBytesMax: 1, FlushAgeMax: time.Hour}, 3, 0, 3},
		"age":        {enricher.Config{FlushAgeMax: time.Second}, 3, 1100 * time.Millisecond, 1},
		"not so old": {enricher.Config{FlushAgeMax: time.Second}, 3, 900 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, store := newFakeGeneration(), newFakeStore()
				finish := start(t, c.cfg, g, store, newFakePublisher())
				for i := range c.fetches {
					g.batches <- fetch(0, int64(2*i), value(t, sample(fmt.Sprint(i, "a"))), value(t, sample(fmt.Sprint(i, "b"))))
					synctest.Wait()
				}
				time.Sleep(c.wait)
				synctest.Wait()
				store.mu.Lock()
				got := len(store.inserts)
				store.mu.Unlock()
				if got != c.want {
					t.Errorf("%d inserts, want %d", got, c.want)
				}
				finish()
				if n := len(store.ids()); n != 2*c.fetches {
					t.Errorf("%d rows at the end, want %d", n, 2*c.fetches)
				}
			})
		})
	}
}

// While the store is down the enricher holds four batches and takes no more.
func TestAnUnavailableStorePausesFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store := newFakeGeneration(), newFakeStore()
		down := true
		store.fail = func(string, int) error {
			if down {
				return errDown
			}
			return nil
		}
		finish := start(t, enricher.Config{FlushRowsMax: 2}, g, store, newFakePublisher())
		taken := 0
		for range 10 {
			select {
			case g.batches <- fetch(0, int64(2*taken), value(t, sample(fmt.Sprint(taken, "a"))), value(t, sample(fmt.Sprint(taken, "b")))):
				taken++
			case <-time.After(time.Minute):
			}
		}
		if taken != 4 {
			t.Errorf("%d batches were taken while the store was down, want 4", taken)
		}
		if g.committed(0) != 0 {
			t.Errorf("committed %d while nothing was stored", g.committed(0))
		}
		store.mu.Lock()
		if store.calls < 10 {
			t.Errorf("%d attempts in ten minutes", store.calls)
		}
		down = false
		store.mu.Unlock()
		finish()
		if len(store.ids()) != 8 || g.committed(0) != 8 {
			t.Errorf("stored %v, committed %d", store.ids(), g.committed(0))
		}
	})
}

// An hour of marks is dropped when it is long over and worked off, so a repeated
// attempt marks in the hour that it is made in.
func TestMarksComeAfterTheRowsInTheHourOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store := newFakeGeneration(), newFakeStore()
		failures := 3
		var storedAt time.Time
		store.fail = func(table string, _ int) error {
			if table == "events" {
				storedAt = time.Now()
				return nil
			}
			if failures--; failures >= 0 {
				time.Sleep(time.Hour)
				return errDown
			}
			return nil
		}
		finish := start(t, enricher.Config{}, g, store, newFakePublisher())
		g.batches <- fetch(0, 0, value(t, sample("a")))
		finish()
		if n := store.marks["demo/p-0001 2026-11-03"]; n != 1 {
			t.Errorf("%d marks, want one", n)
		}
		if want := storedAt.Add(3 * time.Hour).UTC().Truncate(time.Hour); store.markedIn.Before(want) {
			t.Errorf("marked in %v, want %v or later, after three failed hours", store.markedIn, want)
		}
	})
}

func TestRejectsAreRepeatedUntilAllArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, publisher := newFakeGeneration(), newFakePublisher()
		var sizes []int
		publisher.fail = func(msgs []kafkabus.Message) error {
			sizes = append(sizes, len(msgs))
			switch len(sizes) {
			case 1:
				return errDown
			case 2:
				return &kafkabus.PublishError{Failed: []int{1}, Total: 3, Err: errDown}
			}
			return nil
		}
		g.onCommit = func(kafkabus.Offsets) error {
			if n := len(publisher.codes()); n != 3 {
				t.Errorf("committed with %d rejects published", n)
			}
			return nil
		}
		finish := start(t, enricher.Config{}, g, newFakeStore(), publisher)
		g.batches <- fetch(0, 0, []byte("x"), []byte("y"), []byte("z"))
		finish()
		if !slices.Equal(sizes, []int{3, 3, 1}) || g.committed(0) != 3 {
			t.Errorf("publishes of %v, committed %d", sizes, g.committed(0))
		}
	})
}

// The store fails in the middle of the search for a bad row: the search begins
// again, and the row is rejected once.
func TestABadRowIsRejectedOnceThoughTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store, publisher := newFakeGeneration(), newFakeStore(), newFakePublisher()
		store.refuse = func(id string) bool { return id == "bad" }
		failures := 2
		store.fail = func(table string, rows int) error {
			if table == "events" && rows == 2 && len(store.inserts) > 0 && failures > 0 {
				failures--
				return errDown
			}
			return nil
		}
		published := 0
		publisher.fail = func(msgs []kafkabus.Message) error {
			published += len(msgs)
			return nil
		}
		finish := start(t, enricher.Config{}, g, store, publisher)
		g.batches <- fetch(0, 0, value(t, sample("bad")), value(t, sample("a")), value(t, sample("b")), value(t, sample("c")))
		finish()
		if failures != 0 || published != 1 || g.committed(0) != 4 || len(store.ids()) != 3 {
			t.Errorf("%d failures left, %d rejects, committed %d, stored %v", failures, published, g.committed(0), store.ids())
		}
	})
}

// A store that refuses every row has another schema: no flood of rejects.
func TestRefusalOfEverythingIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store, publisher := newFakeGeneration(), newFakeStore(), newFakePublisher()
		broken := true
		store.fail = func(table string, _ int) error {
			if broken && table == "events" {
				return fmt.Errorf("%w: no such type", chstore.ErrRefused)
			}
			return nil
		}
		finish := start(t, enricher.Config{}, g, store, publisher)
		var values [][]byte
		for i := range 100 {
			values = append(values, value(t, sample(fmt.Sprint(i))))
		}
		g.batches <- fetch(0, 0, values...)
		time.Sleep(time.Minute)
		if n := len(publisher.codes()); n != 0 || g.committed(0) != 0 {
			t.Errorf("%d rejects, committed %d", n, g.committed(0))
		}
		store.mu.Lock()
		broken = false
		store.mu.Unlock()
		finish()
		if len(store.ids()) != 100 || len(publisher.codes()) != 0 || g.committed(0) != 100 {
			t.Errorf("stored %d, rejects %d, committed %d", len(store.ids()), len(publisher.codes()), g.committed(0))
		}
	})
}

func TestAFailedCommitIsCoveredByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGeneration()
		fail := true
		g.onCommit = func(kafkabus.Offsets) error {
			if fail {
				fail = false
				return errDown
			}
			return nil
		}
		finish := start(t, enricher.Config{FlushRowsMax: 1}, g, newFakeStore(), newFakePublisher())
		g.batches <- fetch(0, 0, value(t, sample("a")))
		g.batches <- fetch(1, 0, value(t, sample("b")))
		finish()
		if g.committed(0) != 1 || g.committed(1) != 1 {
			t.Errorf("committed %d and %d, want 1 and 1", g.committed(0), g.committed(1))
		}
	})
}

// When the generation ends, nothing held is committed, and the next one works.
func TestTheEndOfAGenerationDropsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, first, second := newFakeStore(), newFakeGeneration(), newFakeGeneration()
		store.fail = func(string, int) error { return errDown }
		source := sourceFunc(func(ctx context.Context, handle kafkabus.Handler) error {
			live, end := context.WithCancelCause(ctx)
			time.AfterFunc(time.Minute, func() { end(kafkabus.ErrGenerationEnded) })
			if err := handle(live, first); err != nil {
				return err
			}
			store.mu.Lock()
			store.fail = nil
			store.mu.Unlock()
			return handle(ctx, second)
		})
		e, reg := newEnricher(enricher.Config{FlushRowsMax: 1}, source, store, newFakePublisher())
		done := make(chan error, 1)
		go func() { done <- e.Run(t.Context()) }()
		first.batches <- fetch(0, 0, value(t, sample("a")))
		first.batches <- fetch(0, 1, value(t, sample("b")))
		time.Sleep(2 * time.Minute)
		if len(first.offsets) != 0 || len(store.ids()) != 0 {
			t.Errorf("committed %v, stored %v", first.offsets, store.ids())
		}
		second.batches <- fetch(0, 0, value(t, sample("a")), value(t, sample("b")))
		close(second.batches)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if second.committed(0) != 2 || len(store.ids()) != 2 {
			t.Errorf("committed %d, stored %v", second.committed(0), store.ids())
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP partnerpulse_enricher_dropped_rows_total Rows given up because their partitions moved, or an insert before them failed; they are delivered again.
			# TYPE partnerpulse_enricher_dropped_rows_total counter
			partnerpulse_enricher_dropped_rows_total 2
		`), "partnerpulse_enricher_dropped_rows_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestRunGivesTheSourcesError(t *testing.T) {
	broken := errors.New("no such group")
	e, _ := newEnricher(enricher.Config{}, sourceFunc(func(context.Context, kafkabus.Handler) error { return broken }), newFakeStore(), newFakePublisher())
	if err := e.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Run gave %v", err)
	}
}
