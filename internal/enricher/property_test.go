package enricher_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"partnerpulse/internal/enricher"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// world is a topic, a group's offsets, and a store that fails now and then.
type world struct {
	t          *rapid.T
	logs       [][][]byte // values by partition and offset
	bad        map[string]bool
	committed  []int64
	store      *fakeStore
	publisher  *fakePublisher
	violations []string

	generations int32
	again       int // deliveries that were asked for
}

func (w *world) id(partition int, offset int64) string {
	return fmt.Sprintf("%d-%d", partition, offset)
}

// safe tells that a record is stored and marked, or its reject is published.
func (w *world) safe(partition int, offset int64) bool {
	w.publisher.mu.Lock()
	_, rejected := w.publisher.rejects[place(partition, offset)]
	w.publisher.mu.Unlock()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	_, stored := w.store.rows[w.id(partition, offset)]
	return rejected || stored && w.store.marks["demo/p-0001 2026-11-03"] != 0
}

// commit checks the promise: everything before a committed offset is safe.
func (w *world) commit(offsets kafkabus.Offsets) error {
	for tp, next := range offsets {
		if next < w.committed[tp.Partition] {
			w.violations = append(w.violations, fmt.Sprintf("partition %d went from %d back to %d", tp.Partition, w.committed[tp.Partition], next))
		}
		for offset := range next {
			if !w.safe(tp.Partition, offset) {
				w.violations = append(w.violations, fmt.Sprintf("partition %d committed %d, but %d is not safe", tp.Partition, next, offset))
			}
		}
	}
	for tp, next := range offsets {
		w.committed[tp.Partition] = next
	}
	return nil
}

// run plays one generation: it delivers, as often as it is asked to, until all is done
// or, for a generation that is cut, some time has passed.
func (w *world) run(ctx context.Context, handle kafkabus.Handler, cut bool) error {
	live, end := context.WithCancelCause(ctx)
	defer end(nil)
	if cut {
		after := time.Duration(rapid.IntRange(0, 5000).Draw(w.t, "generation ends after ms")) * time.Millisecond
		defer time.AfterFunc(after, func() { end(kafkabus.ErrGenerationEnded) }).Stop()
	}
	w.generations++
	for {
		err := w.deliver(live, handle)
		if !errors.Is(err, kafkabus.ErrAgain) {
			return err
		}
		if live.Err() != nil {
			return nil
		}
		w.again++
	}
}

// deliver hands over batches of random sizes from the committed offsets on.
func (w *world) deliver(live context.Context, handle kafkabus.Handler) error {
	g := newFakeGeneration()
	g.id = w.generations
	g.onCommit = func(offsets kafkabus.Offsets) error {
		if live.Err() != nil {
			return kafkabus.ErrGenerationEnded
		}
		return w.commit(offsets)
	}
	var feed []kafkabus.Batch
	next := append([]int64(nil), w.committed...)
	for {
		var open []int
		for p := range w.logs {
			if next[p] < int64(len(w.logs[p])) {
				open = append(open, p)
			}
		}
		if len(open) == 0 {
			break
		}
		p := rapid.SampledFrom(open).Draw(w.t, "partition")
		n := min(int64(rapid.IntRange(1, 8).Draw(w.t, "fetched")), int64(len(w.logs[p]))-next[p])
		feed = append(feed, fetch(p, next[p], w.logs[p][next[p]:next[p]+n]...))
		next[p] += n
	}
	over := make(chan struct{}) // the handler is
	defer close(over)
	go func() {
		defer close(g.batches)
		for _, b := range feed {
			select {
			case g.batches <- b:
			case <-live.Done():
				return
			case <-over:
				return
			}
		}
	}()
	return handle(live, g)
}

// For any sequence of batches, failures and rebalances, every offset committed
// has all earlier records stored or rejected; and in the end everything is.
func TestNothingIsCommittedBeforeItIsSafe(t *testing.T) {
	streamed, again := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		var stopped any // rapid ends a case by a panic, which must not leave the bubble's goroutine
		synctest.Test(t, func(*testing.T) {
			defer func() { stopped = recover() }()
			w := checkNothingIsLost(rt)
			streamed, again = streamed+len(w.store.streamed), again+w.again
		})
		if stopped != nil {
			panic(stopped)
		}
	})
	if streamed == 0 || again == 0 {
		t.Errorf("%d batches were streamed, %d deliveries repeated: nothing is shown of those", streamed, again)
	}
}

func checkNothingIsLost(t *rapid.T) *world {
	w := &world{t: t, bad: map[string]bool{}, store: newFakeStore(), publisher: newFakePublisher()}
	partitions := rapid.IntRange(1, 3).Draw(t, "partitions")
	w.logs, w.committed = make([][][]byte, partitions), make([]int64, partitions)
	for p := range w.logs {
		for offset := range rapid.IntRange(0, 25).Draw(t, "records") {
			id := w.id(p, int64(offset))
			raw, err := event.MarshalCloudEvent(sample(id))
			if err != nil {
				t.Fatal(err)
			}
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				raw = []byte("garbage")
			case 1:
				w.bad[id] = true
			}
			w.logs[p] = append(w.logs[p], raw)
		}
	}
	failures := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 40).Draw(t, "failures")
	fault := func() int {
		if len(failures) == 0 {
			return 0
		}
		f := failures[0]
		failures = failures[1:]
		return f
	}
	w.store.refuse = func(id string) bool { return w.bad[id] }
	w.store.fail = func(string, int) error {
		switch fault() {
		case 1:
			return errDown
		case 2:
			time.Sleep(time.Duration(1+len(failures)) * 100 * time.Millisecond) // slow
		}
		return nil
	}
	w.publisher.fail = func(msgs []kafkabus.Message) error {
		switch fault() {
		case 1:
			return errDown
		case 2:
			return &kafkabus.PublishError{Failed: []int{len(msgs) - 1}, Total: len(msgs), Err: errDown}
		}
		return nil
	}
	rebalances := rapid.IntRange(0, 4).Draw(t, "rebalances")
	source := sourceFunc(func(ctx context.Context, handle kafkabus.Handler) error {
		for range rebalances {
			if err := w.run(ctx, handle, true); err != nil {
				return err
			}
		}
		return w.run(ctx, handle, false)
	})
	cfg := enricher.Config{
		FlushRowsMax: rapid.IntRange(1, 40).Draw(t, "flush rows"), HoldRowsMax: rapid.IntRange(1, 12).Draw(t, "hold rows"),
		FlushAgeMax: 50 * time.Millisecond,
	}
	e, _ := newEnricher(cfg, source, w.store, w.publisher)
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	return w
}

// check is for the end, when nothing fails any more.
func (w *world) check(t *rapid.T) {
	for _, v := range w.violations {
		t.Error(v)
	}
	for p, values := range w.logs {
		if w.committed[p] != int64(len(values)) {
			t.Errorf("partition %d ends at %d, committed %d", p, len(values), w.committed[p])
		}
		for offset := range values {
			id := w.id(p, int64(offset))
			_, stored := w.store.rows[id]
			garbage := string(values[offset]) == "garbage"
			if want := !garbage && !w.bad[id]; stored != want {
				t.Errorf("record %s: stored %v, want %v", id, stored, want)
			}
		}
	}
}
