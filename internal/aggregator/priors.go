package aggregator

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

// monthPrior is what a month knows of partners' rates before their own histories.
type monthPrior struct {
	detect.Prior // of the tenant

	segments segmentPriors
}

// segmentPriors are the priors of segments that are large enough, in the order of
// their names.
type segmentPriors struct {
	Segments        []string  `ch:"prior_segments"`
	SegmentSessions []float64 `ch:"segment_sessions"`
	SegmentDays     []float64 `ch:"segment_days"`
}

func (s *segmentPriors) equal(o *segmentPriors) bool {
	return slices.Equal(s.Segments, o.Segments) && slices.Equal(s.SegmentSessions, o.SegmentSessions) && slices.Equal(s.SegmentDays, o.SegmentDays)
}

// into puts the prior of a segment, if it has one, into a day's input.
func (s *segmentPriors) into(in *detect.Input, segment string) {
	if i, ok := slices.BinarySearch(s.Segments, segment); ok && segment != "" {
		in.PriorSessions, in.PriorDays = s.SegmentSessions[i], s.SegmentDays[i]
	}
}

// segmentMoments is a row of tenant_moments.sql; the pairs are the tenant's.
type segmentMoments struct {
	Segment     string `ch:"segment_"`
	Partners    uint64 `ch:"partners"`
	Sum         uint64 `ch:"sum_"`
	SumSquares  uint64 `ch:"sum_squares"`
	PairSums    uint64 `ch:"pair_sums"`
	PairProduct uint64 `ch:"pair_product"`
	PairSquares uint64 `ch:"pair_squares"`
}

// monthPriorOf estimates the tenant's prior and those of its segments. What cannot be
// told stays as it was before; a segment that has become too small has the tenant's.
func monthPriorOf(rows []segmentMoments, exposure float64, before monthPrior) monthPrior {
	var all detect.Moments
	for i, r := range rows {
		m := detect.Moments{Partners: r.Partners, Sum: r.Sum, SumSquares: r.SumSquares}
		if i == 0 { // the same on every row
			m.PairSums, m.PairProduct, m.PairSquares = r.PairSums, r.PairProduct, r.PairSquares
		}
		all.Add(&m)
	}
	prior := monthPrior{Prior: all.Estimate(exposure)}
	if prior.Dispersion == 0 {
		prior.Dispersion = before.Dispersion
	}
	if prior.Days == 0 {
		prior.Sessions, prior.Days = before.Sessions, before.Days
	}
	for _, r := range rows {
		if r.Segment == "" {
			continue
		}
		m := detect.Moments{Partners: r.Partners, Sum: r.Sum, SumSquares: r.SumSquares}
		sessions, days := m.EstimateRate(exposure, prior.Dispersion)
		if days > 0 {
			s := &prior.segments
			s.Segments = append(s.Segments, r.Segment)
			s.SegmentSessions, s.SegmentDays = append(s.SegmentSessions, sessions), append(s.SegmentDays, days)
		}
	}
	return prior
}

// tenantPrior estimates the priors and the dispersion from the days before day, or
// gives those before when there are too few.
func (a *Aggregator) tenantPrior(ctx context.Context, t *tenant, p chstore.Params, first, day int32, before monthPrior) (monthPrior, error) {
	from := max(first, day-priorWindowDays)
	if day-from < priorWindowDaysMin {
		return before, nil
	}
	skipped, silent := []int32{}, []int32{}
	exposure := 0.0
	for _, d := range t.days.days[from-first : day-first] {
		if d.Frozen == 1 {
			silent, skipped = append(silent, d.Day), append(skipped, d.Day)
			continue
		}
		exposure += d.Factor
	}
	skipped = append(skipped, a.unusual(t, from, day)...)
	slices.Sort(skipped)
	p = with(p, chstore.Params{"from": date(from), "to": date(day), "skipped": slices.Compact(skipped), "silent": silent})
	var rows []segmentMoments
	if err := a.deps.Store.Select(ctx, &rows, query("tenant_moments"), p); err != nil {
		return before, fmt.Errorf("reading the tenant's moments: %w", err)
	}
	return monthPriorOf(rows, exposure, before), nil
}

// unusual lists the days of from..to−1 whose factor is not that of the same weekday
// a week before or after: only pairs of ordinary days tell the dispersion.
func (a *Aggregator) unusual(t *tenant, from, to int32) []int32 {
	var out []int32
	first := t.days.days[0].Day
	for day := max(from, first+7); day < to; day++ {
		if t.days.days[day-first].Factor != t.days.days[day-7-first].Factor {
			out = append(out, day)
		}
	}
	return out
}

// placement is which segments a partner was put into, and from which days on, in
// their order.
type placement struct {
	Partner  string   `ch:"partner_id"`
	Days     []int32  `ch:"days"`
	Segments []string `ch:"segments"`
}

// on gives the segment on a day; empty: none.
func (p *placement) on(day int32) string {
	i := sort.Search(len(p.Days), func(i int) bool { return p.Days[i] > day })
	if i == 0 {
		return ""
	}
	return p.Segments[i-1]
}

// place reads the placements of the batch's partners, if any segment has a prior.
func (a *Aggregator) place(ctx context.Context, t *tenant, p chstore.Params, inputs []detectInput) error {
	if !slices.ContainsFunc(t.days.days, func(d tenantDay) bool { return len(d.Segments) > 0 }) {
		return nil
	}
	var rows []placement
	if err := a.deps.Store.Select(ctx, &rows, query("placements"), p); err != nil {
		return fmt.Errorf("reading segments of partners: %w", err)
	}
	of := make(map[string]*placement, len(rows))
	for i := range rows {
		of[rows[i].Partner] = &rows[i]
	}
	for i := range inputs {
		if placed := of[inputs[i].Partner]; placed != nil {
			inputs[i].placed = *placed
		}
	}
	return nil
}
