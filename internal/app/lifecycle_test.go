package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
)

// recorder notes what happens in which order.
type recorder struct {
	mu    sync.Mutex
	steps []string
}

func (r *recorder) add(step string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, step)
}

func (r *recorder) part(name string) Part {
	ready := make(chan struct{})
	return Part{Name: name, Ready: ready, Run: func(ctx context.Context) error {
		r.add("start " + name)
		close(ready)
		<-ctx.Done()
		r.add("stop " + name)
		return ctx.Err()
	}}
}

func TestPartsStopInReverseOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	var r recorder
	ps := newParts(zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(t.Context())
	for _, name := range []string{"kafka", "store", "role"} {
		if err := ps.start(ctx, r.part(name)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := errors.Join(ps.wait(ctx), ps.stop()); err != nil {
		t.Fatal(err)
	}
	want := []string{"start kafka", "start store", "start role", "stop role", "stop store", "stop kafka"}
	if !slices.Equal(want, r.steps) {
		t.Fatalf("got %v, want %v", r.steps, want)
	}
}

func TestAPartThatFailsEndsTheWait(t *testing.T) {
	defer goleak.VerifyNone(t)
	var r recorder
	boom := errors.New("boom")
	fail := make(chan struct{})
	ps := newParts(zaptest.NewLogger(t))
	if err := ps.start(t.Context(), r.part("store")); err != nil {
		t.Fatal(err)
	}
	err := ps.start(t.Context(), Part{Name: "role", Run: func(context.Context) error { <-fail; return boom }})
	if err != nil {
		t.Fatal(err)
	}
	close(fail)
	if err := ps.wait(t.Context()); !errors.Is(err, boom) {
		t.Fatalf("wait gave %v, want boom", err)
	}
	if err := ps.stop(); err != nil {
		t.Fatalf("stop told %v again", err)
	}
	if !slices.Contains(r.steps, "stop store") {
		t.Fatal("the store was left running")
	}
}

func TestAPartThatEndsBeforeItIsReadyIsAnError(t *testing.T) {
	defer goleak.VerifyNone(t)
	ps := newParts(zaptest.NewLogger(t))
	err := ps.start(t.Context(), Part{
		Name: "store", Ready: make(chan struct{}), Run: func(context.Context) error { return nil },
	})
	if err == nil {
		t.Fatal("a part that never got ready was taken as started")
	}
	if err := ps.stop(); err != nil {
		t.Fatal(err)
	}
}
