package score

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
)

// Summary is what the inputs of one partner come to at the end of a day.
type Summary struct {
	Segment        string
	X              [Sentiment]float64 // decayed sums
	Net, Responses int64              // decayed NPS answers, promoters less detractors and all, 2^30ths
	LastCompletion int32              // days since 1970-01-01; 0: none
	Cadence        int64              // training cadence committed to, days; 0: none
}

// barPercentile is where the high bar stands among the partners of a segment.
const barPercentile = 80

// Freeze gives base as a model of its own version, with bars and imputed values from
// the partners as they stood at the end of a day:
//
//   - a bar is the 80th percentile (nearest rank) of the decayed sums of the segment's
//     partners, to a thousandth; where that is 0, hardly anybody does such a thing, the
//     bar of all partners stands in, and where that is 0 too, base's;
//   - an imputed value is the median (the lower of two) of the sub-scores that the
//     segment's partners have by these bars; base's for a feed that has not begun;
//   - a segment of fewer than partnersMin partners gets none: it falls back to the bars
//     of all partners together, which stand in the model itself;
//   - nps is the tenant's mean NPS, −100–100, that sentiment shrinks to.
//
// Weights, half-lives and the rest stay as in base. No partners at all is an error.
func Freeze(base Model, version string, asOf int32, partners []Summary, feeds Feeds, nps float64, partnersMin int) (Model, error) { //nolint:gocritic // a copy is wanted
	if len(partners) == 0 {
		return Model{}, errors.New("freezing bars: the tenant has no partners as of that day")
	}
	m := base
	m.Version, m.Segments = version, map[string]Segment{}
	m.NPSPrior = math.Round(nps*1000) / 1000
	m.FrozenAsOf = time.Unix(int64(asOf)*86400, 0).UTC().Format(time.DateOnly)

	groups := map[string][]int{}
	all := make([]int, len(partners))
	for i := range partners {
		all[i] = i
		if s := partners[i].Segment; s != "" {
			groups[s] = append(groups[s], i)
		}
	}
	parts := [Sentiment]*ComponentModel{&m.Activity, &m.Content, &m.Training, &m.Pipeline}
	for j, part := range parts {
		if bar := percentileOf(partners, all, Component(j)); bar > 0 {
			part.Bar = bar
		}
	}
	for name, members := range groups {
		if len(members) < partnersMin {
			continue
		}
		s := Segment{Partners: len(members)}
		for j, part := range parts {
			if s.Bars[j] = percentileOf(partners, members, Component(j)); s.Bars[j] == 0 {
				s.Bars[j] = part.Bar
			}
		}
		m.Segments[name] = s
	}
	if err := m.impute(&base, asOf, partners, all, groups, feeds); err != nil {
		return Model{}, err
	}
	if err := m.Validate(); err != nil {
		return Model{}, fmt.Errorf("freezing bars: %w", err)
	}
	return m, nil
}

// impute fills in the medians by the bars that m has now.
func (m *Model) impute(base *Model, asOf int32, partners []Summary, all []int, groups map[string][]int, feeds Feeds) error {
	c, err := NewCalculator(*m)
	if err != nil {
		return fmt.Errorf("freezing bars: %w", err)
	}
	medians := func(members []int) (out [ComponentCount]float64) {
		subs := make([]int64, len(members))
		for j := range ComponentCount {
			out[j] = base.Components()[j].Imputed
			if feeds[j] > asOf {
				continue
			}
			for i, p := range members {
				subs[i] = c.sub(&partners[p], j, asOf)
			}
			slices.Sort(subs)
			out[j] = float64(subs[(len(subs)-1)/2]) / SubUnit
		}
		return out
	}
	whole := medians(all)
	for j, part := range []*ComponentModel{&m.Activity, &m.Content, &m.Training, &m.Pipeline, &m.Sentiment} {
		part.Imputed = whole[j]
	}
	for name, s := range m.Segments {
		s.Imputed = medians(groups[name])
		m.Segments[name] = s
	}
	return nil
}

// sub is one sub-score of a summary, thousandths of a point.
func (c *Calculator) sub(s *Summary, j Component, asOf int32) int64 {
	if j == Sentiment {
		return c.sentiment(big.NewInt(s.Net), big.NewInt(s.Responses))
	}
	v := logRatio(s.X[j], c.model.Bar(s.Segment, j))
	if j == Training {
		cadence := s.Cadence
		if cadence == 0 {
			cadence = c.ints.Cadence
		}
		share := c.ints.ComplianceShare
		v = ((SubUnit-share)*v + share*compliance(asOf, s.LastCompletion, cadence)) / SubUnit
	}
	return v
}

// percentileOf is the bar of a component by nearest rank, to a thousandth.
func percentileOf(partners []Summary, members []int, j Component) float64 {
	values := make([]float64, len(members))
	for i, p := range members {
		values[i] = partners[p].X[j]
	}
	slices.Sort(values)
	rank := (len(values)*barPercentile + 99) / 100
	return math.Round(values[rank-1]*1000) / 1000
}
