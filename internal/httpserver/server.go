// Package httpserver runs HTTP listeners: bounded times and headers, health and
// metrics endpoints beside a role's own handler, and a drain on stop.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Config bounds a listener.
type Config struct {
	// Addr is host:port; port 0 takes a free one.
	Addr string `yaml:"addr"`
	// ReadHeaderTimeout bounds a request's header, ReadTimeout the whole request,
	// WriteTimeout the answer, IdleTimeout an unused connection.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	ReadTimeout       time.Duration `yaml:"read_timeout"`
	WriteTimeout      time.Duration `yaml:"write_timeout"`
	IdleTimeout       time.Duration `yaml:"idle_timeout"`
	// DrainTimeout bounds waiting for requests under way when stopping.
	DrainTimeout   time.Duration `yaml:"drain_timeout"`
	HeaderBytesMax int           `yaml:"header_bytes_max"`
	// ConnectionsMax bounds the open connections; further ones wait. 0: no limit.
	ConnectionsMax int       `yaml:"connections_max"`
	AccessLog      AccessLog `yaml:"access_log"`
}

// DefaultConfig listens on addr with bounds that suit short requests.
func DefaultConfig(addr string) Config {
	return Config{
		Addr: addr, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		DrainTimeout: 15 * time.Second, HeaderBytesMax: 32 << 10,
		ConnectionsMax: 8192, AccessLog: AccessLog{FailurePerSecond: 5},
	}
}

// Check tells whether a part is ready to work; nil is ready.
type Check func(ctx context.Context) error

// Listen binds addr. A busy port is told with setting, the flag or key that changes it.
func Listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("address %s is in use by another process: stop it, or choose another with %s (port 0 takes a free one): %w",
			addr, setting, err)
	case err != nil:
		return nil, fmt.Errorf("listening on %s (%s): %w", addr, setting, err)
	}
	return l, nil
}

// Server serves one listener.
type Server struct {
	cfg      Config
	handler  http.Handler
	log      *zap.Logger
	listener net.Listener
	draining atomic.Bool
}

// New prepares a server of role's handler on l, which Run closes. /healthz, /readyz
// and /metrics are added.
func New(cfg Config, l net.Listener, role http.Handler, ready Check, reg prometheus.Gatherer, log *zap.Logger) *Server {
	if cfg.ConnectionsMax > 0 {
		l = newLimitListener(l, cfg.ConnectionsMax, log)
	}
	s := &Server{cfg: cfg, log: log, listener: l}
	mux := http.NewServeMux()
	mux.Handle("/", cfg.AccessLog.logged(role, log))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			writeText(w, http.StatusServiceUnavailable, "draining")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		writeText(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	s.handler = mux
	return s
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// Run serves until ctx ends, then refuses new connections and waits for those
// under way.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: s.cfg.ReadHeaderTimeout, ReadTimeout: s.cfg.ReadTimeout,
		WriteTimeout: s.cfg.WriteTimeout, IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: s.cfg.HeaderBytesMax,
		ErrorLog: zap.NewStdLog(s.log),
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.draining.Store(true)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
		defer cancel()
		err := srv.Shutdown(drain)
		if err != nil {
			err = errors.Join(fmt.Errorf("draining %v: %w", s.listener.Addr(), err), srv.Close())
		}
		stopped <- err
	}()
	if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return errors.Join(fmt.Errorf("serving %v: %w", s.listener.Addr(), err), <-stopped)
	}
	return <-stopped
}
