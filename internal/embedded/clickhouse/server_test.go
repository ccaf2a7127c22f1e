package clickhouse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/clickhouse/chdb"
	"partnerpulse/internal/embedded/enginetest"
)

// child is a server in another process.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	addr   string
}

func startChild(t *testing.T, cfg clickhouse.Config) *child {
	t.Helper()
	enginetest.ClickHouse(t) // skips without libchdb
	cfg.Addr, cfg.LibraryPath = "127.0.0.1:0", os.Getenv("PARTNERPULSE_LIBCHDB")
	b, err := json.Marshal(cfg)
	must(t, err)
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childConfig+"="+string(b))
	c.cmd.Stderr = os.Stderr
	c.stdin, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	must(t, c.cmd.Start())
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	c.stdout = bufio.NewReader(out)
	c.readAddr(t)
	return c
}

func (c *child) readAddr(t *testing.T) {
	t.Helper()
	line, err := c.stdout.ReadString('\n')
	must(t, err)
	c.addr = strings.TrimSpace(line)
}

// restart stops the server and starts another in the same process.
func (c *child) restart(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(c.stdin, "\n")
	must(t, err)
	c.readAddr(t)
}

// stop ends the process cleanly.
func (c *child) stop(t *testing.T) {
	t.Helper()
	must(t, c.stdin.Close())
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the server did not end cleanly: %v", err)
	}
}

func (c *child) post(t *testing.T, params, sql string, headers ...string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+c.addr+"/?"+params, strings.NewReader(sql))
	must(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(b)
}

func TestServerRestarts(t *testing.T) {
	c := startChild(t, clickhouse.Config{DataDir: t.TempDir()})
	c.post(t, "", "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	for i := range 4 {
		if status, body := c.post(t, "", fmt.Sprintf("INSERT INTO t VALUES (%d)", i)); status != 200 {
			t.Fatalf("%d: %s", status, body)
		}
		c.restart(t)
		if _, body := c.post(t, "", "SELECT count() FROM t"); body != fmt.Sprintf("%d\n", i+1) {
			t.Fatalf("after restart %d: %q rows", i+1, body)
		}
	}
	c.stop(t)
}

// TestKill: rows acknowledged before a SIGKILL are there afterwards, and no
// insert is there in part.
func TestKill(t *testing.T) {
	cfg := clickhouse.Config{DataDir: t.TempDir()}
	const batch, kills = 5_000, 4
	acked, tried := 0, 0
	for round := range kills {
		c := startChild(t, cfg)
		conn, err := ch.Open(&ch.Options{Protocol: ch.HTTP, Addr: []string{c.addr}})
		must(t, err)
		ctx := context.Background()
		must(t, conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS t (batch UInt64, i UInt64) ENGINE = MergeTree ORDER BY (batch, i)"))
		killAt := time.After(time.Duration(100+150*round) * time.Millisecond)
		for killed := false; !killed; {
			b, err := conn.PrepareBatch(ctx, "INSERT INTO t")
			if err == nil {
				for i := range uint64(batch) {
					must(t, b.Append(uint64(tried), i))
				}
				tried++
				if err = b.Send(); err == nil {
					acked++
				}
			}
			select {
			case <-killAt:
				must(t, c.cmd.Process.Kill())
				_ = c.cmd.Wait()
				killed = true
			default:
				must(t, err)
			}
		}
		_ = conn.Close()
	}
	c := startChild(t, cfg)
	_, body := c.post(t, "", fmt.Sprintf("SELECT count() >= %d, count() <= %d, countIf(n != %d) FROM (SELECT count() AS n FROM t GROUP BY batch)", acked, tried, batch))
	if body != "1\t1\t0\n" || acked == 0 {
		t.Errorf("%d batches acknowledged of %d: %q", acked, tried, body)
	}
	c.stop(t)
}

func TestKillDuringInsert(t *testing.T) {
	cfg := clickhouse.Config{DataDir: t.TempDir()}
	c := startChild(t, cfg)
	c.post(t, "", "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := http.Post("http://"+c.addr+"/?query=INSERT+INTO+t+FORMAT+TSV", "", r)
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	_, err := io.WriteString(w, strings.Repeat("1\n", 200_000))
	must(t, err)
	must(t, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
	_ = w.CloseWithError(io.ErrClosedPipe)
	<-done
	c = startChild(t, cfg)
	if _, body := c.post(t, "", "SELECT count() FROM t"); body != "0\n" {
		t.Errorf("%q rows of an insert that never ended", body)
	}
	c.stop(t)
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, clickhouse.Config{DataDir: dir})
	enginetest.ClickHouse(t)
	cfg, err := json.Marshal(clickhouse.Config{Addr: "127.0.0.1:0", DataDir: dir, LibraryPath: os.Getenv("PARTNERPULSE_LIBCHDB")})
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+string(cfg))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), dir) || !strings.Contains(string(out), "another process") {
		t.Errorf("second process: %v %s", err, out)
	}
	c.stop(t)
}

