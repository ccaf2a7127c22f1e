package enricher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// redelivering is a source of one generation that delivers the values of one partition
// from the committed offset on as often as it is asked to, four records a fetch.
func redelivering(g *fakeGeneration, values [][]byte) enricher.Source {
	return sourceFunc(func(ctx context.Context, handle kafkabus.Handler) error {
		for {
			batches, over := make(chan kafkabus.Batch), make(chan struct{})
			g.batches = batches
			go func() {
				defer close(batches)
				for next := g.committed(0); next < int64(len(values)); {
					n := min(4, int64(len(values))-next)
					select {
					case batches <- fetch(0, next, values[next:next+n]...):
						next += n
					case <-over:
						return
					}
				}
			}()
			err := handle(ctx, g)
			close(over)
			if !errors.Is(err, kafkabus.ErrAgain) {
				return err
			}
		}
	})
}

// numbered gives events e0, e1, …
func numbered(t *testing.T, n int) (values [][]byte, ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("e%03d", i))
		values = append(values, value(t, sample(ids[i])))
	}
	return values, ids
}

// streaming runs an enricher over the values, with chunks of 8 and batches of 40 rows.
func streaming(t *testing.T, store *fakeStore, guard enricher.Guard, values [][]byte) (*fakeGeneration, *fakePublisher, *prometheus.Registry) {
	t.Helper()
	g, publisher, reg := newFakeGeneration(), newFakePublisher(), prometheus.NewRegistry()
	deps := enricher.Deps{Source: redelivering(g, values), Store: store, Publisher: publisher, Guard: guard, Stream: store.stream}
	cfg := enricher.Config{FlushRowsMax: 40, HoldRowsMax: 8, FlushAgeMax: time.Hour}
	if err := enricher.New(cfg, deps, zap.NewNop(), reg).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g, publisher, reg
}

