package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"partnerpulse/internal/httpserver"
)

// serveWith is serve with a configuration of its own; logs are what it logged.
func serveWith(t *testing.T, cfg httpserver.Config, role http.Handler) (addr string, logs *observer.ObservedLogs, stop func() error) {
	t.Helper()
	l, err := httpserver.Listen(t.Context(), "127.0.0.1:0", "--addr")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	srv := httpserver.New(cfg, l, role, func(context.Context) error { return nil }, prometheus.NewRegistry(), zap.New(core))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	return l.Addr().String(), logs, func() error { cancel(); return <-done }
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowHeadersAreCutOff: clients that send a header byte by byte for ever hold a
// connection no longer than read_header_timeout, and others are served meanwhile.
func TestSlowHeadersAreCutOff(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := httpserver.DefaultConfig("")
	cfg.ReadHeaderTimeout = 200 * time.Millisecond
	addr, _, stop := serveWith(t, cfg, http.NotFoundHandler())
	var slow []net.Conn
	for range 50 {
		conn := dial(t, addr)
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	if status, _ := get(t, "http://"+addr+"/healthz"); status != http.StatusOK {
		t.Errorf("others are answered %d", status)
	}
	for _, conn := range slow { // ends when the server closes it
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestConnectionsAreBounded: beyond the limit a connection waits, and is served when
// another ends.
func TestConnectionsAreBounded(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := httpserver.DefaultConfig("")
	cfg.ConnectionsMax = 2
	served := make(chan struct{}, 10)
	addr, logs, stop := serveWith(t, cfg, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served <- struct{}{} }))
	request := func(conn net.Conn) {
		t.Helper()
		if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(conn net.Conn) {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("answer %v, %v", res, err)
		}
		res.Body.Close()
	}
	first, second, third := dial(t, addr), dial(t, addr), dial(t, addr)
	defer second.Close()
	defer third.Close()
	for _, conn := range []net.Conn{first, second} {
		request(conn)
		answered(conn)
	}
	request(third) // the system takes it in, the server does not
	for len(served) > 0 {
		<-served
	}
	request(second)
	answered(second)
	<-served
	if len(served) != 0 {
		t.Error("a connection over the limit was served")
	}
	first.Close()
	answered(third)
	if logs.FilterMessageSnippet("all connections are taken").Len() != 1 {
		t.Errorf("the limit was told %d times, want once", logs.FilterMessageSnippet("all connections are taken").Len())
	}
	third.Close()
	second.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestStopWhileAllConnectionsAreTaken(t *testing.T) {
	defer goleak.VerifyNone(t)
	cfg := httpserver.DefaultConfig("")
	cfg.ConnectionsMax = 1
	arrived, release := make(chan struct{}), make(chan struct{})
	addr, _, stop := serveWith(t, cfg, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	conn := dial(t, addr)
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAccessLogSamples(t *testing.T) {
	for name, c := range map[string]struct {
		log               httpserver.AccessLog
		success, failures bool
	}{
		"default": {httpserver.DefaultConfig("").AccessLog, false, true},
		"off":     {httpserver.AccessLog{}, false, false},
		"all":     {httpserver.AccessLog{SuccessPerSecond: 3, FailurePerSecond: 3}, true, true},
		"success": {httpserver.AccessLog{SuccessPerSecond: 3}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := httpserver.DefaultConfig("")
			cfg.AccessLog = c.log
			addr, logs, stop := serveWith(t, cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/bad" {
					w.WriteHeader(http.StatusTeapot)
				}
				fmt.Fprint(w, "hello")
				http.NewResponseController(w).Flush()
			}))
			start := time.Now()
			for range 100 {
				for _, path := range []string{"/good?key=secret", "/bad?identity=secret"} {
					get(t, "http://"+addr+path)
				}
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			count := map[int64]int{}
			for _, entry := range logs.FilterMessage("request").All() {
				fields := entry.ContextMap()
				count[fields["status"].(int64)]++
				if strings.Contains(fmt.Sprint(fields), "secret") || fields["bytes_out"] != int64(5) {
					t.Errorf("line %v", fields)
				}
			}
			// Per second at most five, whatever number of seconds the hundred took.
			most := 5 * (int(time.Since(start)/time.Second) + 2)
			for status, want := range map[int64]bool{200: c.success, 418: c.failures} {
				if n := count[status]; (n > 0) != want || n > most {
					t.Errorf("%d lines about %d, want some: %v, at most %d", n, status, want, most)
				}
			}
		})
	}
}
