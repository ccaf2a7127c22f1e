// Package score is the engagement score as a pure function: daily inputs of a
// partner in, one explained score per day out. The SQL of the aggregator computes
// the same numbers; a property test holds it to this package.
//
// All sums are integers, so the order of events cannot matter: inputs are
// millionths, decay weights are 2^30ths, sub-scores are thousandths of a point,
// weights are thousandths and points are millionths.
package score

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Component is one part of the score.
type Component int

// The components, in the order of every list of this package.
const (
	Activity Component = iota
	Content
	Training
	Pipeline
	Sentiment
	ComponentCount
)

// String is the component's name in columns and messages.
func (c Component) String() string {
	return [...]string{"activity", "content", "training", "pipeline", "sentiment"}[c]
}

// Units of the fixed-point numbers.
const (
	InputUnit  = 1_000_000 // inputs v and points
	SubUnit    = 1_000     // sub-scores and coverage, weights of components
	DecayUnit  = 1 << 30   // decay weights
	SubMax     = 100 * SubUnit
	PointsMax  = 100 * InputUnit
	CountedMax = 20 // counted events per user, day and type
)

// Inputs v in millionths (the score's table of components).
const (
	ValueActiveUser = 1 * InputUnit
	ValueProgressed = InputUnit / 4
	ValueCompleted  = 1 * InputUnit
	ValueCertified  = 2 * InputUnit
	ValueRegistered = 3 * InputUnit
	ValueForward    = 2 * InputUnit
	ValueWon        = 4 * InputUnit
)

// ComponentModel is the configuration of one component.
type ComponentModel struct {
	// Weight is w, 0–1 in steps of 0.001. The weights sum to 1.
	Weight float64 `json:"weight" yaml:"weight"`
	// HalfLifeDays is H. Range: 1–3650.
	HalfLifeDays float64 `json:"half_life_days" yaml:"half_life_days"`
	// Bar is U, the decayed sum that earns 100; > 0. Sentiment has none.
	Bar float64 `json:"bar" yaml:"bar"`
	// Imputed is the sub-score, 0–100, while the tenant sends no such events: the
	// median of the segment, frozen with the model.
	Imputed float64 `json:"imputed" yaml:"imputed"`
}

// Model is everything that turns inputs into a score. A change of any field must
// come with another Version.
type Model struct {
	Version   string         `json:"version" yaml:"version"`
	Activity  ComponentModel `json:"activity" yaml:"activity"`
	Content   ComponentModel `json:"content" yaml:"content"`
	Training  ComponentModel `json:"training" yaml:"training"`
	Pipeline  ComponentModel `json:"pipeline" yaml:"pipeline"`
	Sentiment ComponentModel `json:"sentiment" yaml:"sentiment"`

	// ComplianceShare is how much of the training sub-score is compliance with the
	// commitment. Range: 0–1 in steps of 0.001.
	ComplianceShare float64 `json:"compliance_share" yaml:"compliance_share"`
	// CadenceDays is the training cadence where none is committed to: one completion
	// in so many days. Range: 1–3660.
	CadenceDays int `json:"cadence_days" yaml:"cadence_days"`
	// NPSPrior is the tenant's mean NPS, −100–100, frozen with the model, and
	// NPSPseudoResponses how many responses it weighs.
	NPSPrior           float64 `json:"nps_prior" yaml:"nps_prior"`
	NPSPseudoResponses int     `json:"nps_pseudo_responses" yaml:"nps_pseudo_responses"`
	// CoverageMin is the coverage below which there is no score. Range: 0–1.
	CoverageMin float64 `json:"coverage_min" yaml:"coverage_min"`
	// SteadyFrom and StrongFrom are the tiers' boundaries in points, TierMargin how
	// far past one a score must be, two days running, for the tier to change.
	SteadyFrom float64 `json:"steady_from" yaml:"steady_from"`
	StrongFrom float64 `json:"strong_from" yaml:"strong_from"`
	TierMargin float64 `json:"tier_margin" yaml:"tier_margin"`

	// CountedMax is how many events of a user, day and type count. Range: 1–100,000;
	// 0 is 20. It is counted into the daily inputs, so a tenant has one at a time.
	CountedMax int `json:"counted_max,omitempty" yaml:"counted_max"`
	// Segments have bars of their own, frozen from the tenant's data.
	Segments map[string]Segment `json:"segments,omitempty" yaml:"segments"`
	// FrozenAsOf is the day whose data the bars are from, YYYY-MM-DD; empty: not frozen.
	FrozenAsOf string `json:"frozen_as_of,omitempty" yaml:"frozen_as_of"`
}

