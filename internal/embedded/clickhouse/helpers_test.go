package clickhouse_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"partnerpulse/internal/embedded/enginetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open connects clickhouse-go over HTTP to the process's engine.
func open(t testing.TB, change func(*ch.Options)) ch.Conn {
	t.Helper()
	o := &ch.Options{
		Protocol: ch.HTTP,
		Addr:     []string{enginetest.ClickHouse(t)},
		Auth:     ch.Auth{Database: "default"},
	}
	if change != nil {
		change(o)
	}
	conn, err := ch.Open(o)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

var lastName atomic.Int64

// uniqueName is a table or database name no other test has.
func uniqueName(testing.TB) string { return fmt.Sprintf("t_%d", lastName.Add(1)) }

// scanTarget holds a value of whatever Go type clickhouse-go uses for a column.
type scanTarget struct{ v reflect.Value }

func newScanTarget(c driver.ColumnType) scanTarget {
	if c.DatabaseTypeName() == "JSON" {
		return scanTarget{reflect.New(reflect.TypeFor[string]())}
	}
	return scanTarget{reflect.New(c.ScanType())}
}

func (s scanTarget) pointer() any { return s.v.Interface() }
func (s scanTarget) value() any   { return s.v.Elem().Interface() }

// answer is an HTTP answer read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends body to / with the URL parameters given as "a=b&c=d".
func post(t testing.TB, params, body string, headers ...string) answer {
	t.Helper()
	return do(t, http.MethodPost, "/?"+params, strings.NewReader(body), headers...)
}

func do(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+enginetest.ClickHouse(t)+path, body)
	must(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return answer{res.StatusCode, res.Header, string(b)}
}

// httpQuery runs a statement by POST and wants status 200.
func httpQuery(t testing.TB, sql, params string) string {
	t.Helper()
	a := post(t, params, sql)
	if a.status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", sql, a.status, a.body)
	}
	return a.body
}

func query(kv ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v.Encode()
}

func addr(t testing.TB) string { return enginetest.ClickHouse(t) }
