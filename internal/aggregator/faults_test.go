package aggregator_test

import (
	"context"
	"errors"
	"regexp"
	"sync"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// errInjected is the fault of faultyStore and recordingBus.
var errInjected = errors.New("injected fault")

// faultyStore fails at the n-th writing statement, or the n-th of a kind, before or
// after doing it.
type faultyStore struct {
	aggregator.Store
	mu     sync.Mutex // for what follows: some writes go side by side
	failAt int        // 1 is the next write; 0: never
	after  bool
	of     string   // failAt counts only writes of this kind; empty: all
	seen   []string // kinds of the writes that were asked for
}

// faultAt is a write that is to fail: the n-th of a kind.
type faultAt struct {
	kind  string
	nth   int
	after bool
}

// arm has a fault happen; the zero value: none.
func (s *faultyStore) arm(f faultAt) { s.of, s.failAt, s.after = f.kind, f.nth, f.after }

func (s *faultyStore) write(kind string, run func() error) error {
	if !s.fails(kind) {
		return run()
	}
	if s.after {
		return errors.Join(run(), errInjected)
	}
	return errInjected
}

// fails notes a write, and tells whether it is the one that is to fail.
func (s *faultyStore) fails(kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, kind)
	if s.failAt == 0 || s.of != "" && s.of != kind {
		return false
	}
	s.failAt--
	return s.failAt == 0
}

// varying matches what differs between repetitions of a statement without parameters.
var varying = regexp.MustCompile(`(?:ID )?'?[0-9a-f-]{8,}'?$`)

func (s *faultyStore) Exec(ctx context.Context, q string, p chstore.Params) error {
	return s.write(varying.ReplaceAllString(q, "…"), func() error { return s.Store.Exec(ctx, q, p) })
}

func (s *faultyStore) InsertColumns(ctx context.Context, table string, cols []chstore.Column) error {
	if len(cols) == 0 || cols[0].Len() == 0 {
		return s.Store.InsertColumns(ctx, table, cols) // nothing is written
	}
	return s.write("rows of "+table, func() error { return s.Store.InsertColumns(ctx, table, cols) })
}

// recordingBus keeps what was published.
type recordingBus struct {
	mu       sync.Mutex
	messages []kafkabus.Message
	fail     bool         // the broker has the messages but the answer is lost
	faults   *faultyStore // nil: publications are not writes to it
}

func (b *recordingBus) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	if b.faults != nil && len(msgs) > 0 {
		return b.faults.write("messages on "+msgs[0].Topic, func() error { return b.take(msgs) })
	}
	return b.take(msgs)
}

func (b *recordingBus) take(msgs []kafkabus.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, msgs...)
	if b.fail {
		b.fail = false
		return errInjected
	}
	return nil
}

func (b *recordingBus) on(topic string) []kafkabus.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []kafkabus.Message
	for _, m := range b.messages {
		if m.Topic == topic {
			out = append(out, m)
		}
	}
	return out
}