// DefaultModel is model "1". Its bars are round numbers near the 80th percentile of
// the simulated programme, what a busy partner of a mid-size programme sustains:
// two to three active users on every working day (activity), two well-read documents
// on each (content), a certification and eight completions in half a year (training),
// and a deal registered every ten days with a stage won in between and one in three
// deals won (pipeline). Freezing the 80th percentile of each segment makes another
// version. Missing feeds are imputed with the middle of the scale.
func DefaultModel() Model {
	return Model{
		Version:         "1",
		Activity:        ComponentModel{Weight: .20, HalfLifeDays: 14, Bar: 50, Imputed: 50},
		Content:         ComponentModel{Weight: .15, HalfLifeDays: 30, Bar: 100, Imputed: 50},
		Training:        ComponentModel{Weight: .25, HalfLifeDays: 90, Bar: 10, Imputed: 50},
		Pipeline:        ComponentModel{Weight: .30, HalfLifeDays: 45, Bar: 40, Imputed: 50},
		Sentiment:       ComponentModel{Weight: .10, HalfLifeDays: 180, Imputed: 50},
		ComplianceShare: .4, CadenceDays: 60, NPSPrior: 0, NPSPseudoResponses: 3,
		CoverageMin: .6, SteadyFrom: 50, StrongFrom: 80, TierMargin: 2,
	}
}

// Components lists the components in order.
func (m *Model) Components() [ComponentCount]ComponentModel {
	return [...]ComponentModel{m.Activity, m.Content, m.Training, m.Pipeline, m.Sentiment}
}

// ErrModel is wrapped by every error of Model.Validate.
var ErrModel = errors.New("score model is invalid")

// Validate reports everything that is out of range, wrapped in ErrModel.
func (m *Model) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrModel}, args...)...))
		}
	}
	check(m.Version != "", "version is empty")
	sum := int64(0)
	for i, c := range m.Components() {
		name := Component(i)
		check(c.Weight >= 0 && c.Weight <= 1 && isFixed(c.Weight), "weight %v of %s is not in 0–1 in steps of 0.001", c.Weight, name)
		check(c.HalfLifeDays >= 1 && c.HalfLifeDays <= 3650, "half_life_days %v of %s is not in 1–3650", c.HalfLifeDays, name)
		check(name == Sentiment || c.Bar > 0 && c.Bar <= 1e9, "bar %v of %s is not in 0–1e9", c.Bar, name)
		check(c.Imputed >= 0 && c.Imputed <= 100, "imputed %v of %s is not in 0–100", c.Imputed, name)
		sum += fixed(c.Weight)
	}
	check(sum == SubUnit, "weights sum to %v, not to 1", float64(sum)/SubUnit)
	for _, name := range m.SegmentNames() {
		for i, bar := range m.Segments[name].Bars {
			check(bar > 0 && bar <= 1e9, "bar %v of %s in segment %q is not in 0–1e9", bar, Component(i), name)
		}
		for i, v := range m.Segments[name].Imputed {
			check(v >= 0 && v <= 100, "imputed %v of %s in segment %q is not in 0–100", v, Component(i), name)
		}
	}
	check(m.CountedMax >= 0 && m.CountedMax <= 100_000, "counted_max %d is not in 1–100000", m.CountedMax)
	check(m.ComplianceShare >= 0 && m.ComplianceShare <= 1 && isFixed(m.ComplianceShare),
		"compliance_share %v is not in 0–1 in steps of 0.001", m.ComplianceShare)
	check(m.CadenceDays >= 1 && m.CadenceDays <= 3660, "cadence_days %d is not in 1–3660", m.CadenceDays)
	check(m.NPSPrior >= -100 && m.NPSPrior <= 100, "nps_prior %v is not in −100–100", m.NPSPrior)
	check(m.NPSPseudoResponses >= 1 && m.NPSPseudoResponses <= 1000, "nps_pseudo_responses %d is not in 1–1000", m.NPSPseudoResponses)
	check(m.CoverageMin >= 0 && m.CoverageMin <= 1, "coverage_min %v is not in 0–1", m.CoverageMin)
	check(m.TierMargin >= 0 && m.SteadyFrom-m.TierMargin > 0 && m.SteadyFrom+m.TierMargin < m.StrongFrom-m.TierMargin &&
		m.StrongFrom+m.TierMargin <= 100, "tiers %v, %v with margin %v overlap", m.SteadyFrom, m.StrongFrom, m.TierMargin)
	return errors.Join(errs...)
}

