package detect

import (
	"errors"
	"slices"
)

// StateVersion is the version of State's form and meaning.
const StateVersion = 2

// ErrState is wrapped when a stored state cannot be continued: other version,
// other configuration, or damaged. The caller then starts again from day one.
var ErrState = errors.New("detector state cannot be continued")

// State is all that is remembered of a partner after a day, of a fixed size whatever
// the length of the history (see Encode). Make one with Detector.Start or
// Detector.Resume; treat it as a value: Step copies.
type State struct {
	Version int
	Config  string // Config.Hash
	First   Day    // first known day
	Next    Day    // the day that Step will take
	// LastSeen is the last day with a session, NoDay before the first.
	LastSeen Day
	// SilentDays counts the unfrozen days without a session since LastSeen, or since
	// First for a partner never seen.
	SilentDays int

	// Sessions and Exposure are a and b of the baseline, ExposureSq is Σδ²ᵏe and
	// Squares Σδᵏe², e the exposure of a day.
	Sessions   float64
	Exposure   float64
	ExposureSq float64
	Squares    float64
	Armed      bool // enough baseline to fire

	Guard []Past  // the newest days, oldest first, not yet in the baseline
	Bank  []Cusum // one per Config.Ratios
	Ghost Cusum   // ρ → 0

	Drop  Episode
	Quiet Episode
	Never Episode
}

// Past is one day in the guard.
type Past struct {
	Sessions int
	Exposure float64
}

// Cusum is one statistic and what happened since it was last zero.
type Cusum struct {
	S        float64 // nats
	Since    Day     // first day after the last zero; NoDay while zero
	Sessions int     // sessions since then
	Exposure float64 // exposure since then, average days
}

// Episode is the status of one rule.
type Episode struct {
	Status    Status // ok, pending or firing
	Sequence  int
	FiringDay Day
	Level     Cusum // what was seen since the estimated change, while firing
	Recovery  Cusum // the upward CUSUM, while firing
}

// clone copies s so that a step on the copy leaves s alone.
func (s State) clone() State {
	s.Guard = slices.Clone(s.Guard)
	s.Bank = slices.Clone(s.Bank)
	return s
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
