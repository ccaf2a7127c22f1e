package clickhouse_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func TestPing(t *testing.T) {
	for _, path := range []string{"/ping", "/replicas_status", "/"} {
		if a := do(t, http.MethodGet, path, nil); a.status != 200 || a.body != "Ok.\n" {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	if a := do(t, http.MethodGet, "/nope", nil); a.status != 404 {
		t.Errorf("unknown path: status %d", a.status)
	}
}

func TestFormatsAndHeaders(t *testing.T) {
	const sql = "SELECT 1 AS a, 'x' AS b"
	for _, c := range []struct{ params, sql, format, contentType, body string }{
		{"", sql, "TabSeparated", "text/tab-separated-values; charset=UTF-8", "1\tx\n"},
		{"default_format=CSV", sql, "CSV", "text/csv; charset=UTF-8; header=absent", "1,\"x\"\n"},
		{"default_format=CSV", sql + " FORMAT JSONEachRow", "JSONEachRow", "application/x-ndjson; charset=UTF-8", "{\"a\":1,\"b\":\"x\"}\n"},
		{"", sql + " FORMAT CSVWithNames;", "CSVWithNames", "text/csv; charset=UTF-8; header=present", "\"a\",\"b\"\n1,\"x\"\n"},
		{"", sql + " FORMAT RowBinaryWithNamesAndTypes", "RowBinaryWithNamesAndTypes", "application/octet-stream", "\x02\x01a\x01b\x05UInt8\x06String\x01\x01x"},
		{"", sql + " FORMAT Native SETTINGS max_threads = 1", "Native", "application/octet-stream", "\x02\x01\x01a\x05UInt8\x01\x01b\x06String\x01x"},
		{"", sql + " FORMAT Values -- done", "Values", "text/plain; charset=UTF-8", "(1,'x')"},
	} {
		a := post(t, c.params+"&query_id=my-id", c.sql)
		if a.status != 200 || a.body != c.body {
			t.Errorf("%s: %d %q, want %q", c.sql, a.status, a.body, c.body)
		}
		for name, want := range map[string]string{
			"Content-Type": c.contentType, "X-ClickHouse-Format": c.format,
			"X-ClickHouse-Query-Id": "my-id", "X-ClickHouse-Timezone": strings.TrimSpace(httpQuery(t, "SELECT timezone()", "")),
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", c.sql, name, got, want)
			}
		}
		if a.header.Get("X-ClickHouse-Server-Display-Name") == "" {
			t.Error("no server display name")
		}
	}
}

func TestSummary(t *testing.T) {
	table := uniqueName(t)
	httpQuery(t, "CREATE TABLE "+table+" (a UInt64) ENGINE = MergeTree ORDER BY a", "")
	a := post(t, query("query", "INSERT INTO "+table+" FORMAT TSV"), "1\n2\n3\n")
	var s map[string]string
	must(t, json.Unmarshal([]byte(a.header.Get("X-ClickHouse-Summary")), &s))
	if s["written_rows"] != "3" || a.body != "" || a.status != 200 {
		t.Errorf("insert: %d %q %v", a.status, a.body, s)
	}
	a = post(t, "", "SELECT sum(a) FROM "+table+" FORMAT JSON")
	must(t, json.Unmarshal([]byte(a.header.Get("X-ClickHouse-Summary")), &s))
	if s["read_rows"] != "3" {
		t.Errorf("select: %v", s)
	}
}

// TestLargeResults compares streamed formats, whose chunks must join to one
// document, with the same result computed by the engine in one piece.
func TestLargeResults(t *testing.T) {
	const rows = 300_000
	sql := fmt.Sprintf("SELECT number AS n, toString(number) AS s FROM numbers(%d) ORDER BY n", rows)
	for _, format := range []string{"TSV", "CSV", "JSONEachRow", "RowBinary", "RowBinaryWithNames",
		"RowBinaryWithNamesAndTypes", "CSVWithNames", "JSON", "TSVWithNamesAndTypes", "JSONCompactEachRow"} {
		streamed := httpQuery(t, sql, query("default_format", format, "max_block_size", "1000"))
		whole := httpQuery(t, sql, query("default_format", format, "wait_end_of_query", "1", "max_block_size", "1000"))
		if format == "JSON" { // holds the elapsed time
			streamed, whole = streamed[:len(whole)/2], whole[:len(whole)/2]
		}
		if streamed != whole {
			t.Errorf("%s: streamed result of %d bytes differs from the whole one of %d", format, len(streamed), len(whole))
		}
	}
	for _, extra := range []string{"WITH TOTALS", "WITH ROLLUP"} {
		sql := "SELECT number % 3 AS k, count() FROM numbers(1000) GROUP BY k " + extra + " ORDER BY k"
		if a, b := httpQuery(t, sql, ""), httpQuery(t, sql, "wait_end_of_query=1"); a != b {
			t.Errorf("%s: %q and %q", extra, a, b)
		}
	}
}

func TestQueryInURLAndBody(t *testing.T) {
	for _, c := range []struct{ url, body, want string }{
		{"SELECT 1", "", "1\n"},
		{"", "SELECT 2", "2\n"},
		{"SELECT", "3", "3\n"},
		{"SELECT 4 -- comment", ", 5", "4\t5\n"},
		{"", "/* c */ SELECT ';' ; ", ";\n"},
	} {
		if a := post(t, query("query", c.url), c.body); a.body != c.want {
			t.Errorf("%q + %q: %q", c.url, c.body, a.body)
		}
	}
	if a := do(t, http.MethodGet, "/?query=SELECT+7", nil); a.body != "7\n" {
		t.Errorf("GET: %d %q", a.status, a.body)
	}
}

func TestParameters(t *testing.T) {
	for _, c := range []struct{ sql, value, want string }{
		{"SELECT {v:UInt64} + 1", "41", "42\n"},
		{"SELECT {v:String}", `it's \\ "q"\tx`, "it\\'s \\\\ \"q\"\\tx\n"},
		{"SELECT {v:Array(UInt8)}", "[1,2]", "[1,2]\n"},
		{"SELECT {v:Nullable(String)} IS NULL", `\N`, "1\n"},
		{"SELECT {v:Identifier} FROM (SELECT 5 AS `a b`)", "a b", "5\n"},
		{"SELECT {v:String} -- '; DROP TABLE t", "'; DROP TABLE t; --", "\\'; DROP TABLE t; --\n"},
		{"SELECT {v:DateTime}", "2024-01-02 03:04:05", "2024-01-02 03:04:05\n"},
	} {
		if a := post(t, query("param_v", c.value), c.sql); a.body != c.want {
			t.Errorf("%s: %d %q, want %q", c.sql, a.status, a.body, c.want)
		}
		if a := post(t, query("param_v", c.value, "wait_end_of_query", "1"), c.sql); a.body != c.want {
			t.Errorf("%s (not streamed): %d %q, want %q", c.sql, a.status, a.body, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		sql, params  string
		status, code int
		name         string
	}{
		{"SELECT * FROM no_such_table", "", 404, 60, "UNKNOWN_TABLE"},
		{"SELEC 1", "", 400, 62, "SYNTAX_ERROR"},
		{"SELECT 1; SELECT 2", "", 400, 62, "SYNTAX_ERROR"},
		{"", "", 400, 62, "SYNTAX_ERROR"},
		{"SELECT no_such_column FROM system.one", "", 404, 47, "UNKNOWN_IDENTIFIER"},
		{"SELECT no_such_function(1)", "", 404, 46, "UNKNOWN_FUNCTION"},
		{"SELECT 1 FORMAT NoSuchFormat", "", 404, 73, "UNKNOWN_FORMAT"},
		{"SELECT 1", "database=nope", 404, 81, "UNKNOWN_DATABASE"},
		{"SELECT 1", "no_such_setting=1", 404, 115, "UNKNOWN_SETTING"},
		{"SELECT 1", "a';DROP=1", 404, 115, "UNKNOWN_SETTING"},
		{"SELECT throwIf(1)", "", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"},
		{"SELECT {x:UInt8}", "", 400, 456, "UNKNOWN_QUERY_PARAMETER"},
		{"SELECT {x:UInt8}", "param_x=abc", 400, 457, "BAD_QUERY_PARAMETER"},
		{"SELECT 1 INTO OUTFILE '/tmp/never'", "", 400, 358, "INTO_OUTFILE_NOT_ALLOWED"},
		{"INSERT INTO x FROM INFILE '/etc/passwd' FORMAT CSV", "", 400, 358, "INTO_OUTFILE_NOT_ALLOWED"},
		{"INSERT INTO no_such_table VALUES (1)", "", 404, 60, "UNKNOWN_TABLE"},
		{"SELECT 1", "session_id=s&session_check=1", 404, 372, "SESSION_NOT_FOUND"},
		{"SELECT 1", "session_id=s&session_timeout=99999", 400, 36, "BAD_ARGUMENTS"},
		{"SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 1, timeout_before_checking_execution_speed = 0", "", 408, 159, "TIMEOUT_EXCEEDED"},
		{"SELECT groupArray(number) FROM numbers(1000000000)", "max_memory_usage=10000000", 500, 241, "MEMORY_LIMIT_EXCEEDED"},
	} {
		a := post(t, c.params, c.sql)
		code := a.header.Get("X-ClickHouse-Exception-Code")
		if a.status != c.status || code != fmt.Sprint(c.code) {
			t.Errorf("%q: status %d code %s, want %d %d: %s", c.sql, a.status, code, c.status, c.code, a.body)
		}
		prefix := fmt.Sprintf("Code: %d. DB::Exception: ", c.code)
		if !strings.HasPrefix(a.body, prefix) || !strings.Contains(a.body, "("+c.name+")") ||
			strings.Contains(a.body[len(prefix):], "DB::Exception") {
			t.Errorf("%q: body %q", c.sql, a.body)
		}
	}
}

// TestErrorInTheMiddle: rows are out already; the client must see that the
// result is not complete.
func TestErrorInTheMiddle(t *testing.T) {
	req, err := http.NewRequest(http.MethodPost, "http://"+addr(t)+"/",
		strings.NewReader("SELECT throwIf(number = 500000, 'here') FROM numbers(1000000)"))
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		t.Error("the body ended as if it were complete")
	}
	tag := res.Header.Get("X-ClickHouse-Exception-Tag")
	tail := string(body[max(0, len(body)-1000):])
	if res.StatusCode != 200 || len(tag) != 16 || !strings.Contains(tail, "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception: ") ||
		!strings.HasSuffix(tail, tag+"\r\n__exception__\r\n") {
		t.Errorf("status %d, tag %q, tail %q", res.StatusCode, tag, tail)
	}
}

func TestGetIsReadOnly(t *testing.T) {
	table := uniqueName(t)
	for _, sql := range []string{"CREATE TABLE " + table + " (a Int8) ENGINE = Memory", "INSERT INTO " + table + " VALUES (1)"} {
		a := do(t, http.MethodGet, "/?"+query("query", sql), nil)
		if a.status != 403 || a.header.Get("X-ClickHouse-Exception-Code") != "164" {
			t.Errorf("%s by GET: %d %s", sql, a.status, a.body)
		}
	}
}

// TestCrossOrigin: a page of another site must not run statements.
func TestCrossOrigin(t *testing.T) {
	a := post(t, "", "SELECT 1", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusForbidden {
		t.Errorf("cross-origin POST: %d %q", a.status, a.body)
	}
}

func TestResponseCompression(t *testing.T) {
	sql := "SELECT number % 10, 'same' FROM numbers(100000)"
	want := httpQuery(t, sql, "")
	for encoding, decode := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"lz4":  func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil },
	} {
		a := post(t, "enable_http_compression=1", sql, "Accept-Encoding", encoding)
		if a.header.Get("Content-Encoding") != encoding || len(a.body) >= len(want) {
			t.Errorf("%s: encoding %q, %d bytes", encoding, a.header.Get("Content-Encoding"), len(a.body))
		}
		r, err := decode(strings.NewReader(a.body))
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		if string(got) != want {
			t.Errorf("%s: content differs", encoding)
		}
	}
	a := post(t, "enable_http_compression=0", sql, "Accept-Encoding", "gzip")
	if a.body != want {
		t.Error("compressed although switched off")
	}
	a = post(t, "", "SELECT 1", "Accept-Encoding", "gzip")
	if a.body != "1\n" || a.header.Get("Content-Encoding") != "" {
		t.Errorf("a small answer: %q %q", a.header.Get("Content-Encoding"), a.body)
	}
	a = post(t, "", "SELECT * FROM nope", "Accept-Encoding", "gzip")
	if a.status != 404 || !strings.HasPrefix(a.body, "Code: 60.") {
		t.Errorf("small error: %d %q", a.status, a.body)
	}
	a = post(t, "", "SELECT throwIf(1, '"+strings.Repeat("long ", 1000)+"')", "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(strings.NewReader(a.body))
	must(t, err)
	if msg, _ := io.ReadAll(r); a.status != 500 || !strings.HasPrefix(string(msg), "Code: 395.") {
		t.Errorf("compressed error: %d %q", a.status, msg)
	}
}

func TestBlockCompression(t *testing.T) {
	for _, method := range []string{"LZ4", "ZSTD", "NONE"} {
		a := post(t, query("compress", "1", "network_compression_method", method), "SELECT number FROM numbers(500000)")
		got, err := io.ReadAll(compress.NewReader(strings.NewReader(a.body)))
		if len(got) != len(httpQuery(t, "SELECT number FROM numbers(500000)", "")) {
			t.Errorf("%s: %d bytes: %v", method, len(got), err)
		}
	}
}

func TestRequestCompression(t *testing.T) {
	data := strings.Repeat("1\n", 100_000)
	var gz, zs, lz bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zs)
	must(t, err)
	l := lz4.NewWriter(&lz)
	for _, w := range []io.WriteCloser{g, z, l} {
		_, err := io.WriteString(w, data)
		must(t, err)
		must(t, w.Close())
	}
	var blocks bytes.Buffer
	for _, m := range []compress.Method{compress.LZ4, compress.ZSTD, compress.None} {
		w := compress.NewWriter(compress.LevelZero, m)
		must(t, w.Compress([]byte(data)))
		blocks.Write(w.Data)
	}
	for _, c := range []struct {
		name, encoding, params, body string
		rows                         int
	}{
		{"gzip", "gzip", "", gz.String(), 100_000},
		{"zstd", "zstd", "", zs.String(), 100_000},
		{"lz4", "lz4", "", lz.String(), 100_000},
		{"blocks", "", "decompress=1&", blocks.String(), 300_000},
	} {
		table := uniqueName(t)
		httpQuery(t, "CREATE TABLE "+table+" (a UInt8) ENGINE = Memory", "")
		a := post(t, c.params+query("query", "INSERT INTO "+table+" FORMAT TSV"), c.body, "Content-Encoding", c.encoding)
		if a.status != 200 {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if got := httpQuery(t, "SELECT count() FROM "+table, ""); got != fmt.Sprintf("%d\n", c.rows) {
			t.Errorf("%s: %s rows", c.name, got)
		}
	}
	for _, c := range [][2]string{{"Content-Encoding", "gzip"}, {"Content-Encoding", "nonsense"}} {
		if a := post(t, "", "not gzip", c[0], c[1]); a.status != 400 || a.header.Get("X-ClickHouse-Exception-Code") != "271" {
			t.Errorf("%v: %d %s", c, a.status, a.body)
		}
	}
	broken := blocks.String()[:blocks.Len()-3]
	table := uniqueName(t)
	httpQuery(t, "CREATE TABLE "+table+" (a UInt8) ENGINE = Memory", "")
	if a := post(t, "decompress=1&"+query("query", "INSERT INTO "+table+" FORMAT TSV"), broken); a.status != 400 {
		t.Errorf("truncated blocks: %d %s", a.status, a.body)
	}
}
