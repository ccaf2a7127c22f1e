package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(appendVariable); dir != "" {
		appendUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// tb is what the helpers need of *testing.T and of *rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func testConfig(dir string) Config {
	cfg := DefaultConfig()
	cfg.Dir = dir
	cfg.PauseMin, cfg.PauseMax = 1, 1
	return cfg
}

func mustOpen(t tb, cfg Config) *Spool {
	t.Helper()
	s, err := Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return s
}

func mustClose(t tb, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
}

func mustAppend(t tb, s *Spool, records ...Record) {
	t.Helper()
	if err := s.Append(context.Background(), records...); err != nil {
		t.Fatalf("appending: %v", err)
	}
}

// numbered makes records 0 … n-1 of one key.
func numbered(key string, n int) []Record {
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{Topic: "events", Key: []byte(key), Value: fmt.Appendf(nil, `{"id":"%s-%d"}`, key, i)}
	}
	return out
}

// drain runs the spool until it is empty and gives what came out; the
// files are removed then.
func drain(t tb, s *Spool) []Record {
	t.Helper()
	var out []Record
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	drained := s.Drained()
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(_ context.Context, records []Record) error {
			out = append(out, records...)
			return nil
		})
	}()
	<-drained
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("running: %v", err)
	}
	// Run may have been stopped before it removed the last file.
	if b, err := s.next(&reader{}); b != nil || err != nil {
		t.Fatalf("more than nothing is left: %v, %v", b, err)
	}
	return out
}

func files(t tb, dir, suffix string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	slices.Sort(out)
	return out
}

func same(t tb, got, want []Record) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("other records came back (-want +got):\n%s", d)
	}
}

// journal is a destination that checks the order of each key: a record may come
// again, and then what followed it comes again.
type journal struct {
	mu   sync.Mutex
	seen map[string][]string // by key: values in the order of their first arrival
}

func (j *journal) take(records []Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen == nil {
		j.seen = map[string][]string{}
	}
	for _, r := range records {
		if k := string(r.Key); !slices.Contains(j.seen[k], string(r.Value)) {
			j.seen[k] = append(j.seen[k], string(r.Value))
		}
	}
}

// holds checks that the acknowledged values of each key arrived, in their order.
// Others between them are fine: a write that failed may still arrive.
func (j *journal) holds(t tb, acked map[string][]string) {
	t.Helper()
	for key, want := range acked {
		got := slices.DeleteFunc(slices.Clone(j.seen[key]), func(v string) bool { return !slices.Contains(want, v) })
		if !slices.Equal(got, want) {
			t.Fatalf("key %s: acknowledged\n%s\narrived\n%s", key, strings.Join(want, " "), strings.Join(j.seen[key], " "))
		}
	}
}

var errDown = errors.New("the destination is down")

func skipped(s *Spool, kind string) float64 {
	return testutil.ToFloat64(s.metrics.skippedBytes.WithLabelValues(kind))
}
