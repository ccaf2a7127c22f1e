package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// Server is a ClickHouse in this process: the engine and its HTTP interface.
type Server struct {
	cfg   Config
	log   *zap.Logger
	ready chan struct{}
	addr  atomic.Pointer[string]
}

// New returns a server that does nothing until Run.
func New(cfg Config, log *zap.Logger) *Server {
	return &Server{cfg: cfg.withDefaults(), log: log, ready: make(chan struct{})}
}

// Ready is closed once the server answers requests.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is the host:port bound, "" before Ready.
func (s *Server) Addr() string {
	if a := s.addr.Load(); a != nil {
		return *a
	}
	return ""
}

// Run listens, starts the engine and serves until ctx ends; then it lets
// running statements finish for DrainTimeout, cancels the rest, closes the
// engine and returns. A Server runs once.
func (s *Server) Run(ctx context.Context) (err error) {
	listener, err := listen(ctx, s.cfg.Addr)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := listener.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, cerr)
		}
	}()
	library, err := chdb.Locate(s.cfg.LibraryPath)
	if err != nil {
		return err
	}
	db, err := chdb.Open(library, s.cfg.DataDir, s.cfg.engineArgs()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	pool, err := newPool(db, s.cfg)
	if err != nil {
		return err
	}
	f, err := s.front(pool)
	if err != nil {
		pool.close(ctx)
		return err
	}
	s.log.Info("embedded ClickHouse started", zap.String("addr", listener.Addr().String()),
		zap.String("data_dir", db.Path()), zap.String("library", library), zap.String("version", db.LibraryVersion()))
	return s.serve(ctx, listener, f)
}

// serve runs the HTTP server until ctx ends, then drains.
func (s *Server) serve(ctx context.Context, listener net.Listener, f *front) error {
	srv := &http.Server{
		Handler:           f.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	addr := listener.Addr().String()
	s.addr.Store(&addr)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	close(s.ready)

	var errs []error
	select {
	case err := <-served:
		errs = append(errs, fmt.Errorf("serving ClickHouse's HTTP interface: %w", err))
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		errs = append(errs, srv.Close()) // ends the request contexts: reads are cancelled
	}
	if f.pool.close(drain) {
		s.log.Warn("statements still running at shutdown were cancelled", zap.Duration("drain_timeout", s.cfg.DrainTimeout))
	}
	return errors.Join(errs...)
}

// front asks the engine for what every answer's headers say.
func (s *Server) front(p *pool) (*front, error) {
	r, err := p.killer.Query("SELECT displayName(), timezone()", "TabSeparatedRaw", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the engine for its time zone: %w", err)
	}
	defer r.Close()
	name, zone, _ := strings.Cut(strings.TrimSpace(string(r.Bytes())), "\t")
	return &front{cfg: s.cfg, pool: p, log: s.log, hostname: name, timezone: zone}, nil
}

// listen says what to change when the port is taken.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the ClickHouse address %s is already in use: stop the other program "+
			"or choose another with --clickhouse-addr (or PARTNERPULSE_CLICKHOUSE_ADDR): %w", addr, err)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("no permission to listen on the ClickHouse address %s; choose another with --clickhouse-addr: %w", addr, err)
	}
	return nil, fmt.Errorf("listening on the ClickHouse address %s: %w", addr, err)
}
