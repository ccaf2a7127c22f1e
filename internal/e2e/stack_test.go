// Package e2e tests the built binary from outside: real processes, real engines,
// HTTP in, ClickHouse and Kafka out, kill -9 in between.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"partnerpulse/internal/kafkabus"
)

var crashEvents = flag.Int("crash.events", 20_000, "events of the kill -9 test")

// binary is built once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "partnerpulse-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "partnerpulse")
		build := exec.Command("go", "build", "-o", binary, "partnerpulse/cmd/partnerpulse")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the binary:", err)
			return 1
		}
		return m.Run()
	}())
}

// readyFile is what `up --ready-file` writes.
type readyFile struct {
	Collector  string `json:"collector"`
	ClickHouse string `json:"clickhouse"`
	Kafka      string `json:"kafka"`
	Console    string `json:"console"`
	ServerKey  string `json:"server_key"`
	BrowserKey string `json:"browser_key"`
	Tenant     string `json:"tenant"`
}

// stack is one running `up`.
type stack struct {
	readyFile
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan error
}

// up starts `up` on dir; its ports are free ones, or those of an earlier start.
func up(t *testing.T, dir string, ports *readyFile, args ...string) *stack {
	t.Helper()
	s := start(t, dir, ports, args...)
	s.awaitReady()
	return s
}

func start(t *testing.T, dir string, ports *readyFile, args ...string) *stack {
	t.Helper()
	if ports == nil {
		ports = &readyFile{Collector: "http://127.0.0.1:0", ClickHouse: "http://127.0.0.1:0", Kafka: "127.0.0.1:0", Console: "http://127.0.0.1:0"}
	}
	ready := filepath.Join(dir, "ready.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	host := func(s string) string { return strings.TrimPrefix(s, "http://") }
	all := append([]string{
		"up", "--data-dir", filepath.Join(dir, "data"), "--ready-file", ready,
		"--collector-addr", host(ports.Collector), "--clickhouse-addr", host(ports.ClickHouse),
		"--kafka-addr", ports.Kafka, "--console-addr", host(ports.Console),
	}, args...)
	s := &stack{t: t, dir: dir, log: new(bytes.Buffer), done: make(chan error, 1)}
	s.cmd = exec.Command(binary, all...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() {
			text := s.log.String()
			t.Logf("the log of up ends with:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return s
}

func (s *stack) awaitReady() {
	s.t.Helper()
	await(s.t, 5*time.Minute, "up to be ready", func() error {
		select {
		case err := <-s.done:
			s.done <- err
			s.t.Fatalf("up ended: %v\n%s", err, s.log)
		default:
		}
		b, err := os.ReadFile(filepath.Join(s.dir, "ready.json"))
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &s.readyFile)
	})
}

// kill ends up with SIGKILL, and waits for the process to be gone.
func (s *stack) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.done
}

// stop ends up as Ctrl-C does; it must end with status 0.
func (s *stack) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Fatalf("up did not stop cleanly: %v\n%s", err, s.log)
		}
	case <-time.After(time.Minute):
		s.t.Fatal("up did not stop within a minute of SIGINT")
	}
}

// query runs SQL over HTTP and decodes the rows.
func query[T any](s *stack, sql string) ([]T, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	u := s.ClickHouse + "/?" + url.Values{"database": {"partnerpulse"}, "default_format": {"JSONEachRow"},
		"output_format_json_quote_64bit_integers": {"0"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("%s: %s", res.Status, b)
	}
	var out []T
	for d := json.NewDecoder(res.Body); ; {
		var row T
		err := d.Decode(&row)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
}

// one runs SQL that gives one number called n.
func (s *stack) one(sql string) (int64, error) {
	rows, err := query[struct {
		N int64 `json:"n"`
	}](s, sql)
	if err != nil || len(rows) != 1 {
		return 0, fmt.Errorf("%d rows: %w", len(rows), err)
	}
	return rows[0].N, nil
}

// post sends body to the collector's events endpoint.
func (s *stack) post(key, body string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Collector+"/v1/events", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// topic reads a topic from its beginning to its present end.
func (s *stack) topic(name string) []kafkabus.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var out []kafkabus.Record
	err := kafkabus.ReadAll(ctx, kafkabus.Config{Brokers: []string{s.Kafka}}, name, func(r kafkabus.Record) error {
		out = append(out, r)
		return nil
	})
	if err != nil {
		s.t.Fatalf("reading %s: %v", name, err)
	}
	return out
}

// await repeats try until it gives no error; the limit only ends a hanging test.
func await(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	begin := time.Now()
	var err error
	for time.Since(begin) < limit {
		if err = try(); err == nil {
			t.Logf("%s took %s", what, time.Since(begin).Round(time.Millisecond))
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("waited %s for %s: %v", limit, what, err)
}
