package clickhouse_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

func TestInsertForms(t *testing.T) {
	for i, c := range []struct{ url, body, want string }{
		{"INSERT INTO %s VALUES", "(1,'a'),(2,'b')", "1\ta\n2\tb\n"},
		{"", "INSERT INTO %s VALUES (1, concat('x', 'y')), (1+1, 'it''s; \\'q\\'');", "1\txy\n2\tit\\'s; \\'q\\'\n"},
		{"", "INSERT INTO %s (b, a) FORMAT CSV\n\"x,\ny\",1\n", "1\tx,\\ny\n"},
		{"INSERT INTO %s FORMAT TSV", "1\ta\n", "1\ta\n"},
		{"", "insert into %s format JSONEachRow {\"a\":1,\"b\":\"FORMAT CSV\"}\n{\"a\":2}", "1\tFORMAT CSV\n2\t\n"},
		{"", "-- comment\n/* another */ INSERT /* x */ INTO %s -- here\n (a, b) -- FORMAT CSV\nFORMAT TSV\n7\tq\n", "7\tq\n"},
		{"", "INSERT INTO %s (a, b) SETTINGS async_insert = 0, max_threads = 1 FORMAT TSV\n1\ta\n", "1\ta\n"},
		{"", "INSERT INTO %s (a, b) FORMAT TSV SETTINGS async_insert=0, max_insert_threads=1\n1\ta\n", "1\ta\n"},
		{"INSERT INTO %s (`a`, \"b\") SELECT number, 'FORMAT TSV' FROM numbers(2)", "", "0\tFORMAT TSV\n1\tFORMAT TSV\n"},
		{"", "INSERT INTO %s WITH 5 AS x SELECT x, 'VALUES'", "5\tVALUES\n"},
		{"", "INSERT INTO TABLE %s (* EXCEPT(b)) VALUES (9)", "9\t\n"},
		{"", "INSERT INTO FUNCTION remote('127.0.0.1', 'x', 'y') VALUES (1, 'a')", ""},
		{"INSERT INTO %s FORMAT TSV", "", ""},
		{"INSERT INTO %s VALUES", "", ""},
		{"INSERT INTO %s", "", ""},
	} {
		table := uniqueName(t)
		httpQuery(t, "CREATE TABLE "+table+" (a UInt32, b String) ENGINE = MergeTree ORDER BY a", "")
		a := post(t, query("query", strings.ReplaceAll(c.url, "%s", table)), strings.ReplaceAll(c.body, "%s", table))
		if a.status != 200 && !strings.Contains(c.body, "remote") {
			t.Errorf("%d: %d %s", i, a.status, a.body)
		}
		if got := httpQuery(t, "SELECT * FROM "+table+" ORDER BY a", ""); got != c.want {
			t.Errorf("%d: %q + %q stored %q, want %q", i, c.url, c.body, got, c.want)
		}
	}
}

func TestInsertErrors(t *testing.T) {
	table := uniqueName(t)
	httpQuery(t, "CREATE TABLE "+table+" (a UInt8) ENGINE = MergeTree ORDER BY a", "")
	for _, c := range []struct {
		body string
		code string
	}{
		{"INSERT INTO " + table + " FORMAT TSV\n1\nabc\n", "27"},
		{"INSERT INTO " + table + " FORMAT NoSuch\n1\n", "73"},
		{"INSERT INTO " + table + " (nope) FORMAT TSV\n1\n", "16"},
		{"INSERT INTO " + table + " FORMAT Native\n\x01\x01\x01a\x05UInt8", "33"},
		{"INSERT INTO " + table + " VALUES (1", "62"},
	} {
		a := post(t, "", c.body)
		if a.status == 200 || a.header.Get("X-ClickHouse-Exception-Code") != c.code {
			t.Errorf("%q: %d %s", c.body, a.status, a.body)
		}
	}
	// A failed insert leaves its connection usable.
	if got := httpQuery(t, "SELECT count() FROM "+table, ""); got != "0\n" {
		t.Errorf("%q rows after failed inserts", got)
	}
}

// TestInsertCutOff: a client that dies in the middle of its body.
func TestInsertCutOff(t *testing.T) {
	table := uniqueName(t)
	httpQuery(t, "CREATE TABLE "+table+" (a UInt64) ENGINE = MergeTree ORDER BY a", "")
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr(t)+"/?"+query("query", "INSERT INTO "+table+" FORMAT TSV"), r)
	must(t, err)
	done := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		done <- err
	}()
	_, err = io.WriteString(w, strings.Repeat("1\n", 1000))
	must(t, err)
	cancel()
	if err := <-done; err == nil {
		t.Error("the cut request succeeded")
	}
	_ = w.Close()
	// Its connection comes back: more statements than connections still run.
	for range 20 {
		if got := httpQuery(t, "SELECT count() FROM "+table, ""); got != "0\n" {
			t.Fatalf("%q rows from a request cut off", got)
		}
	}
}

func TestBatch(t *testing.T) {
	const rows = 200_000
	ctx := context.Background()
	for _, method := range []ch.CompressionMethod{ch.CompressionNone, ch.CompressionLZ4, ch.CompressionZSTD, ch.CompressionGZIP} {
		conn := open(t, func(o *ch.Options) { o.Compression = &ch.Compression{Method: method, Level: 3} })
		table := uniqueName(t)
		must(t, conn.Exec(ctx, "CREATE TABLE "+table+" (id UInt64, name LowCardinality(String), at DateTime64(3, 'UTC'), "+
			"tags Array(String), value Nullable(Float64)) ENGINE = MergeTree ORDER BY id"))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" (id, name, at, tags, value)")
		must(t, err)
		at := time.UnixMilli(1_700_000_000_123).UTC()
		for i := range uint64(rows) {
			v := float64(i) / 2
			must(t, batch.Append(i, fmt.Sprint("n", i%100), at, []string{"a", fmt.Sprint(i % 7)}, &v))
		}
		must(t, batch.Send())
		var count, sum, parts uint64
		var names uint64
		must(t, conn.QueryRow(ctx, "SELECT count(), sum(id), uniqExact(name) FROM "+table).Scan(&count, &sum, &names))
		must(t, conn.QueryRow(ctx, "SELECT count() FROM system.parts WHERE active AND table = ?", table).Scan(&parts))
		if count != rows || sum != rows*(rows-1)/2 || names != 100 || parts != 1 {
			t.Errorf("%s: count %d, sum %d, names %d, parts %d", method, count, sum, names, parts)
		}
		var read uint64
		q, err := conn.Query(ctx, "SELECT id, name, tags FROM "+table+" ORDER BY id")
		must(t, err)
		for q.Next() {
			var id uint64
			var name string
			var tags []string
			must(t, q.Scan(&id, &name, &tags))
			if id != read || name != fmt.Sprint("n", id%100) || tags[1] != fmt.Sprint(id%7) {
				t.Fatalf("%s: row %d is %d %s %v", method, read, id, name, tags)
			}
			read++
		}
		must(t, q.Err())
		if read != rows {
			t.Errorf("%s: read %d rows", method, read)
		}
	}
}
