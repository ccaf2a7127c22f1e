package spool

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// copyDir copies the segments to a new directory, as they are.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, f := range files(t, from, segmentSuffix) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// written gives a directory with n records in one segment, its path and the length
// of each frame.
func written(t *testing.T, n int) (dir string, frame int, records []Record) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg)
	records = numbered("a", n)
	for _, r := range records {
		mustAppend(t, s, r)
	}
	size := s.Stats().Bytes
	mustClose(t, s)
	return cfg.Dir, int(size) / n, records
}

func TestATornTailAtEveryByteLosesNothingElse(t *testing.T) {
	dir, frame, records := written(t, 4)
	for cut := 1; cut <= frame; cut++ {
		torn := copyDir(t, dir)
		path := files(t, torn, segmentSuffix)[0]
		if err := os.Truncate(path, int64(4*frame-cut)); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, testConfig(torn))
		mustAppend(t, s, records[3]) // the client repeats it
		same(t, drain(t, s), records)
		if got := skipped(s, "torn"); got != float64(frame-cut) {
			t.Fatalf("cut by %d: %v torn bytes counted", cut, got)
		}
		mustClose(t, s)
	}
}

func TestADamagedByteAnywhereLosesOneRecordAtMost(t *testing.T) {
	dir, frame, records := written(t, 3)
	for at := range 3 * frame {
		flipped := copyDir(t, dir)
		path := files(t, flipped, segmentSuffix)[0]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, testConfig(flipped))
		hit := at / frame
		same(t, drain(t, s), slices.Delete(slices.Clone(records), hit, hit+1))
		kind, kept := "damaged", 1
		if hit == 2 {
			kind, kept = "torn", 0
		}
		if skipped(s, kind) != float64(frame) || len(files(t, flipped, damagedSuffix)) != kept {
			t.Fatalf("byte %d: %v %s bytes counted, %v kept", at, skipped(s, kind), kind, files(t, flipped, damagedSuffix))
		}
		mustClose(t, s)
	}
}

func TestAFileOfZerosOrWithoutRecordsIsRemoved(t *testing.T) {
	dir := t.TempDir()
	for seq, content := range [][]byte{nil, make([]byte, 5000), []byte("garbage")} {
		seg := newSegment(dir, uint64(seq+1), [8]byte{1, 2, 3})
		if err := os.WriteFile(seg.path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, testConfig(dir))
	if left := files(t, dir, segmentSuffix); len(left) > 0 || !s.Empty() {
		t.Errorf("left: %v", left)
	}
	want := numbered("a", 1)
	mustAppend(t, s, want...)
	same(t, drain(t, s), want)
	mustClose(t, s)
}

func TestAFrameOfAnotherSegmentIsNotTaken(t *testing.T) {
	dir, frame, records := written(t, 2)
	path := files(t, dir, segmentSuffix)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stale := newSegment(dir, 9, [8]byte{9})
	if err := os.WriteFile(stale.path, b[:frame], 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, testConfig(dir))
	same(t, drain(t, s), records)
	mustClose(t, s)
}

// TestAcknowledgedIsDeliveredWhateverHappens appends, delivers a little, fails to,
// crashes with an unfinished write, and starts again, in random order.
func TestAcknowledgedIsDeliveredWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool-property-")
		if err != nil {
			t.Fatalf("making a directory: %v", err)
		}
		defer os.RemoveAll(dir)
		cfg := testConfig(dir)
		cfg.SegmentBytes = rapid.Int64Range(1, 2000).Draw(t, "segment bytes")
		cfg.BatchRecordsMax = rapid.IntRange(1, 7).Draw(t, "batch")
		s := mustOpen(t, cfg)
		acked, next := map[string][]string{}, 0
		var j journal
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				var records []Record
				for range rapid.IntRange(1, 5).Draw(t, "records") {
					key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
					next++
					value := fmt.Sprint(next, strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "length")))
					records = append(records, Record{Topic: "t", Key: []byte(key), Value: []byte(value)})
					acked[key] = append(acked[key], value)
				}
				mustAppend(t, s, records...)
			},
			"deliver": func(t *rapid.T) {
				steps := rapid.IntRange(1, 5).Draw(t, "deliveries")
				if s.Empty() {
					return
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				drained := s.Drained()
				go func() {
					select {
					case <-drained:
						cancel()
					case <-ctx.Done():
					}
				}()
				_ = s.Run(ctx, func(_ context.Context, records []Record) error {
					if steps--; steps <= 0 {
						cancel()
						return errDown
					}
					j.take(records)
					return nil
				})
			},
			"crash": func(t *rapid.T) {
				mustClose(t, s)
				tear(t, dir)
				s = mustOpen(t, cfg)
			},
		})
		mustClose(t, s)
		s = mustOpen(t, cfg)
		j.take(drain(t, s))
		mustClose(t, s)
		j.holds(t, acked)
	})
}

