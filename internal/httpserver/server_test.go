package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/httpserver"
)

// serve runs a server; stop ends it and gives Run's result.
func serve(t *testing.T, role http.Handler, ready httpserver.Check) (base string, stop func() error) {
	t.Helper()
	l, err := httpserver.Listen(t.Context(), "127.0.0.1:0", "--addr")
	if err != nil {
		t.Fatal(err)
	}
	srv := httpserver.New(httpserver.DefaultConfig(""), l, role, ready, prometheus.NewRegistry(), zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	return "http://" + l.Addr().String(), func() error { cancel(); return <-done }
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestHealthReadinessMetricsAndRole(t *testing.T) {
	defer goleak.VerifyNone(t)
	var broken error
	base, stop := serve(t, http.NotFoundHandler(), func(context.Context) error { return broken })
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/other": 404} {
		if status, body := get(t, base+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	broken = errors.New("no broker")
	if status, body := get(t, base+"/readyz"); status != 503 || !strings.Contains(body, "no broker") {
		t.Errorf("/readyz when not ready: %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsUnderWayAreFinishedOnStop(t *testing.T) {
	defer goleak.VerifyNone(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	base, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "whole")
	}), func(context.Context) error { return nil })
	answer := make(chan string, 1)
	go func() { _, body := get(t, base+"/slow"); answer <- body }()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // the listener closes first: new connections are refused while the old request lives
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(base, "http://"), time.Second)
		if err != nil {
			break
		}
		conn.Close()
	}
	close(release)
	if body := <-answer; body != "whole" {
		t.Errorf("the request under way got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

func TestABusyPortNamesTheSetting(t *testing.T) {
	l, err := httpserver.Listen(t.Context(), "127.0.0.1:0", "--x")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = httpserver.Listen(t.Context(), l.Addr().String(), "--collector-addr")
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "--collector-addr") {
		t.Fatalf("got %v", err)
	}
}
