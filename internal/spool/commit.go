package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
)

// group is the appends that share one write and one fsync.
type group struct {
	parts []part
	bytes int64
	done  chan struct{} // closed when err is final
	err   error
}

// part is one append.
type part struct {
	frames  []byte
	records int64
	at      time.Time
}

// Append makes records durable together: nil means that all of them are on disk.
// Otherwise none is promised, yet some may be delivered. ErrFull says that the
// limit is reached. The first of several concurrent callers writes for all who
// came while the disk was busy; ctx ends the wait of the others.
func (s *Spool) Append(ctx context.Context, records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	p := part{records: int64(len(records)), at: time.Now()}
	size := 0
	for i := range records {
		size += frameHeaderBytes + bodyFixedBytes + len(records[i].Topic) + len(records[i].Key) + len(records[i].Value)
	}
	p.frames = make([]byte, 0, size)
	var err error
	for i := range records {
		if p.frames, err = appendFrame(p.frames, &records[i], p.at); err != nil {
			return err
		}
	}
	g, leads, err := s.join(p)
	if err != nil {
		s.metrics.appendErrors.WithLabelValues(reason(err)).Inc()
		return err
	}
	if leads {
		s.commit(g)
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the disk: %w", ctx.Err())
	}
	if g.err != nil {
		s.metrics.appendErrors.WithLabelValues(reason(g.err)).Inc()
		return g.err
	}
	s.metrics.appended.Add(float64(p.records))
	return nil
}

// reason names an error of Append in metrics.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrClosed):
		return "closed"
	}
	return "disk"
}

// join adds p to the group that is forming; who begins one leads it.
func (s *Spool) join(p part) (g *group, leads bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(len(p.frames))
	switch {
	case s.closed:
		return nil, false, ErrClosed
	case s.bytes+n > s.cfg.BytesMax:
		return nil, false, fmt.Errorf("%w: %d of %d bytes are used and %d more are needed", ErrFull, s.bytes, s.cfg.BytesMax, n)
	}
	s.bytes += n
	if s.pending == nil {
		s.pending, leads = &group{done: make(chan struct{})}, true
	}
	s.pending.parts = append(s.pending.parts, p)
	s.pending.bytes += n
	return s.pending, leads, nil
}

// commit writes g when the group before it is done. Until then others join it.
func (s *Spool) commit(g *group) {
	s.commitMu.Lock()
	s.mu.Lock()
	s.pending = nil
	closed := s.closed
	s.mu.Unlock()
	s.metrics.groupRequests.Observe(float64(len(g.parts)))
	var durable int64
	if closed {
		g.err = ErrClosed
	} else {
		durable, g.err = s.write(g.parts)
	}
	s.mu.Lock()
	s.bytes -= g.bytes - durable
	s.mu.Unlock()
	s.commitMu.Unlock()
	if g.err != nil {
		s.log.Error("writing to the spool", zap.Error(g.err))
	}
	s.wakeUp()
	close(g.done)
}

// write appends parts to the active segment, beginning the next one where it is
// full, and syncs. It gives how many bytes are durable. The caller holds commitMu.
func (s *Spool) write(parts []part) (durable int64, err error) {
	var written []part // to the active segment since the last sync
	flush := func() error {
		n, err := s.sync(written)
		durable += n
		written = nil
		return err
	}
	size := int64(0) // of the active segment, with what was not synced
	for _, p := range parts {
		if s.active != nil && size == 0 {
			size = s.active.size
		}
		if s.active != nil && size >= s.cfg.SegmentBytes {
			if err := flush(); err != nil {
				return durable, err
			}
			s.seal()
		}
		if s.active == nil {
			if err := s.begin(); err != nil {
				return durable, err
			}
			size = 0
		}
		sealFrames(p.frames, s.active.start)
		if _, err := s.active.file.Write(p.frames); err != nil {
			return durable, errors.Join(fmt.Errorf("writing to the spool: %w", err), s.abandon())
		}
		written = append(written, p)
		size += int64(len(p.frames))
	}
	return durable, flush()
}

// begin starts the next segment.
func (s *Spool) begin() error {
	seg, err := createSegment(s.cfg.Dir, s.nextSeq)
	s.nextSeq++ // also after an error: a name is never used twice
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, seg)
	s.active = seg
	return nil
}

// sync makes what was written to the active segment durable and visible to Run.
func (s *Spool) sync(written []part) (durable int64, err error) {
	if len(written) == 0 {
		return 0, nil
	}
	start := time.Now()
	err = s.active.file.Sync()
	s.metrics.fsyncSeconds.Observe(time.Since(start).Seconds())
	if err != nil {
		return 0, errors.Join(fmt.Errorf("syncing the spool: %w", err), s.abandon())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := s.active
	for _, p := range written {
		if seg.records == 0 {
			seg.oldest = p.at
		}
		if s.records == 0 {
			s.drained = make(chan struct{})
		}
		n := int64(len(p.frames))
		durable += n
		seg.size += n
		seg.records += p.records
		s.backlog += n
		s.records += p.records
	}
	return durable, nil
}

// seal ends the active segment; all of it is durable.
func (s *Spool) seal() {
	s.mu.Lock()
	seg := s.active
	file := seg.file
	seg.file, s.active = nil, nil
	s.mu.Unlock()
	if err := file.Close(); err != nil {
		s.log.Warn("closing a segment", zap.Error(err))
	}
}

// abandon ends the active segment after an error: what the kernel kept of an
// unfinished write or a failed fsync is unknown, so nothing is written after it.
func (s *Spool) abandon() error {
	seg := s.active
	err := seg.file.Truncate(seg.size)
	s.seal()
	s.wakeUp() // an empty one is removed by Run
	return err
}

// SetAside keeps records that can never be delivered in a file of their own, which
// no Run reads, and gives its path.
func (s *Spool) SetAside(records []Record) (path string, err error) {
	var frames []byte
	now := time.Now()
	for i := range records {
		if frames, err = appendFrame(frames, &records[i], now); err != nil {
			return "", err
		}
	}
	s.commitMu.Lock()
	seq := s.nextSeq
	s.nextSeq++
	s.commitMu.Unlock()
	seg, err := createSegment(s.cfg.Dir, seq)
	if err != nil {
		return "", err
	}
	sealFrames(frames, seg.start)
	_, err = seg.file.Write(frames)
	err = errors.Join(err, seg.file.Sync(), seg.file.Close())
	if err == nil {
		path = seg.path + asideSuffix
		err = os.Rename(seg.path, path)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("setting records aside: %w", err), os.Remove(seg.path))
	}
	s.metrics.setAside.Add(float64(len(records)))
	return path, syncDir(s.cfg.Dir)
}
