package detect

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// TenantStateVersion is the version of TenantState's form and meaning.
const TenantStateVersion = 1

// RuleTenantDrop says that nearly everybody stayed away, so the partners' absence is
// not theirs.
const RuleTenantDrop Rule = "tenant.activity_drop"

const (
	profileDays    = 56      // days that a learnt profile is made of
	profileDaysMin = 28      // days before the first is learnt
	profileStep    = 1. / 32 // profiles and factors come in steps, so that a few late
	factorSteps    = 8       // events leave them; factors per doubling
	factorMin      = -32     // steps: 1/16
	factorMax      = 16      // steps: 4
	levelDaysMin   = 10      // average days behind a level that is used
	groupsMin      = 8       // groups with partners, or partners cannot be told from the tenant
	noiseDecay     = .95
)

// TenantModel watches a tenant's daily totals. It is immutable and safe for
// concurrent use.
//
// Partners are divided into TenantGroups groups by a hash of their identifier. A
// day's ratio is the sessions of the middle half of the groups, ordered by
// observed ÷ expected, against their expectation: one partner moves one group, and
// a group that stands out is not counted. The expectation is the group's level, a
// mean with forgetting, times the weight of the weekday.
//
// The result is a function of the totals of the days up to and including the one,
// so a replay gives the same bytes, and comes in coarse steps with a dead band
// within the noise, so that late events rarely change it.
type TenantModel struct {
	cfg     TenantConfig
	hash    string
	decay   float64
	profile [7]float64
}

// NewTenantModel checks cfg.
func NewTenantModel(cfg TenantConfig) (*TenantModel, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("checking tenant model: %w", err)
	}
	m := &TenantModel{cfg: cfg, hash: cfg.Hash(), decay: math.Exp2(-1 / cfg.HalfLifeDays)}
	m.profile = normalise(cfg.Profile)
	return m, nil
}

// Hash identifies the configuration; it is in every TenantState.
func (m *TenantModel) Hash() string { return m.hash }

// TenantState is what is remembered of a tenant after a day. Treat it as a value:
// Step copies.
type TenantState struct {
	Version int                   `json:"version"`
	Config  string                `json:"config"`
	Next    Day                   `json:"next"`    // the day that Step will take
	Days    int                   `json:"days"`    // days seen
	Profile [7]float64            `json:"profile"` // weights in use, Sunday first, mean 1
	Level   [TenantGroups]float64 `json:"level"`   // sessions with forgetting, by group
	Average float64               `json:"average"` // average days behind Level
	Noise   float64               `json:"noise"`   // variance ÷ mean of ordinary days' totals
	// Ratios are observed ÷ level of the newest profileDays days, oldest first; −1
	// where the day was frozen.
	Ratios []float64 `json:"ratios"`

	Alert   Episode `json:"alert"`
	Missing float64 `json:"missing"` // average days' sessions missing in this row of low days
	Due     float64 `json:"due"`     // average days in this row
	Since   Day     `json:"since"`   // first day of the row, NoDay outside one
}

// TenantDay is what a day of the tenant means for its partners.
type TenantDay struct {
	Day      Day
	Weight   float64 // of the weekday, mean 1 over the week
	Steps    int     // factor h_t in eighths of a doubling
	Frozen   bool    // the day tells nothing about partners
	Observed float64 // sessions in the middle half of the groups
	Expected float64 // sessions expected there; 0: too little history or too few partners
	// Transitions of tenant.activity_drop on the day: at most one.
	Transitions []Transition
}

// Factor is the exposure of a partner on the day relative to an average one,
// s_dow·h_t, for Input.Factor.
func (d *TenantDay) Factor() float64 {
	return d.Weight * math.Exp2(float64(d.Steps)/factorSteps)
}

// Start gives the state before the tenant's first day.
func (m *TenantModel) Start(first Day) TenantState {
	return TenantState{
		Version: TenantStateVersion, Config: m.hash, Next: first, Profile: m.profile, Noise: 1,
		Alert: Episode{Status: StatusOK},
	}
}

// Encode gives the JSON of the state. Equal states give equal bytes.
func (s TenantState) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding tenant state: %w", err)
	}
	return b, nil
}