func failedStreams(t *testing.T, reg *prometheus.Registry, want int) {
	t.Helper()
	if err := testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
		# HELP partnerpulse_enricher_streams_failed_total Streamed inserts that failed; their events are read again, in batches that are held.
		# TYPE partnerpulse_enricher_streams_failed_total counter
		partnerpulse_enricher_streams_failed_total %d
	`, want)), "partnerpulse_enricher_streams_failed_total"); err != nil {
		t.Error(err)
	}
}

// A batch that outgrows a chunk is one insert; the last one here is too small for that.
func TestALargeBatchIsOneInsertThatIsStreamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		values, ids := numbered(t, 86)
		g, _, reg := streaming(t, store, nil, values)
		if !slices.Equal(store.streamed, []int{40, 40}) || !slices.Equal(store.inserts, []int{6}) {
			t.Errorf("streamed %v, inserted %v", store.streamed, store.inserts)
		}
		if !slices.Equal(store.ids(), ids) || g.committed(0) != 86 || store.marks["demo/p-0001 2026-11-03"] != 3 {
			t.Errorf("stored %v, committed %d, marks %v", store.ids(), g.committed(0), store.marks)
		}
		if row := store.rows["e011"]; row["content_id"] != "c1" || row["engaged_ms"] != uint32(45000) || row["ver"] == uint64(0) {
			t.Errorf("row of a later chunk is %v", row)
		}
		failedStreams(t, reg, 0)
	})
}

// A row that the store refuses cannot be found in a stream. The events come again, held,
// the row is rejected once, and then batches are streamed again.
func TestARowThatIsRefusedInAStreamIsRejectedAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.refuse = func(id string) bool { return id == "e021" }
		values, ids := numbered(t, 120)
		values[30] = []byte("garbage")
		g, publisher, reg := streaming(t, store, nil, values)
		want := slices.DeleteFunc(ids, func(id string) bool { return id == "e021" || id == "e030" })
		if !slices.Equal(store.ids(), want) || g.committed(0) != 120 {
			t.Errorf("stored %v, committed %d", store.ids(), g.committed(0))
		}
		codes := publisher.codes()
		if len(codes) != 2 || codes["0@21"] != event.CodeUnstorable || codes["0@30"] != event.CodeUndecodable {
			t.Errorf("rejects %v", codes)
		}
		reject := publisher.rejects["0@21"]
		if original, err := reject.Bytes(); err != nil || string(original) != string(values[21]) {
			t.Errorf("original of the reject is %s, %v", original, err)
		}
		if len(store.streamed) == 0 || len(store.inserts) < 5 {
			t.Errorf("streamed %v, inserted %v", store.streamed, store.inserts)
		}
		failedStreams(t, reg, 1)
	})
}

// Whatever part of a streamed insert fails, its events are read again and nothing is lost.
func TestAStreamThatFailsIsReadAgain(t *testing.T) {
	for _, at := range []string{"start events", "append", "close"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore()
				failures, down := 1, 5
				store.fail = func(what string, _ int) error {
					if what == at && failures > 0 {
						failures--
						return errDown
					}
					if failures == 0 && what == "events" && down > 0 { // and the store stays away for a while
						down--
						return errDown
					}
					return nil
				}
				values, ids := numbered(t, 100)
				g, publisher, reg := streaming(t, store, nil, values)
				if !slices.Equal(store.ids(), ids) || g.committed(0) != 100 || len(publisher.codes()) != 0 {
					t.Errorf("stored %d, committed %d, rejects %v", len(store.ids()), g.committed(0), publisher.codes())
				}
				if down != 0 || len(store.streamed) == 0 {
					t.Errorf("the store was tried %d times less than it was away; streamed %v", down, store.streamed)
				}
				failedStreams(t, reg, 1)
			})
		})
	}
}

// Who is forgotten while a batch is streamed is erased: its records are gone, so all of
// it is read again.
func TestWhoIsForgottenDuringAStreamIsErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &fakeGuard{store: newFakeStore()}
		guard.store.fail = func(what string, _ int) error {
			if what == "close" {
				guard.forget(t, "anna")
			}
			return nil
		}
		values, ids := numbered(t, 40)
		e := sample("e017")
		e.UserID = "anna"
		values[17] = value(t, e)
		g, _, reg := streaming(t, guard.store, guard, values)
		if !slices.Equal(guard.store.ids(), slices.Delete(ids, 17, 18)) || g.committed(0) != 40 {
			t.Errorf("stored %v, committed %d", guard.store.ids(), g.committed(0))
		}
		if !slices.Equal(guard.erased, []string{"e017"}) {
			t.Errorf("erased %v", guard.erased)
		}
		failedStreams(t, reg, 1)
	})
}

// The end of a generation gives an insert up that is under way.
func TestTheEndOfAGenerationGivesTheStreamUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, g := newFakeStore(), newFakeGeneration()
		source := sourceFunc(func(ctx context.Context, handle kafkabus.Handler) error {
			live, end := context.WithCancelCause(ctx)
			time.AfterFunc(time.Minute, func() { end(kafkabus.ErrGenerationEnded) })
			return handle(live, g)
		})
		e, reg := newEnricher(enricher.Config{HoldRowsMax: 2, FlushAgeMax: time.Hour}, source, store, newFakePublisher())
		done := make(chan error, 1)
		go func() { done <- e.Run(t.Context()) }()
		values, _ := numbered(t, 5)
		g.batches <- fetch(0, 0, values[:2]...)
		g.batches <- fetch(0, 2, values[2:]...)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if store.streams != 1 || store.aborted != 1 || len(store.streamed) != 0 || len(g.offsets) != 0 {
			t.Errorf("%d streams, %d aborted, streamed %v, committed %v", store.streams, store.aborted, store.streamed, g.offsets)
		}
		failedStreams(t, reg, 0)
	})
}

// A partition that was behind and gives nothing more does not make others wait.
func TestAPartitionThatIsSilentKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, g := newFakeStore(), newFakeGeneration()
		finish := start(t, enricher.Config{FlushAgeMax: time.Second, FlushAgeBehindMax: time.Minute}, g, store, newFakePublisher())
		silent := fetch(0, 0, value(t, sample("silent")))
		silent.Behind = 1000
		g.batches <- silent
		time.Sleep(time.Minute + time.Millisecond) // it has waited for more, for as long as it may
		for i := range 3 {
			g.batches <- fetch(1, int64(i), value(t, sample(fmt.Sprint(i))))
			time.Sleep(time.Second + time.Millisecond)
			synctest.Wait()
			store.mu.Lock()
			if len(store.rows) != i+2 {
				t.Errorf("%d rows after %d s", len(store.rows), i+1)
			}
			store.mu.Unlock()
		}
		finish()
	})
}

// Without streams, batches end with what is held.
func TestWithoutStreamsBatchesAreAsLargeAsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, g := newFakeStore(), newFakeGeneration()
		values, _ := numbered(t, 20)
		deps := enricher.Deps{Source: redelivering(g, values), Store: store, Publisher: newFakePublisher()}
		e := enricher.New(enricher.Config{FlushRowsMax: 100, HoldRowsMax: 8, FlushAgeMax: time.Hour}, deps, zap.NewNop(), prometheus.NewRegistry())
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(store.inserts, []int{8, 8, 4}) || g.committed(0) != 20 {
			t.Errorf("inserted %v, committed %d", store.inserts, g.committed(0))
		}
	})
}

// A batch waits for more as long as more is on the log than in it, but not for ever.
func TestABatchGrowsWhileMoreIsWaiting(t *testing.T) {
	const age, most = time.Second, 10 * time.Second
	for name, c := range map[string]struct {
		behind []int64 // of fetches of two records each, of two partitions in turn
		want   time.Duration
	}{
		"nothing waits":            {[]int64{0}, age},
		"as much as there is":      {[]int64{2}, age},
		"more, and it comes":       {[]int64{3, 0}, age},
		"more, and it stays away":  {[]int64{3}, most},
		"more on another":          {[]int64{0, 5}, most},
		"more, and some of it":     {[]int64{9, 3, 5}, most},
		"more, and enough of it":   {[]int64{9, 3, 3}, age},
		"was more, has been read":  {[]int64{100, 0, 98, 0, 0}, age},
		"is more than ever before": {[]int64{0, 0, 98}, most},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, g := newFakeStore(), newFakeGeneration()
				finish := start(t, enricher.Config{FlushAgeMax: age, FlushAgeBehindMax: most}, g, store, newFakePublisher())
				for i, behind := range c.behind {
					b := fetch(i%2, int64(i), value(t, sample(fmt.Sprint(i, "a"))), value(t, sample(fmt.Sprint(i, "b"))))
					b.Behind = behind
					g.batches <- b
				}
				inserts := func(after time.Duration) int {
					time.Sleep(after)
					synctest.Wait()
					store.mu.Lock()
					defer store.mu.Unlock()
					return len(store.inserts)
				}
				if early, late := inserts(c.want-time.Millisecond), inserts(2*time.Millisecond); early != 0 || late != 1 {
					t.Errorf("%d inserts just before %v, %d after", early, c.want, late)
				}
				finish()
			})
		})
	}
}

var _ enricher.Stream = (*chstore.Insertion)(nil)

// A store that fails every streamed insert is soon given none, and events are read twice
// only so often.
func TestAStoreThatNeverStreamsIsSparedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.fail = func(what string, _ int) error {
			if what == "close" {
				return errDown
			}
			return nil
		}
		values, ids := numbered(t, 900)
		g, _, reg := streaming(t, store, nil, values)
		if !slices.Equal(store.ids(), ids) || g.committed(0) != 900 {
			t.Errorf("%d stored, %d committed", len(store.ids()), g.committed(0))
		}
		failedStreams(t, reg, 2) // the clock of this test stands still while batches are held
	})
}

// What a batch keeps beside its rows, streamed or not, is bounded by what may be held.
func TestWhatIsKeptBesideRowsEndsABatch(t *testing.T) {
	const held = 8 // by the configuration of streaming
	record := func(i int, partner, user string) []byte {
		e := sample(fmt.Sprintf("e%03d", i))
		e.PartnerID, e.UserID = partner, user
		return value(t, e)
	}
	for name, nth := range map[string]func(i int) []byte{
		"refused":   func(int) []byte { return []byte("garbage") },
		"forgotten": func(i int) []byte { return record(i, "p-0001", "gone") },
		"days":      func(i int) []byte { return record(i, fmt.Sprintf("p-%04d", i), "u-17") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				values := make([][]byte, 200)
				for i := range values {
					values[i] = nth(i)
				}
				store, most := newFakeStore(), 0
				store.fail = func(table string, rows int) error {
					if table == "dirty_days" {
						most = max(most, rows)
					}
					return nil
				}
				guard := &fakeGuard{store: store}
				guard.forget(t, "gone")
				g, publisher, _ := streaming(t, store, guard, values)
				most = max(most, publisher.most, guard.most)
				// One fetch more or less, and two days may be marked for a row.
				if most == 0 || most > 2*held+8 || g.committed(0) != 200 {
					t.Errorf("%d were kept at most, %d committed", most, g.committed(0))
				}
			})
		})
	}
}
