package chdb

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// library finds libchdb or skips the test (fails it with REQUIRE_SERVICES=1).
func libraryPath(t testing.TB) string {
	t.Helper()
	path, err := Locate(os.Getenv("PARTNERPULSE_LIBCHDB"))
	if err != nil && os.Getenv("REQUIRE_SERVICES") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func openDB(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(libraryPath(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func text(t *testing.T, c *Conn, sql string) string {
	t.Helper()
	r, err := c.Query(sql, "TSV", nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer r.Close()
	return string(r.Bytes())
}

func connect(t *testing.T, db *DB) *Conn {
	t.Helper()
	c, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReopen: the same directory keeps its data over Close and Open, and after
// Close another directory may follow, all in one process.
func TestReopen(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "a", "b"), t.TempDir()
	db := openDB(t, dir)
	c := connect(t, db)
	text(t, c, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	text(t, c, "INSERT INTO t SELECT number FROM numbers(1000)")
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v %v", st.Mode(), err)
	}
	if _, err := Open(libraryPath(t), other); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Open: %v", err)
	}
	for range 3 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Query("SELECT 1", "TSV", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("query after Close: %v", err)
		}
		db = openDB(t, dir)
		c = connect(t, db)
		if got := text(t, c, "SELECT sum(a) FROM t"); got != "499500\n" {
			t.Errorf("after reopening: %q", got)
		}
	}
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, other)
	if got := text(t, connect(t, db), "EXISTS TABLE t"); got != "0\n" {
		t.Errorf("the other directory: %q", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSignalDispositions: nothing libchdb does may change what the Go runtime
// installed, or a nil dereference kills the process instead of panicking.
func TestSignalDispositions(t *testing.T) {
	libraryPath(t)
	guard, err := newSignalGuard()
	if err != nil {
		t.Fatal(err)
	}
	snapshot := func() (all [65][sigactionBytes]byte) {
		for sig := 1; sig < len(all); sig++ {
			guard.sigaction(int32(sig), nil, unsafe.Pointer(&all[sig]))
		}
		return all
	}
	// The handler is the first word of struct sigaction everywhere.
	handler := func(b [sigactionBytes]byte) []byte { return b[:unsafe.Sizeof(uintptr(0))] }
	before := snapshot()
	db := openDB(t, t.TempDir())
	c := connect(t, db)
	text(t, c, "SELECT 1")
	_, _ = c.Query("SELECT nope", "TSV", nil)
	after := snapshot()
	for sig := 1; sig < len(before); sig++ {
		if !bytes.Equal(handler(before[sig]), handler(after[sig])) {
			t.Errorf("the handler of signal %d changed", sig)
		}
	}
	func() {
		defer func() {
			if _, ok := recover().(runtime.Error); !ok {
				t.Error("a nil dereference did not panic")
			}
		}()
		var p *struct{ v int }
		p.v = 1
	}()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStreamAndInsert(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := connect(t, db)
	text(t, c, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	ins, err := c.Insert("INSERT INTO t (b, a)", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := ins.Write(bytes.Repeat([]byte("x\t1\n"), 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := ins.Commit()
	ins.Close()
	ins.Close()
	if err != nil || stats.RowsWritten != 100_000 {
		t.Fatalf("%+v %v", stats, err)
	}
	s, err := c.Stream("SELECT a + {n:UInt64} FROM t", "TSV", []Param{{"n", "4"}})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for {
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		total += bytes.Count(r.Bytes(), []byte("5\n"))
		r.Close()
	}
	s.Close()
	if total != 100_000 {
		t.Errorf("streamed %d rows", total)
	}
	// Abandoned ones leave the connection usable and store nothing.
	s, err = c.Stream("SELECT number FROM system.numbers", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Next(); err != nil {
		t.Fatal(err)
	} else {
		r.Close()
	}
	s.Close()
	ins, err = c.Insert("INSERT INTO t", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ins.Write([]byte("1\tx\n")); err != nil {
		t.Fatal(err)
	}
	ins.Close()
	if got := text(t, c, "SELECT count() FROM t"); got != "100000\n" {
		t.Errorf("after a cancelled insert: %q", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnalyse(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := connect(t, db)
	for sql, want := range map[string]Analysis{
		"SELECT 1":                  {1, ClassReadOnly},
		"SELECT 1; SELECT 2":        {2, ClassReadOnly},
		"CREATE TABLE x (a Int8)":   {1, ClassMutating},
		"CREATE FUNCTION f AS x->x": {1, ClassMutatingGlobal},
		"SET max_threads = 1":       {1, ClassControl},
		"USE system":                {1, ClassControl},
		"nonsense nonsense (":       {0, ClassUnknown},
		"":                          {0, ClassReadOnly},
	} {
		got, err := c.Analyse(sql)
		if err != nil || got.Statements != want.Statements || got.Class != want.Class && sql != "" {
			t.Errorf("%q: %+v %v", sql, got, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLock: a second process on the directory is told so, and the first one's
// data is not touched.
func TestLock(t *testing.T) {
	if dir := os.Getenv("CHDB_TEST_LOCK_DIR"); dir != "" {
		_, err := Open(libraryPath(t), dir)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
			t.Fatalf("got %v, want ErrInUse", err)
		}
		return
	}
	dir := t.TempDir()
	db := openDB(t, dir)
	cmd := exec.Command(os.Args[0], "-test.run=^TestLock$")
	cmd.Env = append(os.Environ(), "CHDB_TEST_LOCK_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedQueryLeavesNothing: libchdb keeps the output a failed query had
// written so far and would put it before the next query's.
func TestFailedQueryLeavesNothing(t *testing.T) {
	db := openDB(t, t.TempDir())
	c := connect(t, db)
	const failing = "SELECT throwIf(number = 500000) FROM numbers(1000000) SETTINGS max_block_size = 1000"
	for range 3 {
		var e *Exception
		if _, err := c.Query(failing, "TSV", nil); !errors.As(err, &e) || e.Code != 395 {
			t.Fatal(err)
		}
		if got := text(t, c, "SELECT 1"); got != "1\n" {
			t.Fatalf("after a failed query: %d bytes, %.100q", len(got), got)
		}
		_, _ = c.Query(failing, "TSV", nil)
		s, err := c.Stream("SELECT 2", "TSV", nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Bytes()); got != "2\n" {
			t.Fatalf("stream after a failed query: %d bytes, %.100q", len(got), got)
		}
		r.Close()
		s.Close()
		if s, err = c.Stream(failing, "TSV", nil); err == nil {
			for r, err := s.Next(); err == nil && r != nil; r, err = s.Next() {
				r.Close()
			}
			s.Close()
		}
		if got := text(t, c, "SELECT 3"); got != "3\n" {
			t.Fatalf("after a failed stream: %d bytes, %.100q", len(got), got)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
