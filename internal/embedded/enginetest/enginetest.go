// Package enginetest gives tests a real ClickHouse: one embedded engine per
// test process, started when the first test asks and shared by all, because
// libchdb allows one data directory per process.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }
//
// and each of its tests works in a database of its own. Without libchdb the
// test is skipped, saying what to run; with REQUIRE_SERVICES=1 it fails.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// engine is the process's one server. It is package state because the engine
// itself is the process's.
var engine struct {
	sync.Mutex
	addr string
	err  error // of the first start; not tried again
	stop func() error
}

// stopTimeout bounds how long Main waits for the engine to close.
const stopTimeout = 30 * time.Second

// ClickHouse returns the host:port of the test process's ClickHouse HTTP
// interface, starting it if needed. User default, no password.
func ClickHouse(t testing.TB) (addr string) {
	t.Helper()
	engine.Lock()
	defer engine.Unlock()
	if engine.addr == "" && engine.err == nil {
		engine.addr, engine.stop, engine.err = start()
	}
	if errors.Is(engine.err, chdb.ErrNotFound) {
		Missing(t, engine.err)
	}
	if engine.err != nil {
		t.Fatalf("starting the embedded ClickHouse: %v", engine.err)
	}
	return engine.addr
}

// Main runs the tests, then stops the engine if one was started and removes its
// data. It returns the exit code: os.Exit(enginetest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	engine.Lock()
	defer engine.Unlock()
	if engine.stop == nil {
		return code
	}
	if err := engine.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the embedded ClickHouse:", err)
		code = max(code, 1)
	}
	return code
}

// start runs a server on a new temporary directory.
func start() (addr string, stop func() error, err error) {
	library, err := chdb.Locate(os.Getenv("PARTNERPULSE_LIBCHDB"))
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "partnerpulse-enginetest-")
	if err != nil {
		return "", nil, fmt.Errorf("creating the engine's directory: %w", err)
	}
	srv := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:0", DataDir: dir, LibraryPath: library}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case <-srv.Ready():
	case err := <-done:
		cancel()
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() error {
		cancel()
		select {
		case err := <-done:
			return errors.Join(err, os.RemoveAll(dir))
		case <-time.After(stopTimeout):
			return fmt.Errorf("not stopped after %s; its data stays in %s", stopTimeout, dir)
		}
	}
	return srv.Addr(), stop, nil
}