// tear appends the beginning of a frame to the newest segment, as a crash would.
func tear(t *rapid.T, dir string) {
	all := files(t, dir, segmentSuffix)
	if len(all) == 0 {
		return
	}
	path := all[len(all)-1]
	unfinished, err := appendFrame(nil, &Record{Topic: "t", Key: []byte("a"), Value: []byte("never acknowledged")}, fixedTime)
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	sealFrames(unfinished, parseName(dir, filepath.Base(path)).start)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	defer f.Close()
	if _, err := f.Write(unfinished[:rapid.IntRange(0, len(unfinished)-1).Draw(t, "torn at")]); err != nil {
		t.Fatalf("tearing: %v", err)
	}
}

// appendVariable makes the test binary append to a spool in that directory.
const appendVariable = "TEST_SPOOL_APPEND_DIR"

// appendUntilKilled appends from many goroutines, a key each, delivering to a file
// at the same time. It prints each record after its acknowledgement.
func appendUntilKilled(dir string) {
	s, err := Open(killConfig(dir), nopLog, nopRegistry())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out, err := os.OpenFile(filepath.Join(dir, "delivered"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_ = s.Run(context.Background(), func(_ context.Context, records []Record) error {
			if rand.IntN(3) > 0 {
				return errDown
			}
			var b bytes.Buffer
			for _, r := range records {
				fmt.Fprintf(&b, "%s %s\n", r.Key, r.Value)
			}
			_, err := out.Write(b.Bytes())
			return err
		})
	}()
	run := os.Getpid()
	var mu sync.Mutex
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				r := Record{Topic: "t", Key: fmt.Append(nil, "k", w), Value: fmt.Appendf(nil, "%d-%d", run, i)}
				if err := s.Append(context.Background(), r); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Printf("%s %s\n", r.Key, r.Value)
				mu.Unlock()
			}
		}()
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // ends with the parent, should nobody kill it
	os.Exit(0)
}

func killConfig(dir string) Config {
	cfg := testConfig(dir)
	cfg.SegmentBytes, cfg.BatchRecordsMax = 4000, 50
	return cfg
}

// TestKillNineLosesNothingThatWasAcknowledged kills a process that appends and
// delivers, several times, then counts.
func TestKillNineLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acked := map[string][]string{}
	total := 0
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), appendVariable+"="+dir)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		goal := 200 + rand.IntN(400)
		for n := 0; lines.Scan(); n++ {
			if n == goal {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			key, value, ok := strings.Cut(lines.Text(), " ")
			if !ok || !strings.Contains(value, "-") {
				continue
			}
			acked[key] = append(acked[key], value)
			total++
		}
		_ = cmd.Wait()
		_ = stdin.Close()
	}
	if total < 1000 {
		t.Fatalf("only %d records were acknowledged", total)
	}
	var j journal
	b, err := os.ReadFile(filepath.Join(dir, "delivered"))
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		j.take([]Record{{Key: []byte(key), Value: []byte(value)}})
		delivered++
	}
	s := mustOpen(t, killConfig(dir))
	t.Logf("%d acknowledged; %d delivered before the last kill, %d waited", total, delivered, s.Stats().Records)
	j.take(drain(t, s))
	mustClose(t, s)
	j.holds(t, acked)
}
