package chstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
)

// Store is a pool of connections to one ClickHouse database. It is safe for
// concurrent use.
type Store struct {
	cfg     Config
	conn    driver.Conn
	post    *poster // nil: inserts go by the driver
	log     *zap.Logger
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec

	mu      sync.Mutex
	columns map[string][]clickhouse.ColumnNameAndType // insertable columns by table
}

// Params are values for {name:Type} placeholders, bound by the server and so
// never part of the statement's text. Strings, numbers, time.Time and slices of
// them are accepted.
type Params map[string]any

// Open prepares the pool. It does no I/O: an unreachable server shows in Ping.
func Open(cfg Config, log *zap.Logger, reg prometheus.Registerer) (*Store, error) {
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	instrument(opts)
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	f := promauto.With(reg)
	return &Store{
		cfg: cfg, conn: conn, post: newPoster(cfg, opts), log: log,
		columns: make(map[string][]clickhouse.ColumnNameAndType),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "partnerpulse_clickhouse_statement_seconds",
			Help:    "Time of ClickHouse statements by kind.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 11),
		}, []string{"kind"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_clickhouse_errors_total",
			Help: "Failed ClickHouse statements by kind.",
		}, []string{"kind"}),
	}, nil
}

// Close closes the pool.
func (s *Store) Close() error {
	if s.post != nil {
		s.post.close()
	}
	return s.conn.Close()
}

// Ping asks the server for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	return s.observe("ping", func() error { return s.conn.Ping(ctx) })
}

// Exec runs a statement that returns no rows.
func (s *Store) Exec(ctx context.Context, query string, p Params) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.observe("exec", func() error { return s.conn.Exec(ctx, query, p.named()...) })
}

// Select runs query and scans all rows into dest, a pointer to a slice of structs
// with `ch:"column"` tags.
func (s *Store) Select(ctx context.Context, dest any, query string, p Params) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.observe("select", func() error { return s.conn.Select(ctx, dest, query, p.named()...) })
}

func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.cfg.QueryTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.QueryTimeout)
}

func (s *Store) observe(kind string, run func() error) error {
	start := time.Now()
	err := run()
	s.seconds.WithLabelValues(kind).Observe(time.Since(start).Seconds())
	if err != nil {
		s.errors.WithLabelValues(kind).Inc()
	}
	return err
}

func (p Params) named() []any {
	args := make([]any, 0, len(p))
	for name, value := range p {
		args = append(args, clickhouse.Named(name, value))
	}
	return args
}
