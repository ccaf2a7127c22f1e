package spool

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// Deliver hands records to their destination; nil means that all are durable
// there. The records may be kept.
type Deliver func(ctx context.Context, records []Record) error

// batch is what is delivered at once, from one segment.
type batch struct {
	seg     *segment
	end     int64 // bytes of the segment that are done with it
	records []Record
	last    time.Time // append of the last record
}

// reader is where Run stands.
type reader struct {
	seg  *segment
	at   int64  // of data in the segment
	data []byte // read from the file and not yet looked at
}

// Run delivers records in their order until ctx ends, each batch as often as it
// takes. Only one Run may be active.
func (s *Spool) Run(ctx context.Context, deliver Deliver) error {
	var r reader
	pause := s.cfg.PauseMin
	var b *batch
	for ctx.Err() == nil {
		stage, err := "read", error(nil)
		if b == nil {
			b, err = s.next(&r)
		}
		if err == nil && b != nil {
			stage, err = "deliver", deliver(ctx, b.records)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			s.metrics.replayErrors.WithLabelValues(stage).Inc()
			s.log.Warn("delivering from the spool", zap.String("stage", stage), zap.Error(err), zap.Duration("pause", pause))
			sleep(ctx, pause)
			pause = min(2*pause, s.cfg.PauseMax)
		case err != nil:
		case b != nil:
			s.delivered(b)
			b, pause = nil, s.cfg.PauseMin
		default:
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// next gives the next batch, nil when there is nothing. Segments that are done
// with are removed on the way.
func (s *Spool) next(r *reader) (*batch, error) {
	for {
		if len(r.data) > 0 {
			if b := s.decode(r); b != nil {
				return b, nil
			}
		}
		s.mu.Lock()
		if len(s.segments) == 0 {
			s.mu.Unlock()
			return nil, nil
		}
		seg := s.segments[0]
		if r.seg != seg {
			*r = reader{seg: seg, at: seg.read}
		}
		end, active := seg.size, seg == s.active
		s.mu.Unlock()
		if r.at < end {
			data, err := seg.load(r.at, end)
			s.setReadErr(err)
			if err != nil {
				return nil, err
			}
			r.data = data
			continue
		}
		if active && !s.sealDrained(seg, end) {
			continue // more was appended
		}
		if err := s.drop(seg); err != nil {
			return nil, err
		}
	}
}

func (s *Spool) setReadErr(err error) {
	s.mu.Lock()
	s.readErr = err
	s.mu.Unlock()
}

// decode takes a batch from what was read; nil when no record is left in it.
func (s *Spool) decode(r *reader) *batch {
	b := &batch{seg: r.seg}
	bytes := int64(0)
	for len(r.data) > 0 && len(b.records) < s.cfg.BatchRecordsMax {
		f, err := decodeFrame(r.data, r.seg.start)
		if err != nil {
			s.skip(r)
			continue
		}
		if len(b.records) > 0 && bytes+int64(f.bytes) > s.cfg.BatchBytesMax {
			break
		}
		bytes += int64(f.bytes)
		b.records = append(b.records, f.Record)
		b.last = f.at
		r.at += int64(f.bytes)
		r.data = r.data[f.bytes:]
	}
	b.end = r.at
	if len(b.records) == 0 {
		return nil
	}
	return b
}

// skip passes over bytes that are no frame.
func (s *Spool) skip(r *reader) {
	n, more := nextFrame(r.data, r.seg.start)
	kind := "torn"
	if more {
		kind = "damaged"
		s.mu.Lock()
		r.seg.damaged = true
		s.mu.Unlock()
	}
	s.metrics.skippedBytes.WithLabelValues(kind).Add(float64(n))
	s.log.Error("bytes in the spool are no record", zap.String("kind", kind),
		zap.String("file", r.seg.path), zap.Int64("offset", r.at), zap.Int("bytes", n))
	r.at += int64(n)
	r.data = r.data[n:]
}

// delivered notes that b is done.
func (s *Spool) delivered(b *batch) {
	n := int64(len(b.records))
	s.metrics.replayed.Add(float64(n))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog -= b.end - b.seg.read
	b.seg.read = b.end
	b.seg.oldest = b.last
	b.seg.records -= n
	s.take(n)
}

// take counts n records as gone. The caller holds mu.
func (s *Spool) take(n int64) {
	if n == 0 {
		return
	}
	s.records -= n
	if s.records == 0 {
		close(s.drained)
	}
}

// sealDrained ends the active segment unless it has grown beyond end, so that its
// space is given back.
func (s *Spool) sealDrained(seg *segment, end int64) bool {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	more := seg.size > end
	stillActive := s.active == seg
	s.mu.Unlock()
	if more {
		return false
	}
	if stillActive {
		s.seal()
	}
	return true
}

// drop removes a segment that was worked off.
func (s *Spool) drop(seg *segment) error {
	if err := seg.remove(); err != nil {
		return fmt.Errorf("removing a segment: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.Delete(s.segments, 0, 1)
	s.bytes -= seg.size
	s.backlog -= seg.size - seg.read
	if seg.records > 0 { // counted when they were written, and not found any more
		s.metrics.lostRecords.Add(float64(seg.records))
		s.take(seg.records)
		seg.records = 0
	}
	return nil
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
