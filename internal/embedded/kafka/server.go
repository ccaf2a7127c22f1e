package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
)

// Config of the embedded broker.
type Config struct {
	// Addr is the loopback host:port to listen on; port 0 takes a free one.
	Addr string
	// DataDir holds messages and group offsets. Empty keeps everything in memory,
	// for tests: nothing is deleted or compacted then.
	DataDir string
	// Partitions of topics created without a count; 0 is 12.
	Partitions int
	// NoSync leaves fsync to the operating system, as Apache Kafka does by
	// default: kill -9 then loses nothing that the kernel has, a power cut may.
	// The default syncs every batch before it is acknowledged.
	NoSync bool
}

const (
	partitionsDefault = 12
	lockFile          = "partnerpulse.lock"
	clusterID         = "partnerpulse-embedded"
)

// ErrBusy is wrapped when the address or the data directory is in use.
var ErrBusy = errors.New("already in use")

// Server is one embedded broker.
type Server struct {
	cfg   Config
	log   *zap.Logger
	ready chan struct{}

	mu      sync.Mutex
	addr    string
	cluster *kfake.Cluster // set with addr
}

// New makes a server; Run starts it.
func New(cfg Config, log *zap.Logger) *Server {
	if cfg.Partitions <= 0 {
		cfg.Partitions = partitionsDefault
	}
	return &Server{cfg: cfg, log: log, ready: make(chan struct{})}
}

// Ready is closed when clients can connect and Addr is known. It stays open
// when Run fails before.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is the bound host:port, empty before Ready.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Run serves until ctx ends, then stores everything and closes. A second Run
// of the same server is an error.
func (s *Server) Run(ctx context.Context) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	cluster, err := kfake.NewCluster(s.options(listener)...)
	if err != nil {
		_ = listener.Close()
		return fmt.Errorf("starting the embedded Kafka broker in %q: %w", s.cfg.DataDir, err)
	}
	defer cluster.Close()

	addr := listener.Addr().String()
	cleaner := &cleaner{cluster: cluster, addr: addr, dataDir: s.cfg.DataDir, log: s.log}
	if err := cleaner.restore(ctx); err != nil {
		return fmt.Errorf("restoring the retention of topics: %w", err)
	}
	s.mu.Lock()
	again := s.addr != ""
	s.addr, s.cluster = addr, cluster
	s.mu.Unlock()
	if again {
		return errors.New("starting the embedded Kafka broker: Run was called twice")
	}
	close(s.ready)
	s.log.Info("embedded Kafka broker is ready", zap.String("addr", addr), zap.String("data_dir", s.cfg.DataDir))
	var watching sync.WaitGroup
	watching.Go(func() { newSessions(cluster, addr, s.log).run(ctx) })
	cleaner.run(ctx)
	watching.Wait()
	return nil
}

func (s *Server) options(listener net.Listener) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID(clusterID),
		kfake.DefaultNumPartitions(s.cfg.Partitions),
		kfake.WithLogger(brokerLog{s.log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
		kfake.BrokerConfigs(map[string]string{cleanerIntervalKey: cleanerIntervalNever}),
	}
	if s.cfg.DataDir != "" {
		opts = append(opts, kfake.DataDir(filepath.Join(s.cfg.DataDir, "log")))
		if !s.cfg.NoSync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	return opts
}

// listen binds the address. Clients are told the bound address as the broker's,
// and the broker has no access control, so only loopback will do.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading --kafka-addr %q: %w", s.cfg.Addr, err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.cfg.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf(
			"embedded Kafka cannot listen on %s: the address is %w by another program; stop that, or choose another address with --kafka-addr (%s:0 takes a free port)",
			s.cfg.Addr, ErrBusy, host)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded Kafka cannot listen on %s (--kafka-addr): %w", s.cfg.Addr, err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		_ = listener.Close()
		return nil, fmt.Errorf("embedded Kafka has no access control and serves this machine only: --kafka-addr %s is not a loopback address", s.cfg.Addr)
	}
	return listener, nil
}

// lock makes sure that one process uses the directory. The kernel drops the
// lock with the process, however it ends.
func (s *Server) lock() (unlock func(), err error) {
	if s.cfg.DataDir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(s.cfg.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("creating the embedded Kafka's data directory: %w", err)
	}
	path := filepath.Join(s.cfg.DataDir, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the embedded Kafka's data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("embedded Kafka's data directory %s is %w by another process; stop that, or choose another one with --data-dir", s.cfg.DataDir, ErrBusy)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}

// brokerLog hands kfake's complaints to our log. Its info level reports every
// request, which is of no use here.
type brokerLog struct{ log *zap.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded Kafka", zap.String("detail", fmt.Sprintf(format, args...)))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded Kafka", zap.String("detail", fmt.Sprintf(format, args...)))
	default:
	}
}
