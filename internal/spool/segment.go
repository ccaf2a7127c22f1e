package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	segmentSuffix = ".spool"
	damagedSuffix = ".damaged"
	asideSuffix   = ".undeliverable"
	lockName      = "LOCK"
)

// segment is one file. The spool's mutex guards all that changes.
type segment struct {
	path  string
	seq   uint64
	start uint32 // checksum of the name, where those of the frames begin

	file    *os.File // open for appending; nil once sealed
	size    int64    // bytes that are durable
	read    int64    // bytes that were delivered
	records int64    // durable and not delivered
	oldest  time.Time
	damaged bool // there is something between frames
}

// newSegment gives the segment of a name, which need not exist.
func newSegment(dir string, seq uint64, seed [8]byte) *segment {
	var name [16]byte
	binary.LittleEndian.PutUint64(name[:], seq)
	copy(name[8:], seed[:])
	return &segment{
		path: filepath.Join(dir, fmt.Sprintf("%016x-%x%s", seq, seed, segmentSuffix)),
		seq:  seq, start: crc32.Checksum(name[:], castagnoli),
	}
}

// createSegment makes the file of a new segment, durably: its name is needed to
// read it.
func createSegment(dir string, seq uint64) (*segment, error) {
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("drawing a seed: %w", err)
	}
	s := newSegment(dir, seq, seed)
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating a segment: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("syncing the spool directory: %w", err), f.Close(), os.Remove(s.path))
	}
	s.file = f
	return s, nil
}

// parseName gives the segment of a file name, nil for other files.
func parseName(dir, name string) *segment {
	var seq uint64
	var seed []byte
	base, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return nil
	}
	if n, err := fmt.Sscanf(base, "%16x-%16x", &seq, &seed); n != 2 || err != nil || len(seed) != 8 {
		return nil
	}
	s := newSegment(dir, seq, [8]byte(seed))
	if filepath.Base(s.path) != name {
		return nil
	}
	return s
}

// scan reads a segment of an earlier process and counts what it holds.
func (s *segment) scan() error {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return fmt.Errorf("reading a segment: %w", err)
	}
	s.size = int64(len(b))
	for len(b) > 0 {
		f, err := decodeFrame(b, s.start)
		if err != nil {
			skip, _ := nextFrame(b, s.start)
			b = b[skip:]
			continue
		}
		if s.records == 0 {
			s.oldest = f.at
		}
		s.records++
		b = b[f.bytes:]
	}
	return nil
}

// load reads what of the segment's durable bytes was not delivered.
func (s *segment) load(from, to int64) ([]byte, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("opening a segment: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	b := make([]byte, to-from)
	if _, err := io.ReadFull(io.NewSectionReader(f, from, to-from), b); err != nil {
		return nil, fmt.Errorf("reading a segment: %w", err)
	}
	return b, nil
}

// remove deletes the file, or sets it aside when it is damaged.
func (s *segment) remove() error {
	var err error
	if s.damaged {
		err = os.Rename(s.path, s.path+damagedSuffix)
	} else {
		err = os.Remove(s.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// findSegments lists the segments in dir, oldest first, without those that hold
// no record.
func findSegments(dir string) (kept, empty []*segment, err error) {
	entries, err := os.ReadDir(dir) // sorted by name, and so by sequence
	if err != nil {
		return nil, nil, fmt.Errorf("listing the spool: %w", err)
	}
	for _, e := range entries {
		s := parseName(dir, e.Name())
		if s == nil {
			continue
		}
		if err := s.scan(); err != nil {
			return nil, nil, err
		}
		if s.records == 0 {
			empty = append(empty, s)
			continue
		}
		kept = append(kept, s)
	}
	return kept, empty, nil
}

// ErrLocked says that another process uses the directory.
var ErrLocked = errors.New("the spool directory is used by another process")

// lockDir holds dir for this process until the file is closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the spool's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s (give each collector a directory of its own)", ErrLocked, dir)
		}
		return nil, fmt.Errorf("locking the spool: %w", err)
	}
	return f, nil
}

// syncDir makes names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
