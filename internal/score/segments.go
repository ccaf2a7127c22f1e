package score

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Segment holds what a model froze for the partners of one segment. A partner
// whose segment is not listed, or who has none, is measured by the model's own bars:
// those are the fallback.
type Segment struct {
	// Partners is how many partners the percentiles rest on.
	Partners int `json:"partners" yaml:"partners"`
	// Bars are the high bars of activity, content, training and pipeline.
	Bars [Sentiment]float64 `json:"bars" yaml:"bars"`
	// Imputed are the sub-scores, 0–100, of components whose feed is missing.
	Imputed [ComponentCount]float64 `json:"imputed" yaml:"imputed"`
}

// SegmentNames lists the segments that have bars of their own, in order.
func (m *Model) SegmentNames() []string { return slices.Sorted(maps.Keys(m.Segments)) }

// Bar is the high bar of a component for partners of a segment; 0 for sentiment,
// which has none.
func (m *Model) Bar(segment string, c Component) float64 {
	if s, ok := m.Segments[segment]; ok && c < Sentiment {
		return s.Bars[c]
	}
	return m.Components()[c].Bar
}

// ImputedValue is the sub-score that stands for a missing feed, thousandths of a point.
func (m *Model) ImputedValue(segment string, c Component) int64 {
	if s, ok := m.Segments[segment]; ok {
		return fixed(s.Imputed[c])
	}
	return fixed(m.Components()[c].Imputed)
}

// CountedEventsMax is how many events of a user, day and type count.
func (m *Model) CountedEventsMax() int {
	if m.CountedMax == 0 {
		return CountedMax
	}
	return m.CountedMax
}

// Changes are what a tenant sets otherwise than the model that it starts from.
// Maps are by the components' names; what is left out stays.
type Changes struct {
	// Version names the changed model; needed when anything else is set.
	Version            string             `yaml:"version"`
	Weights            map[string]float64 `yaml:"weights"`
	HalfLivesDays      map[string]float64 `yaml:"half_lives_days"`
	Bars               map[string]float64 `yaml:"bars"`
	Imputed            map[string]float64 `yaml:"imputed"`
	CountedMax         int                `yaml:"counted_max"`
	ComplianceShare    *float64           `yaml:"compliance_share"`
	CadenceDays        int                `yaml:"cadence_days"`
	NPSPrior           *float64           `yaml:"nps_prior"`
	NPSPseudoResponses int                `yaml:"nps_pseudo_responses"`
}

// IsZero tells that nothing is changed.
func (c *Changes) IsZero() bool {
	return c.Version == "" && len(c.Weights)+len(c.HalfLivesDays)+len(c.Bars)+len(c.Imputed) == 0 && c.CountedMax == 0 &&
		c.ComplianceShare == nil && c.CadenceDays == 0 && c.NPSPrior == nil && c.NPSPseudoResponses == 0
}

// With gives m with the changes. It is an error to change anything and keep the
// version, and to name a component that there is not; the result is validated.
func (m Model) With(c Changes) (Model, error) { //nolint:gocritic // a copy is wanted
	if c.IsZero() {
		return m, nil
	}
	var errs []error
	if c.Version == "" || c.Version == m.Version {
		errs = append(errs, fmt.Errorf("%w: the model differs from version %q and needs a version of its own", ErrModel, m.Version))
	}
	parts := [ComponentCount]*ComponentModel{&m.Activity, &m.Content, &m.Training, &m.Pipeline, &m.Sentiment}
	set := func(what string, values map[string]float64, field func(*ComponentModel) *float64) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			i, ok := componentOf(name)
			if !ok {
				errs = append(errs, fmt.Errorf("%w: %s names %q, which is not activity, content, training, pipeline or sentiment", ErrModel, what, name))
				continue
			}
			*field(parts[i]) = values[name]
		}
	}
	set("weights", c.Weights, func(p *ComponentModel) *float64 { return &p.Weight })
	set("half_lives_days", c.HalfLivesDays, func(p *ComponentModel) *float64 { return &p.HalfLifeDays })
	set("bars", c.Bars, func(p *ComponentModel) *float64 { return &p.Bar })
	set("imputed", c.Imputed, func(p *ComponentModel) *float64 { return &p.Imputed })
	m.Version = c.Version
	for _, f := range []struct {
		to   *int
		from int
	}{{&m.CountedMax, c.CountedMax}, {&m.CadenceDays, c.CadenceDays}, {&m.NPSPseudoResponses, c.NPSPseudoResponses}} {
		if f.from != 0 {
			*f.to = f.from
		}
	}
	for _, f := range []struct{ to, from *float64 }{{&m.ComplianceShare, c.ComplianceShare}, {&m.NPSPrior, c.NPSPrior}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return m, errors.Join(append(errs, m.Validate())...)
}

func componentOf(name string) (Component, bool) {
	for c := range ComponentCount {
		if c.String() == name {
			return c, true
		}
	}
	return 0, false
}
