package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

func TestClientErrors(t *testing.T) {
	conn := open(t, func(o *ch.Options) { o.Compression = &ch.Compression{Method: ch.CompressionLZ4} })
	ctx := context.Background()
	for sql, code := range map[string]int32{
		"SELECT * FROM no_such_table":                           60,
		"SELECT throwIf(number = 900000) FROM numbers(1000000)": 395,
		"SELEC": 62,
	} {
		rows, err := conn.Query(ctx, sql)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		var e *ch.Exception
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want code %d", sql, err, code)
		}
	}
	must(t, conn.Ping(ctx))
}

func TestClientDatabaseAndSettings(t *testing.T) {
	ctx := context.Background()
	db := uniqueName(t)
	must(t, open(t, nil).Exec(ctx, "CREATE DATABASE "+db))
	conn := open(t, func(o *ch.Options) {
		o.Auth.Database = db
		o.Settings = ch.Settings{"max_threads": 1, "session_timezone": "Asia/Tokyo"}
	})
	get := func(ctx context.Context) string {
		var s string
		must(t, conn.QueryRow(ctx, "SELECT concat(currentDatabase(), ' ', timezone(), ' ', toString(getSetting('max_threads')), ' ', getSetting('log_comment') != '')").Scan(&s))
		return s
	}
	if got, want := get(ctx), db+" Asia/Tokyo 1 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	one := ch.Context(ctx, ch.WithSettings(ch.Settings{"max_threads": 3}))
	if got, want := get(one), db+" Asia/Tokyo 3 1"; got != want {
		t.Errorf("with query settings: got %q, want %q", got, want)
	}
	if got, want := get(ctx), db+" Asia/Tokyo 1 1"; got != want {
		t.Errorf("after query settings: got %q, want %q", got, want)
	}
	// Nothing of it is left for other clients, on whichever connection.
	for range 20 {
		if got := httpQuery(t, "SELECT currentDatabase(), getSetting('session_timezone')", ""); got != "default\t\n" {
			t.Fatalf("another client sees %q", got)
		}
	}
	must(t, open(t, nil).Exec(ctx, "DROP DATABASE "+db))
	if a := post(t, "database="+db, "SELECT 1"); a.status != 404 {
		t.Errorf("dropped database: %d %q", a.status, a.body)
	}
}

// TestNothingLeaks: SET, USE and temporary tables without a session end with
// their request.
func TestNothingLeaks(t *testing.T) {
	httpQuery(t, "SET max_block_size = 77", "")
	httpQuery(t, "USE system", "")
	httpQuery(t, "CREATE TEMPORARY TABLE leak (a Int8)", "")
	httpQuery(t, "SELECT 1", "readonly=1")
	for range 20 {
		if got := httpQuery(t, "SELECT getSetting('max_block_size') = 77, currentDatabase()", ""); got != "0\tdefault\n" {
			t.Fatalf("leaked: %q", got)
		}
	}
	if a := post(t, "", "SELECT * FROM leak"); a.status != 404 {
		t.Errorf("temporary table leaked: %d %q", a.status, a.body)
	}
	if a := post(t, "readonly=1", "CREATE TABLE x (a Int8) ENGINE = Memory"); a.header.Get("X-ClickHouse-Exception-Code") != "164" {
		t.Errorf("readonly=1 ignored: %d %q", a.status, a.body)
	}
}

func TestSession(t *testing.T) {
	s := "session_id=" + uniqueName(t)
	httpQuery(t, "CREATE TEMPORARY TABLE tmp (a Int8)", s)
	httpQuery(t, "INSERT INTO tmp VALUES (1), (2)", s)
	httpQuery(t, "SET max_block_size = 78", s)
	if got := httpQuery(t, "SELECT count(), getSetting('max_block_size') FROM tmp", s); got != "2\t78\n" {
		t.Errorf("session: %q", got)
	}
	if a := post(t, "", "SELECT * FROM tmp"); a.status != 404 {
		t.Errorf("seen outside the session: %d %q", a.status, a.body)
	}
	// A session runs one statement at a time.
	slow := make(chan answer, 1)
	go func() { slow <- post(t, s, "SELECT sleep(2)") }()
	waitFor(t, func() bool {
		return httpQuery(t, "SELECT count() FROM system.processes WHERE query = 'SELECT sleep(2)'", "") == "1\n"
	})
	if a := post(t, s, "SELECT 1"); a.status != http.StatusLocked || a.header.Get("X-ClickHouse-Exception-Code") != "373" {
		t.Errorf("locked session: %d %s", a.status, a.body)
	}
	if a := <-slow; a.status != 200 {
		t.Errorf("slow statement: %d %s", a.status, a.body)
	}
	if a := post(t, s+"&close_session=1", "SELECT 1"); a.status != 200 {
		t.Errorf("closing: %d %s", a.status, a.body)
	}
	if a := post(t, s+"&session_check=1", "SELECT 1"); a.header.Get("X-ClickHouse-Exception-Code") != "372" {
		t.Errorf("after closing: %d %s", a.status, a.body)
	}
	// A timeout ends it too.
	httpQuery(t, "SELECT 1", s+"&session_timeout=1")
	time.Sleep(1200 * time.Millisecond)
	if a := post(t, s+"&session_check=1", "SELECT 1"); a.header.Get("X-ClickHouse-Exception-Code") != "372" {
		t.Errorf("after the timeout: %d %s", a.status, a.body)
	}
}

