package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Errors of Append.
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")
)

// Spool is a queue on disk. Append, Stats and the like are safe for concurrent use.
type Spool struct {
	cfg     Config
	log     *zap.Logger
	metrics *metrics
	lock    *os.File
	wake    chan struct{} // tells Run that there is something

	commitMu sync.Mutex // held while writing; taken before mu

	mu       sync.Mutex
	closed   bool
	segments []*segment // oldest first
	active   *segment   // the last of segments while it is appended to; nil: none
	nextSeq  uint64
	bytes    int64 // of all files, and of appends under way
	records  int64 // durable and not delivered
	backlog  int64 // bytes durable and not delivered
	pending  *group
	drained  chan struct{} // closed while records is 0
	readErr  error         // why Run cannot read
}

// Open locks the directory, making it if it is missing, and finds what an earlier
// process left. It starts nothing: Run delivers.
func Open(cfg Config, log *zap.Logger, reg prometheus.Registerer) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the spool: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the spool directory: %w", err)
	}
	if err := syncDir(filepath.Dir(cfg.Dir)); err != nil {
		return nil, fmt.Errorf("syncing the directory above the spool: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{cfg: cfg, log: log, lock: lock, wake: make(chan struct{}, 1), nextSeq: 1, drained: make(chan struct{})}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.metrics = newMetrics(reg, s)
	return s, nil
}

// recover takes over the segments of earlier processes.
func (s *Spool) recover() error {
	kept, empty, err := findSegments(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, seg := range empty { // torn before the first record was durable
		if err := seg.remove(); err != nil {
			return fmt.Errorf("removing an empty segment: %w", err)
		}
		s.nextSeq = max(s.nextSeq, seg.seq+1)
	}
	for _, seg := range kept {
		s.bytes += seg.size
		s.backlog += seg.size
		s.records += seg.records
		s.nextSeq = max(s.nextSeq, seg.seq+1)
	}
	s.segments = kept
	if s.records == 0 {
		close(s.drained)
		return nil
	}
	s.log.Info("the spool holds records of an earlier run", zap.Int64("records", s.records),
		zap.Int64("bytes", s.bytes), zap.Time("oldest", kept[0].oldest))
	return nil
}

// Stats is the state at one moment.
type Stats struct {
	Bytes   int64     // of the files
	Records int64     // not delivered
	Backlog int64     // bytes not delivered
	Oldest  time.Time // append of the oldest record that is not delivered, or somewhat earlier
}

// Stats gives the present state.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Bytes: s.bytes, Records: s.records, Backlog: s.backlog}
	for _, seg := range s.segments {
		if seg.records > 0 {
			st.Oldest = seg.oldest
			break
		}
	}
	return st
}

// Drained is closed when every record was delivered. A later append does not open
// it again: ask for it anew.
func (s *Spool) Drained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drained
}

// Empty tells whether every record was delivered.
func (s *Spool) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records == 0
}

// Ready fails from the soft limit on, while there is still room, and when the
// files cannot be read.
func (s *Spool) Ready(context.Context) error {
	st := s.Stats()
	s.mu.Lock()
	readErr := s.readErr
	s.mu.Unlock()
	if readErr != nil {
		return fmt.Errorf("the spool cannot be read: %w", readErr)
	}
	if st.Bytes < s.cfg.soft() {
		return nil
	}
	return fmt.Errorf("the spool is nearly full: %d of %d bytes (soft limit %d), %d records since %s wait for Kafka",
		st.Bytes, s.cfg.BytesMax, s.cfg.soft(), st.Records, st.Oldest.UTC().Format(time.RFC3339))
}

// Close ends appends and lets another process have the directory. What was not
// delivered stays for the next Open. Run must have returned.
func (s *Spool) Close() error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.active != nil {
		err = s.active.file.Close()
		s.active.file, s.active = nil, nil
	}
	return errors.Join(err, s.lock.Close())
}

// wakeUp tells Run that something changed.
func (s *Spool) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
