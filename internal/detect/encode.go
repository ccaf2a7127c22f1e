package detect

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
)

// Encode gives the text of the state, about 300 bytes with the default guard: the
// fields in order, integers as varints, floats as their eight bytes, in base64 so
// that a column of text can hold it. Equal states give equal bytes, and nothing is
// rounded.
func (s State) Encode() ([]byte, error) {
	config, err := hex.DecodeString(s.Config)
	if err != nil || len(config) != configBytes {
		return nil, fmt.Errorf("encoding detector state: configuration %q is not a hash", s.Config)
	}
	w := writer{b: make([]byte, 0, 320)}
	w.int(s.Version)
	w.b = append(w.b, config...)
	w.day(s.First)
	w.int(int(s.Next - s.First))
	w.day(s.LastSeen)
	w.int(s.SilentDays)
	w.float(s.Sessions)
	w.float(s.Exposure)
	w.float(s.ExposureSq)
	w.float(s.Squares)
	w.bool(s.Armed)
	w.int(len(s.Guard))
	for _, p := range s.Guard {
		w.int(p.Sessions)
		w.float(p.Exposure)
	}
	w.int(len(s.Bank))
	for i := range s.Bank {
		w.cusum(&s.Bank[i])
	}
	w.cusum(&s.Ghost)
	for _, e := range []*Episode{&s.Drop, &s.Quiet, &s.Never} {
		if err := w.episode(e); err != nil {
			return nil, err
		}
	}
	return base64.RawStdEncoding.AppendEncode(nil, w.b), nil
}

// Resume reads a state that Encode wrote. The error wraps ErrState when it was
// made by another version or configuration or is damaged.
func (d *Detector) Resume(b []byte) (State, error) {
	raw, err := base64.RawStdEncoding.AppendDecode(nil, b)
	if err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	r := reader{b: raw}
	s := State{Version: r.int()}
	if r.failed || s.Version != StateVersion {
		return State{}, fmt.Errorf("%w: version %d, need %d", ErrState, s.Version, StateVersion)
	}
	s.Config = hex.EncodeToString(r.take(configBytes))
	if s.Config != d.hash {
		return State{}, fmt.Errorf("%w: configuration %q, need %q", ErrState, s.Config, d.hash)
	}
	s.First = r.day()
	s.Next = s.First + Day(r.int())
	s.LastSeen, s.SilentDays = r.day(), r.int()
	s.Sessions, s.Exposure, s.ExposureSq, s.Squares, s.Armed = r.float(), r.float(), r.float(), r.float(), r.bool()
	guard := r.int()
	if r.failed || guard < 0 || guard > d.cfg.GuardDays {
		return State{}, fmt.Errorf("%w: damaged", ErrState)
	}
	s.Guard = make([]Past, guard, d.cfg.GuardDays)
	for i := range s.Guard {
		s.Guard[i] = Past{Sessions: r.int(), Exposure: r.float()}
	}
	if r.int() != len(d.cfg.Ratios) {
		return State{}, fmt.Errorf("%w: damaged", ErrState)
	}
	s.Bank = make([]Cusum, len(d.cfg.Ratios))
	for i := range s.Bank {
		s.Bank[i] = r.cusum()
	}
	s.Ghost = r.cusum()
	s.Drop, s.Quiet, s.Never = r.episode(), r.episode(), r.episode()
	if r.failed || len(r.b) > 0 || !s.plausible() {
		return State{}, fmt.Errorf("%w: damaged", ErrState)
	}
	return s, nil
}

// plausible refuses what no step leaves behind and a step could not continue.
func (s *State) plausible() bool {
	for _, v := range [...]float64{s.Sessions, s.Exposure, s.ExposureSq, s.Squares, s.Ghost.S, s.Ghost.Exposure} {
		if !(v >= 0) {
			return false
		}
	}
	return s.Next >= s.First && s.SilentDays >= 0
}

// configBytes is the length of Config.Hash in bytes.
const configBytes = 8

// statuses are written by their place.
var statuses = [...]Status{StatusOK, StatusPending, StatusFiring}

type writer struct{ b []byte }

func (w *writer) int(v int)       { w.b = binary.AppendVarint(w.b, int64(v)) }
func (w *writer) day(d Day)       { w.int(int(d)) }
func (w *writer) float(v float64) { w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(v)) }

func (w *writer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

// cusum is a byte for one that is zero, as most are.
func (w *writer) cusum(c *Cusum) {
	w.bool(*c != Cusum{})
	if *c != (Cusum{}) {
		w.float(c.S)
		w.day(c.Since)
		w.int(c.Sessions)
		w.float(c.Exposure)
	}
}

func (w *writer) episode(e *Episode) error {
	place := -1
	for i, status := range statuses {
		if e.Status == status {
			place = i
		}
	}
	if place < 0 {
		return fmt.Errorf("encoding detector state: an episode cannot be %q", e.Status)
	}
	w.int(place)
	w.int(e.Sequence)
	w.day(e.FiringDay)
	w.cusum(&e.Level)
	w.cusum(&e.Recovery)
	return nil
}

// intMax bounds integers to what sums of counts can reach.
const intMax = 1 << 53

// reader reads what writer wrote; after a failure everything is zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.failed, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) int() int {
	v, n := binary.Varint(r.b)
	if n <= 0 || v > intMax || v < -intMax {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) day() Day {
	v := r.int()
	if v > math.MaxInt32/2 || v < math.MinInt32/2 {
		r.failed = true
		return 0
	}
	return Day(v)
}

func (r *reader) float() float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
}

func (r *reader) bool() bool { return r.take(1)[0] == 1 }

func (r *reader) cusum() Cusum {
	if !r.bool() {
		return Cusum{}
	}
	return Cusum{S: r.float(), Since: r.day(), Sessions: r.int(), Exposure: r.float()}
}

func (r *reader) episode() Episode {
	var e Episode
	if place := r.int(); place >= 0 && place < len(statuses) {
		e.Status = statuses[place]
	} else {
		r.failed = true
	}
	e.Sequence, e.FiringDay, e.Level, e.Recovery = r.int(), r.day(), r.cusum(), r.cusum()
	return e
}