// Resume reads a state that Encode wrote. The error wraps ErrState when it was made
// by another version or configuration or is damaged.
func (m *TenantModel) Resume(b []byte) (TenantState, error) {
	var s TenantState
	if err := json.Unmarshal(b, &s); err != nil {
		return TenantState{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	if s.Version != TenantStateVersion || s.Config != m.hash || len(s.Ratios) > profileDays || !(s.Average >= 0) || !(s.Noise >= 0) {
		return TenantState{}, fmt.Errorf("%w: another tenant model, or damaged", ErrState)
	}
	return s, nil
}

// Step takes the totals of the next day, s.Next, by group.
func (m *TenantModel) Step(s TenantState, groups [TenantGroups]uint64) (TenantState, TenantDay) {
	s.Ratios = slices.Clone(s.Ratios)
	m.learnProfile(&s)
	t := TenantDay{Day: s.Next, Weight: s.Profile[s.Next.Weekday()]}
	t.Observed, t.Expected = m.middle(&s, t.Weight, groups)
	m.factor(&s, &t)
	m.judge(&s, &t)
	m.learn(&s, &t, groups)
	s.Days++
	s.Next++
	return s, t
}

// middle gives the sums over the middle half of the groups.
func (m *TenantModel) middle(s *TenantState, weight float64, groups [TenantGroups]uint64) (observed, expected float64) {
	if s.Average < levelDaysMin {
		return 0, 0
	}
	type group struct{ y, e float64 }
	var known []group
	for i, y := range groups {
		if e := s.Level[i] / s.Average * weight; e > 0 {
			known = append(known, group{float64(y), e})
		}
	}
	if len(known) < groupsMin {
		return 0, 0
	}
	slices.SortStableFunc(known, func(a, b group) int {
		switch x, y := a.y*b.e, b.y*a.e; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	cut := len(known) / 4
	for _, g := range known[cut : len(known)-cut] {
		observed += g.y
		expected += g.e
	}
	if expected < m.cfg.ExpectedMin {
		return observed, 0
	}
	return observed, expected
}

// factor sets what the day means for partners: nothing special within the noise.
func (m *TenantModel) factor(s *TenantState, t *TenantDay) {
	if t.Expected == 0 {
		return
	}
	miss := math.Abs(t.Observed - t.Expected)
	if miss <= max(m.cfg.DeadBand*t.Expected, m.cfg.NoiseSigmas*math.Sqrt(max(s.Noise, 1)*t.Expected)) {
		s.Noise = noiseDecay*s.Noise + (1-noiseDecay)*miss*miss/t.Expected
		return
	}
	if t.Observed < m.cfg.FreezeBelow*t.Expected {
		t.Frozen = true
		return
	}
	steps := math.Round(factorSteps * math.Log2(t.Observed/t.Expected))
	t.Steps = int(min(max(steps, factorMin), factorMax))
}

// learn takes the day into the level and the ratios. A frozen day teaches nothing;
// of a low or high day the factor is taken out.
func (m *TenantModel) learn(s *TenantState, t *TenantDay, groups [TenantGroups]uint64) {
	ratio := -1.0
	if !t.Frozen {
		total, level := 0.0, 0.0
		for i, y := range groups {
			total += float64(y)
			if s.Average > 0 {
				level += s.Level[i] / s.Average
			}
			s.Level[i] = m.decay*s.Level[i] + float64(y)
		}
		s.Average = m.decay*s.Average + t.Factor()
		if level > 0 {
			ratio = total / level
		}
	}
	if len(s.Ratios) == profileDays {
		s.Ratios = s.Ratios[:copy(s.Ratios, s.Ratios[1:])]
	}
	s.Ratios = append(s.Ratios, ratio)
}

// learnProfile renews the weekday profile on the first of a month, and once when
// enough days have been seen: for each day of the week the median of its ratios, which
// holidays do not move. A day of the week without two of them keeps its weight.
func (m *TenantModel) learnProfile(s *TenantState) {
	if s.Days != profileDaysMin && (s.Days < profileDaysMin || s.Next.Time().Day() != 1) {
		return
	}
	var byDay [7][]float64
	oldest := s.Next - Day(len(s.Ratios))
	for i, ratio := range s.Ratios {
		if ratio >= 0 {
			dow := (oldest + Day(i)).Weekday()
			byDay[dow] = append(byDay[dow], ratio)
		}
	}
	profile := s.Profile
	for dow, ratios := range byDay {
		if len(ratios) >= 2 {
			slices.Sort(ratios)
			profile[dow] = (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
		}
	}
	profile = normalise(profile)
	for dow, w := range profile {
		profile[dow] = max(math.Round(w/profileStep), .5) * profileStep
	}
	s.Profile = profile
}

// normalise scales weights to mean 1; without any they are all 1.
func normalise(w [7]float64) [7]float64 {
	sum := 0.0
	for _, x := range w {
		sum += x
	}
	for i := range w {
		if sum > 0 {
			w[i] *= 7 / sum
		} else {
			w[i] = 1
		}
	}
	return w
}