// fixed gives v in thousandths.
func fixed(v float64) int64 { return int64(math.Round(v * SubUnit)) }

func isFixed(v float64) bool { return math.Abs(v*SubUnit-math.Round(v*SubUnit)) < 1e-9 }

// Integers are the model's numbers in the units of the arithmetic, for Go and SQL
// alike.
type Integers struct {
	Weight          [ComponentCount]int64 // thousandths
	ComplianceShare int64                 // thousandths
	Cadence         int64                 // days
	NPSPseudo       int64                 // weight of the prior's responses, 2^30ths
	NPSPrior        int64                 // their promoters minus detractors, 2^30ths
	CoverageMin     int64                 // thousandths
	Steady, Strong  int64                 // points, millionths
	Margin          int64                 // points, millionths
}

// Integers converts m.
func (m *Model) Integers() Integers {
	n := Integers{
		ComplianceShare: fixed(m.ComplianceShare), Cadence: int64(m.CadenceDays),
		NPSPseudo:   int64(m.NPSPseudoResponses) * DecayUnit,
		CoverageMin: fixed(m.CoverageMin),
		Steady:      int64(math.Round(m.SteadyFrom * InputUnit)),
		Strong:      int64(math.Round(m.StrongFrom * InputUnit)),
		Margin:      int64(math.Round(m.TierMargin * InputUnit)),
	}
	n.NPSPrior = int64(math.Round(float64(n.NPSPseudo) * m.NPSPrior / 100))
	for i, c := range m.Components() {
		n.Weight[i] = fixed(c.Weight)
	}
	return n
}

// HalfLives identifies the model's decay table.
func (m *Model) HalfLives() string {
	var parts []string
	for _, c := range m.Components() {
		parts = append(parts, strconv.FormatFloat(c.HalfLifeDays, 'g', -1, 64))
	}
	return strings.Join(parts, ",")
}

// historyDaysMin is how far back a decay table reaches at least, so that the last
// training is remembered under short half-lives too.
const historyDaysMin = 3660

// Decay gives round(2^30·2^(−age/H)) of every component for each age in days from
// 0 to beyond the last that is not 0. All five are equally long.
func (m *Model) Decay() [ComponentCount][]int64 {
	longest := 0.0
	for _, c := range m.Components() {
		longest = math.Max(longest, c.HalfLifeDays)
	}
	n := max(historyDaysMin, int(math.Ceil(31*longest))+1)
	var out [ComponentCount][]int64
	for i, c := range m.Components() {
		out[i] = make([]int64, n)
		for age := range out[i] {
			out[i][age] = int64(math.Round(math.Exp2(30 - float64(age)/c.HalfLifeDays)))
		}
	}
	return out
}
