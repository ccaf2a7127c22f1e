package detect

import (
	"fmt"
	"math"
	"slices"
)

// Detector steps states. It is immutable and safe for concurrent use.
type Detector struct {
	cfg        Config
	hash       string
	decay      float64 // δ, per day
	logRatio   []float64
	weekday    [7]float64
	resolveAt  float64
	arl0       float64     // days
	limits     *bankLimits // of the tabulated bank; nil: thresholds
	thresholds *Thresholds
}

// New checks cfg and prepares the thresholds. With FormExact this takes about a
// tenth of a second of one core, and half a second for a bank that is not
// tabulated, so build one Detector and share it.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("checking detector: %w", err)
	}
	cfg.Ratios = append([]float64(nil), cfg.Ratios...)
	d := &Detector{
		cfg: cfg, hash: cfg.Hash(), decay: math.Exp2(-1 / cfg.HalfLifeDays),
		resolveAt: math.Log(cfg.ResolveDays), arl0: cfg.Budget(),
	}
	total := 0.0
	for _, w := range cfg.WeekdayProfile {
		total += w
	}
	for i, w := range cfg.WeekdayProfile {
		d.weekday[i] = w * 7 / total
	}
	for _, ratio := range cfg.Ratios {
		d.logRatio = append(d.logRatio, math.Log(ratio))
	}
	if cfg.Thresholds == FormExact && slices.Equal(cfg.Ratios, bankRatios[:]) {
		limits, err := newBankLimits(d.arl0, cfg.CautionSE, d.resolveAt, cfg.HalfLifeDays)
		d.limits = limits
		return d, err
	}
	d.thresholds = NewThresholds(cfg.Thresholds, cfg.Ratios, cfg.Dispersion, d.arl0*cfg.BankFactor)
	return d, nil
}

// Config gives the configuration.
func (d *Detector) Config() Config {
	cfg := d.cfg
	cfg.Ratios = append([]float64(nil), cfg.Ratios...)
	return cfg
}

// Hash identifies the configuration; it is in every State.
func (d *Detector) Hash() string { return d.hash }

// Input is what happened on one day.
type Input struct {
	// Sessions of the partner on the day. Range: 0 and more; negative counts as 0.
	Sessions int
	// Factor h_t is the tenant's observed ÷ expected activity on the day, so that a
	// holiday is not blamed on partners. 0, negative and NaN are taken as 1; a day on
	// which nothing can be expected is Frozen instead. Values above 100 count as 100.
	Factor float64
	// Frozen marks a day without meaning, such as an outage or missing ingestion:
	// nothing is expected and no statistic moves, but a session still shows that
	// the partner lives.
	Frozen bool
	// Dispersion is the size r of the negative binomial on this day, as estimated for
	// the tenant: +Inf is Poisson, 0 takes Config.Dispersion.
	Dispersion float64
	// PriorSessions and PriorDays are α₀ and β₀ on this day, as estimated for the
	// partner's segment; PriorDays 0 takes those of Config.
	PriorSessions, PriorDays float64
	// Rebaseline says that somebody accepted the new level on this day: what fires
	// ends as rebaselined, and the baseline restarts from the level since the change.
	Rebaseline bool
}

// RuleStatus is where one rule stands at the end of a day.
type RuleStatus struct {
	Status    Status  // ok, pending or firing
	Statistic float64 // nats; days for never_activated
	Threshold float64 // same unit; +Inf while there is too little baseline
	ChangeDay Day     // estimated first day of the new level, NoDay if none
}

// Observation is one day's result. Days are consecutive.
type Observation struct {
	Day          Day
	Sessions     int
	Expected     float64 // μ_t of the tested baseline, sessions on this very day
	BaselineRate float64 // λ̂ at the start of the day, sessions per average day
	CurrentRate  float64 // sessions per average day since the estimated change; the baseline if none
	Armed        bool    // enough baseline for a drop or ghosting
	// DetectablePct is the smallest drop, per cent, that is detected within 30 average
	// days on average; 0 when not even a stop would be, or when not armed.
	DetectablePct float64
	LastSeen      Day
	SilentDays    int
	Drop          RuleStatus
	Ghosting      RuleStatus
	Never         RuleStatus
	// Transitions of the day in the order ghosting, sessions_drop, never_activated.
	Transitions []Transition
}

// Step takes the next day, s.Next, and gives the state after it.
func (d *Detector) Step(s State, in Input) (State, Observation) {
	next := s.clone()
	obs := d.step(&next, in)
	return next, obs
}

// Run steps through consecutive days from s.Next on: the same as Step repeated.
func (d *Detector) Run(s State, days []Input) (State, []Observation) {
	s = s.clone()
	out := make([]Observation, 0, len(days))
	for _, in := range days {
		out = append(out, d.step(&s, in))
	}
	return s, out
}

// Inputs pairs counts with factors. A nil or shorter factors means 1.
func Inputs(counts []int, factors []float64) []Input {
	in := make([]Input, len(counts))
	for i, y := range counts {
		in[i] = Input{Sessions: y, Factor: 1}
		if i < len(factors) {
			in[i].Factor = factors[i]
		}
	}
	return in
}
