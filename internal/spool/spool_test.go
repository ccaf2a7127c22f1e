package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
)

func TestRecordsComeBackAsTheyWereAndInOrder(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.SegmentBytes, cfg.BatchRecordsMax = 300, 3
	s := mustOpen(t, cfg)
	want := append(numbered("a", 20),
		Record{Topic: "rejects", Key: []byte{}, Value: []byte{}},
		Record{Topic: "rejects", Key: []byte("gone"), Value: nil},
		Record{Topic: "", Key: []byte{0xff, 0xf7, 0xfe, 0xf9}, Value: []byte{0xff, 0xf7, 0xfe, 0xf9, 0, 0, 0, 1}})
	for _, r := range want {
		mustAppend(t, s, r)
	}
	if n := len(files(t, cfg.Dir, segmentSuffix)); n < 3 {
		t.Fatalf("%d segments: the test shows too little", n)
	}
	if st := s.Stats(); st.Records != int64(len(want)) || st.Backlog != st.Bytes || st.Oldest.IsZero() || s.Empty() {
		t.Fatalf("stats %+v of %d records", st, len(want))
	}
	same(t, drain(t, s), want)
	if st := s.Stats(); st.Records != 0 || st.Backlog != 0 {
		t.Errorf("stats %+v of an empty spool", st)
	}
	more := numbered("b", 2)
	mustAppend(t, s, more...)
	same(t, drain(t, s), more)
	mustClose(t, s)
}

func TestSpaceIsGivenBackWhenAllIsDelivered(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.SegmentBytes = 200
	s := mustOpen(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	delivered := make(chan struct{})
	go func() {
		done <- s.Run(ctx, func(context.Context, []Record) error { <-delivered; return nil })
	}()
	for _, r := range numbered("a", 30) {
		mustAppend(t, s, r)
	}
	close(delivered)
	<-s.Drained()
	for s.Stats().Bytes > 0 { // the files go after the last delivery
		s.wakeUp()
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if left := files(t, cfg.Dir, segmentSuffix); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	mustClose(t, s)
}

func TestAFailedDeliveryIsRepeatedAndKeepsTheOrder(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.BatchRecordsMax = 4
	s := mustOpen(t, cfg)
	want := numbered("a", 10)
	mustAppend(t, s, want...)
	var got []Record
	calls := 0
	ctx, cancel := context.WithCancel(t.Context())
	drained := s.Drained()
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(_ context.Context, records []Record) error {
			if calls++; calls%3 != 0 {
				return errDown
			}
			got = append(got, records...)
			return nil
		})
	}()
	<-drained
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
	if n := testutil.ToFloat64(s.metrics.replayErrors.WithLabelValues("deliver")); n != 6 {
		t.Errorf("%v failures counted, want 6", n)
	}
	mustClose(t, s)
}

// TestWhatWasNotDeliveredStaysOverARestart also runs twice on one spool.
func TestWhatWasNotDeliveredStaysOverARestart(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.BatchRecordsMax = 1
	s := mustOpen(t, cfg)
	want := numbered("a", 6)
	mustAppend(t, s, want...)
	for i := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Run(ctx, func(_ context.Context, records []Record) error {
			if string(records[0].Value) != string(want[i].Value) {
				t.Errorf("got %s", records[0].Value)
			}
			cancel()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Records; n != 4 {
		t.Errorf("%d records are left, want 4", n)
	}
	mustClose(t, s)
	again := mustOpen(t, cfg)
	same(t, drain(t, again), want) // the file's beginning comes again
	mustClose(t, again)
}

func TestConcurrentAppendsShareFsyncs(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()))
	const workers, each = 64, 20
	acked := map[string][]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for _, r := range numbered(fmt.Sprint("k", w), each) {
				if err := s.Append(t.Context(), r); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[string(r.Key)] = append(acked[string(r.Key)], string(r.Value))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var m dto.Metric
	if err := s.metrics.fsyncSeconds.Write(&m); err != nil {
		t.Fatal(err)
	}
	syncs := m.GetHistogram().GetSampleCount()
	t.Logf("%d appends, %d fsyncs", workers*each, syncs)
	if syncs >= workers*each/2 {
		t.Errorf("%d fsyncs for %d appends: they are not shared", syncs, workers*each)
	}
	var j journal
	j.take(drain(t, s))
	j.holds(t, acked)
	mustClose(t, s)
}

func TestFullIsRefusedAndReadinessFailsBefore(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.BytesMax, cfg.SegmentBytes = 4000, 500
	s := mustOpen(t, cfg)
	var kept []Record
	unreadyAt := 0
	for _, r := range numbered("a", 1000) {
		err := s.Append(t.Context(), r)
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r)
		if s.Ready(t.Context()) != nil && unreadyAt == 0 {
			unreadyAt = len(kept)
		}
	}
	size := int64(0)
	for _, f := range files(t, cfg.Dir, segmentSuffix) {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > cfg.BytesMax || size != s.Stats().Bytes {
		t.Errorf("%d bytes on disk, %d counted, limit %d", size, s.Stats().Bytes, cfg.BytesMax)
	}
	if unreadyAt == 0 || unreadyAt > len(kept)*9/10 {
		t.Errorf("unready from record %d on, of %d", unreadyAt, len(kept))
	}
	if n := testutil.ToFloat64(s.metrics.appendErrors.WithLabelValues("full")); n != 1 {
		t.Errorf("%v refusals counted, want 1", n)
	}
	same(t, drain(t, s), kept)
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("not ready after all was delivered: %v", err)
	}
	mustAppend(t, s, kept...)
	mustClose(t, s)
}

