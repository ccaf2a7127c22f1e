package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// StateVersion is the version of State's form and meaning.
const StateVersion = 1

// ErrState is wrapped when a stored state cannot be continued: other version,
// other configuration, or damaged. The caller then starts again from day one.
var ErrState = errors.New("detector state cannot be continued")

// State is all that is remembered of a partner after a day: about 1 KB of JSON
// with the default guard, whatever the length of the history. It survives
// encoding/json unchanged (Go writes the shortest digits that read back to the
// same float64). Make one with Detector.Start or Detector.Resume; treat it as a
// value: Step copies.
type State struct {
	Version int    `json:"version"`
	Config  string `json:"config"` // Config.Hash
	First   Day    `json:"first"`  // first known day
	Next    Day    `json:"next"`   // the day that Step will take
	// LastSeen is the last day with a session, NoDay before the first.
	LastSeen Day `json:"last_seen"`
	// SilentDays counts the unfrozen days without a session since LastSeen, or since
	// First for a partner never seen.
	SilentDays int `json:"silent_days"`

	// Sessions, Exposure and ExposureSq are a, b and Σδ²ᵏs² of the baseline.
	Sessions   float64 `json:"a"`
	Exposure   float64 `json:"b"`
	ExposureSq float64 `json:"b2"`
	Armed      bool    `json:"armed"` // enough baseline to fire

	Guard []Past  `json:"guard"` // the newest days, oldest first, not yet in the baseline
	Bank  []Cusum `json:"bank"`  // one per Config.Ratios
	Ghost Cusum   `json:"ghost"` // ρ → 0

	Drop  Episode `json:"drop"`
	Quiet Episode `json:"ghosting"`
	Never Episode `json:"never_activated"`
}

// Past is one day in the guard.
type Past struct {
	Sessions int     `json:"y"`
	Exposure float64 `json:"e"`
}

// Cusum is one statistic and what happened since it was last zero.
type Cusum struct {
	S        float64 `json:"s"`     // nats
	Since    Day     `json:"since"` // first day after the last zero; NoDay while zero
	Sessions int     `json:"y"`     // sessions since then
	Exposure float64 `json:"e"`     // exposure since then, average days
}

// Episode is the status of one rule.
type Episode struct {
	Status    Status `json:"status"` // ok, pending or firing
	Sequence  int    `json:"sequence"`
	FiringDay Day    `json:"firing_day"`
	Level     Cusum  `json:"level"`    // what was seen since the estimated change, while firing
	Recovery  Cusum  `json:"recovery"` // the upward CUSUM, while firing
}

// clone copies s so that a step on the copy leaves s alone.
func (s State) clone() State {
	s.Guard = slices.Clone(s.Guard)
	s.Bank = slices.Clone(s.Bank)
	return s
}

// Encode gives the JSON of the state. Equal states give equal bytes.
func (s State) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding detector state: %w", err)
	}
	return b, nil
}

// Start gives the state of a partner before its first known day: the day of its
// first event or of its entry in the directory, whichever is earlier.
func (d *Detector) Start(first Day) State {
	idle := Episode{Status: StatusOK}
	return State{
		Version: StateVersion, Config: d.hash, First: first, Next: first,
		Guard: make([]Past, 0, d.cfg.GuardDays), Bank: make([]Cusum, len(d.cfg.Ratios)),
		Drop: idle, Quiet: idle, Never: idle,
	}
}

// Resume reads a state that Encode wrote. The error wraps ErrState when it was
// made by another version or configuration or is damaged.
func (d *Detector) Resume(b []byte) (State, error) {
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	switch {
	case s.Version != StateVersion:
		return State{}, fmt.Errorf("%w: version %d, need %d", ErrState, s.Version, StateVersion)
	case s.Config != d.hash:
		return State{}, fmt.Errorf("%w: configuration %q, need %q", ErrState, s.Config, d.hash)
	case len(s.Bank) != len(d.cfg.Ratios) || len(s.Guard) > d.cfg.GuardDays || s.Next < s.First:
		return State{}, fmt.Errorf("%w: damaged", ErrState)
	}
	for _, v := range [...]float64{s.Sessions, s.Exposure, s.ExposureSq, s.Ghost.S} {
		if v < 0 || math.IsNaN(v) {
			return State{}, fmt.Errorf("%w: damaged", ErrState)
		}
	}
	if s.Guard == nil {
		s.Guard = make([]Past, 0, d.cfg.GuardDays)
	}
	return s, nil
}
