package aggregator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// stuckStore answers nothing before the caller gives up.
type stuckStore struct{ asked chan struct{} }

func (s stuckStore) wait(ctx context.Context) error {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s stuckStore) Exec(ctx context.Context, _ string, _ chstore.Params) error { return s.wait(ctx) }
func (s stuckStore) Select(ctx context.Context, _ any, _ string, _ chstore.Params) error {
	return s.wait(ctx)
}
func (s stuckStore) InsertColumns(ctx context.Context, _ string, _ []chstore.Column) error {
	return s.wait(ctx)
}

// TestATickEndsInTimeToJoinAgain: when the group is being divided anew, a tick that would
// go on for long is given up before the member would be put out.
func TestATickEndsInTimeToJoinAgain(t *testing.T) {
	cfg := DefaultConfig()
	cfg.StopTimeout, cfg.TakeoverAfter = time.Hour, time.Second
	store := stuckStore{asked: make(chan struct{}, 1)}
	a, err := New(cfg, Deps{Store: store, Now: time.Now}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	generation, end := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.loop(generation) }()
	<-store.asked
	end(kafkabus.ErrGenerationEnded)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute): // StopTimeout is an hour
		t.Fatal("the tick goes on after its generation has ended")
	}
	if got := a.grace(errors.New("stopped by the operator")); got != cfg.StopTimeout {
		t.Errorf("a stop gives a tick %s, not %s", got, cfg.StopTimeout)
	}
}