// TestADiskErrorIsToldAndHurtsNothingElse takes the file away from under a write.
func TestADiskErrorIsToldAndHurtsNothingElse(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg)
	records := numbered("a", 3)
	mustAppend(t, s, records[0])
	before := s.Stats()
	readOnly, err := os.Open(s.active.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.active.file.Close(); err != nil {
		t.Fatal(err)
	}
	s.active.file = readOnly
	if err := s.Append(t.Context(), records[1]); err == nil {
		t.Fatal("a write that failed was acknowledged")
	}
	if now := s.Stats(); now != before {
		t.Errorf("the failed append is counted: %+v, was %+v", now, before)
	}
	if n := testutil.ToFloat64(s.metrics.appendErrors.WithLabelValues("disk")); n != 1 {
		t.Errorf("%v disk errors counted, want 1", n)
	}
	mustAppend(t, s, records[2])
	same(t, drain(t, s), []Record{records[0], records[2]})
	mustClose(t, s)
}

func TestASecondProcessIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg)
	if _, err := Open(cfg, zap.NewNop(), prometheus.NewRegistry()); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second one on the directory got %v", err)
	}
	mustClose(t, s)
	again := mustOpen(t, cfg)
	mustClose(t, again)
	if err := again.Append(t.Context(), numbered("a", 1)...); !errors.Is(err, ErrClosed) {
		t.Errorf("an append after Close got %v", err)
	}
}

func TestAnUnreadableSegmentIsTriedAgainAndFailsReadiness(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg)
	want := numbered("a", 2)
	mustAppend(t, s, want...)
	path := s.active.path
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.next(&reader{}); err == nil || s.Ready(t.Context()) == nil {
		t.Fatalf("reading gave %v and readiness %v", err, s.Ready(t.Context()))
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	same(t, drain(t, s), want)
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
}

func TestSetAsideKeepsAndDoesNotDeliver(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg)
	path, err := s.SetAside(numbered("big", 1))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 || filepath.Dir(path) != cfg.Dir {
		t.Fatalf("%s: %v", path, err)
	}
	mustClose(t, s)
	again := mustOpen(t, cfg)
	if !again.Empty() {
		t.Error("what was set aside is delivered")
	}
	mustClose(t, again)
}

func TestConfigMistakesAreTold(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no segments":      func(c *Config) { c.SegmentBytes = 0 },
		"max below one":    func(c *Config) { c.BytesMax = c.SegmentBytes - 1 },
		"soft at max":      func(c *Config) { c.BytesSoft = c.BytesMax },
		"no batch":         func(c *Config) { c.BatchRecordsMax = 0 },
		"pauses backwards": func(c *Config) { c.PauseMax = c.PauseMin - 1 },
	} {
		cfg := DefaultConfig()
		cfg.Dir = t.TempDir()
		change(&cfg)
		if _, err := Open(cfg, zap.NewNop(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