func TestUsers(t *testing.T) {
	c := startChild(t, clickhouse.Config{DataDir: t.TempDir(), Users: map[string]string{"bi": "s3cret", "default": ""}})
	for _, k := range []struct {
		params  string
		headers []string
		status  int
	}{
		{"", nil, 200},
		{"user=default", nil, 200},
		{"user=default&password=x", nil, 403},
		{"user=bi", nil, 403},
		{"user=bi&password=s3cret", nil, 200},
		{"user=nobody", nil, 403},
		{"", []string{"X-ClickHouse-User", "bi", "X-ClickHouse-Key", "s3cret"}, 200},
		{"", []string{"X-ClickHouse-User", "bi", "X-ClickHouse-Key", "wrong"}, 403},
		{"", []string{"Authorization", "Basic Ymk6czNjcmV0"}, 200},
		{"", []string{"Authorization", "Basic Ymk6d3Jvbmc="}, 403},
	} {
		status, body := c.post(t, k.params, "SELECT 1", k.headers...)
		if status != k.status || status == 403 && !strings.HasPrefix(body, "Code: 516. DB::Exception: ") {
			t.Errorf("%+v: %d %s", k, status, body)
		}
	}
	conn, err := ch.Open(&ch.Options{Protocol: ch.HTTP, Addr: []string{c.addr}, Auth: ch.Auth{Username: "bi", Password: "wrong"}})
	must(t, err)
	var e *ch.Exception
	if err := conn.Ping(context.Background()); !errors.As(err, &e) || e.Code != 516 {
		t.Errorf("clickhouse-go with a wrong password: %v", err)
	}
	c.stop(t)
}

func TestLimitsAndMemory(t *testing.T) {
	c := startChild(t, clickhouse.Config{DataDir: t.TempDir(), MaxBodyBytes: 1 << 20, MaxQueryBytes: 10_000,
		MaxServerMemoryBytes: 2 << 30, Settings: map[string]string{"max_threads": "1"}, SessionsMax: 1, Connections: 1})
	if _, body := c.post(t, "", "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"); body != "2147483648\n" {
		t.Errorf("max_server_memory_usage is %q", body)
	}
	if _, body := c.post(t, "", "SELECT getSetting('max_threads')"); body != "1\n" {
		t.Errorf("max_threads is %q", body)
	}
	c.post(t, "", "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
	for _, k := range []struct {
		params, body string
		status       int
	}{
		{"query=INSERT+INTO+t+FORMAT+TSV", strings.Repeat("1\n", 1<<19), 200},
		{"query=INSERT+INTO+t+FORMAT+TSV", strings.Repeat("1\n", 1<<19+1), 413},
		{"", "SELECT '" + strings.Repeat("x", 9_000) + "'", 200},
		{"", "SELECT '" + strings.Repeat("x", 11_000) + "'", 413},
		{"", "INSERT INTO t (" + strings.Repeat("a, ", 300_000), 413},
		{"session_id=a", "SELECT 1", 200},
		{"session_id=b", "SELECT 1", 503},
	} {
		if status, body := c.post(t, k.params, k.body); status != k.status {
			t.Errorf("%s, %d bytes: %d %.200s", k.params, len(k.body), status, body)
		}
	}
	c.stop(t)
}

// TestStopWithRunningQuery: a server that is told to stop does not wait for a
// query for ever, and ends cleanly.
func TestStopWithRunningQuery(t *testing.T) {
	c := startChild(t, clickhouse.Config{DataDir: t.TempDir(), DrainTimeout: 200 * time.Millisecond})
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := http.Post("http://"+c.addr+"/", "", strings.NewReader("SELECT max(sipHash64(number)) FROM numbers(1000000000000)"))
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	waitFor(t, func() bool {
		_, body := c.post(t, "", "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(n%'")
		return body == "2\n"
	})
	must(t, c.stdin.Close())
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("stopping with a running query: %v", err)
	}
	<-done
}

func TestBusyPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	err = clickhouse.New(clickhouse.Config{Addr: l.Addr().String(), DataDir: t.TempDir()}, zap.NewNop()).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "--clickhouse-addr") {
		t.Errorf("got %v", err)
	}
}

func TestMissingLibrary(t *testing.T) {
	srv := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), LibraryPath: "/nonexistent/libchdb.so"}, zap.NewNop())
	err := srv.Run(context.Background())
	var nf *chdb.NotFoundError
	if !errors.As(err, &nf) || !strings.Contains(err.Error(), "/nonexistent/libchdb.so") {
		t.Errorf("got %v", err)
	}
	if srv.Addr() != "" {
		t.Errorf("address %q before ready", srv.Addr())
	}
}