func TestClientSession(t *testing.T) {
	ctx := context.Background()
	conn := open(t, func(o *ch.Options) {
		o.MaxOpenConns = 1
		o.Settings = ch.Settings{"session_id": uniqueName(t)}
	})
	must(t, conn.Exec(ctx, "CREATE TEMPORARY TABLE tmp (a UInt64, at DateTime('Asia/Tokyo'))"))
	b, err := conn.PrepareBatch(ctx, "INSERT INTO tmp")
	must(t, err)
	must(t, b.Append(uint64(5), time.Unix(1, 0)))
	must(t, b.Send())
	var a uint64
	var at time.Time
	must(t, conn.QueryRow(ctx, "SELECT a, at FROM tmp").Scan(&a, &at))
	if a != 5 || at.Unix() != 1 {
		t.Errorf("read %d %s", a, at)
	}
}

func TestConcurrency(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	table := uniqueName(t)
	httpQuery(t, "CREATE TABLE "+table+" (w UInt8, i UInt64) ENGINE = MergeTree ORDER BY (w, i)", "")
	const workers, rounds = 16, 10
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		conn := open(t, func(o *ch.Options) { o.Compression = &ch.Compression{Method: ch.CompressionLZ4} })
		g.Go(func() error {
			for i := range rounds {
				b, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
				if err != nil {
					return err
				}
				if err := b.Append(uint8(w), uint64(i)); err != nil {
					return err
				}
				if err := b.Send(); err != nil {
					return err
				}
				var n, threads uint64
				c := ch.Context(ctx, ch.WithSettings(ch.Settings{"max_threads": w%3 + 1}))
				err = conn.QueryRow(c, "SELECT count(), toUInt64(getSetting('max_threads')) FROM "+table+" WHERE w = {w:UInt8}",
					ch.Named("w", fmt.Sprint(w))).Scan(&n, &threads)
				if err != nil {
					return err
				}
				if n != uint64(i+1) || threads != uint64(w%3+1) {
					return fmt.Errorf("worker %d round %d: count %d, max_threads %d", w, i, n, threads)
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
}

// TestCancel: the engine stops a query whose client has gone, whether it is
// still computing its first row or streaming.
func TestCancel(t *testing.T) {
	for _, sql := range []string{
		"SELECT max(sipHash64(number)) FROM numbers(100000000000)",
		"SELECT number, sleepEachRow(0.001) FROM numbers(100000000000) SETTINGS max_block_size = 10, function_sleep_max_microseconds_per_block = 0",
		"EXPLAIN ANALYZE SELECT max(sipHash64(number)) FROM numbers(100000000000)",
	} {
		marker := uniqueName(t)
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr(t)+"/", strings.NewReader(sql+" -- "+marker))
		must(t, err)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				<-ctx.Done()
				_ = res.Body.Close()
			}
		}()
		running := func() string {
			return httpQuery(t, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)) FROM num%' AND query NOT LIKE '%processes%' OR query LIKE '%sleepEachRow(0%' AND query NOT LIKE '%processes%'", "")
		}
		if !strings.HasPrefix(sql, "EXPLAIN") {
			waitFor(t, func() bool { return running() == "1\n" })
		}
		cancel()
		<-gone
		waitFor(t, func() bool { return running() == "0\n" })
	}
}

// TestQueueing: more clients than connections wait instead of failing.
func TestQueueing(t *testing.T) {
	var g errgroup.Group
	for range 24 {
		g.Go(func() error {
			if a := post(t, "", "SELECT sleep(0.1)"); a.status != 200 {
				return fmt.Errorf("%d %s", a.status, a.body)
			}
			return nil
		})
	}
	must(t, g.Wait())
}

func waitFor(t testing.TB, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("condition not reached in 30 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
