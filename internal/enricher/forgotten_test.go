package enricher_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
)

// fakeGuard keeps a list and erases from a fakeStore.
type fakeGuard struct {
	mu     sync.Mutex
	store  *fakeStore
	next   *forgotten.List // what the next Refresh finds
	list   *forgotten.List
	fails  int // so many calls fail
	erased []string
	most   int // events of one call
}

func (g *fakeGuard) fault() error {
	if g.fails > 0 {
		g.fails--
		return errDown
	}
	return nil
}

func (g *fakeGuard) Refresh(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.fault(); err != nil {
		return err
	}
	g.list = g.next
	return nil
}

func (g *fakeGuard) List() *forgotten.List {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list
}

func (g *fakeGuard) EraseEvents(_ context.Context, keys []forgotten.EventKey) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.fault(); err != nil {
		return err
	}
	g.store.mu.Lock()
	defer g.store.mu.Unlock()
	g.most = max(g.most, len(keys))
	for _, k := range keys {
		delete(g.store.rows, k.ID)
		g.erased = append(g.erased, k.ID)
	}
	return nil
}

func (g *fakeGuard) EraseRejects(context.Context, []uint64) error { return nil }

// forget puts a user on the list that is read next.
func (g *fakeGuard) forget(t *testing.T, user string) {
	t.Helper()
	l, err := forgotten.NewList([]forgotten.Entry{{
		Tenant: "demo", Kind: forgotten.User, Hash: forgotten.Hash("demo", forgotten.User, user), Until: sample("").ReceivedAt,
	}})
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = l
}

// visits are three events, the second one of anna.
func visits(t *testing.T) [][]byte {
	var out [][]byte
	for _, id := range []string{"e1", "e2", "e3"} {
		e := sample(id)
		if id == "e2" {
			e.UserID, e.PartnerID = "anna", "p-0002"
		}
		out = append(out, value(t, e))
	}
	return out
}

func enrichGuarded(t *testing.T, guard *fakeGuard, records [][]byte) (*fakeGeneration, *fakePublisher) {
	t.Helper()
	g, publisher := newFakeGeneration(), newFakePublisher()
	go func() {
		g.batches <- fetch(0, 0, records...)
		close(g.batches)
	}()
	e := enricher.New(enricher.Config{}, enricher.Deps{Source: oneGeneration(g), Store: guard.store, Publisher: publisher, Guard: guard},
		zap.NewNop(), prometheus.NewRegistry())
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g, publisher
}

func TestTheForgottenAreNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &fakeGuard{store: newFakeStore(), fails: 3}
		guard.forget(t, "anna")
		g, publisher := enrichGuarded(t, guard, visits(t))
		if got := guard.store.ids(); !slices.Equal(got, []string{"e1", "e3"}) {
			t.Errorf("stored %v", got)
		}
		// A run that was killed after its insert may have left the row.
		if !slices.Equal(guard.erased, []string{"e2"}) || guard.store.marks["demo/p-0002 2026-11-03"] == 0 {
			t.Errorf("erased %v, marks %v", guard.erased, guard.store.marks)
		}
		if g.committed(0) != 3 || len(publisher.rejects) != 0 {
			t.Errorf("committed %d, rejects %v", g.committed(0), publisher.rejects)
		}
	})
}

// The erasure comes between decoding and the end of the insert: its own deletion may
// be over by then.
func TestWhoIsForgottenDuringTheInsertIsErasedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &fakeGuard{store: newFakeStore()}
		guard.store.fail = func(table string, _ int) error {
			if table == "events" {
				guard.forget(t, "anna")
			}
			return nil
		}
		g, _ := enrichGuarded(t, guard, visits(t))
		if got := slices.Sorted(maps.Keys(guard.store.rows)); !slices.Equal(got, []string{"e1", "e3"}) || g.committed(0) != 3 {
			t.Errorf("stored %v, committed %d", got, g.committed(0))
		}
		if guard.store.marks["demo/p-0002 2026-11-03"] == 0 {
			t.Errorf("marks %v", guard.store.marks)
		}
	})
}

// Poison, an event of a version that is not known, and a row that the store refuses
// go to the rejects, each with its reason, and nothing waits for them.
func TestWhatCannotBecomeARowIsRejectedAndBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		future := value(t, sample("future"))
		future = slices.Concat([]byte(`{"specversion":"2.0"`), future[len(`{"specversion":"1.0"`):])
		records := [][]byte{
			value(t, sample("e1")), {0xff, 0x00, '{'}, value(t, sample("e2")), future, value(t, sample("refused")), nil, []byte("null"), value(t, sample("e3")),
		}
		guard := &fakeGuard{store: newFakeStore()}
		guard.store.refuse = func(id string) bool { return id == "refused" }
		g, publisher := enrichGuarded(t, guard, records)
		if got := guard.store.ids(); !slices.Equal(got, []string{"e1", "e2", "e3"}) || g.committed(0) != int64(len(records)) {
			t.Errorf("stored %v, committed %d", got, g.committed(0))
		}
		want := map[int64]event.Code{1: event.CodeUndecodable, 3: event.CodeUndecodable, 4: event.CodeUnstorable, 5: event.CodeUndecodable, 6: event.CodeUndecodable}
		if len(publisher.rejects) != len(want) {
			t.Errorf("%d rejects", len(publisher.rejects))
		}
		for offset, code := range want {
			r, ok := publisher.rejects[place(0, offset)]
			original, err := r.Bytes()
			if !ok || r.Code != code || err != nil || string(original) != string(records[offset]) || r.Message == "" {
				t.Errorf("offset %d: %+v, %v", offset, r, err)
			}
		}
	})
}

func TestDaysThatAreAboutToExpireTakeNoMoreEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is the first of January 2000
		store, publisher, g := newFakeStore(), newFakePublisher(), newFakeGeneration()
		var records [][]byte
		for id, at := range map[string]time.Time{
			"old": time.Date(1999, 12, 1, 23, 59, 59, 0, time.UTC), "young": time.Date(1999, 12, 2, 0, 0, 0, 0, time.UTC),
		} {
			e := sample(id)
			e.Time = at
			records = append(records, value(t, e))
		}
		go func() {
			g.batches <- fetch(0, 0, records...)
			close(g.batches)
		}()
		e, _ := newEnricher(enricher.Config{AcceptedDays: 30}, oneGeneration(g), store, publisher)
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := store.ids(); !slices.Equal(got, []string{"young"}) || len(store.marks) != 1 || store.marks["demo/p-0001 1999-12-02"] == 0 {
			t.Errorf("stored %v, marks %v", got, store.marks)
		}
		for _, r := range publisher.rejects {
			if r.Code != event.CodeTooOld || r.EventID != "old" {
				t.Errorf("reject %+v", r)
			}
		}
		if len(publisher.rejects) != 1 || g.committed(0) != 2 {
			t.Errorf("%d rejects, committed %d", len(publisher.rejects), g.committed(0))
		}
	})
}
