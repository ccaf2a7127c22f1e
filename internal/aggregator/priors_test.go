package aggregator_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
)

// placed puts a partner into a segment.
func placed(partner, segment string, at time.Time) sent {
	e := visit(partner, fmt.Sprintf("%s-to-%s-%d", partner, segment, at.Unix()), at)
	e.Type, e.Actor, e.SessionID, e.ViewID = event.PartnerUpserted, "crm", "", ""
	e.Data = fmt.Sprintf(`{"partner_id":%q,"segment":%q}`, partner, segment)
	return e
}

// segmented is a programme of three segments; one of them has only three partners.
// Partners of a segment come one to three times as often as its least busy one. A
// partner that is new at the end is small.
func segmented(t *testing.T, until time.Time) (*world, []sent) {
	w := newWorld(t, "Europe/Berlin", until)
	from := until.AddDate(0, 0, -75)
	var events []sent
	for segment, of := range map[string]struct{ partners, least int }{"large": {22, 3}, "small": {22, 1}, "few": {3, 2}} {
		for p := range of.partners {
			name := fmt.Sprintf("%s-%02d", segment, p)
			events = append(events, placed(name, segment, from.Add(time.Minute)))
			events = append(events, workdays(w, name, from, until.AddDate(0, 0, -1), of.least*(1+p%3))...)
		}
	}
	joined := until.AddDate(0, 0, -7)
	events = append(events, placed("new", "small", joined.Add(-time.Hour)))
	return w, append(events, workdays(w, "new", joined, until.AddDate(0, 0, -1), 1)...)
}

// priorsOf reads the priors of a day, in sessions per average day, by segment; the
// tenant's is that of no segment.
func priorsOf(t *testing.T, w *world, day time.Time) map[string]float64 {
	t.Helper()
	var rows []struct {
		Sessions float64   `ch:"prior_sessions"`
		Days     float64   `ch:"prior_days"`
		Names    []string  `ch:"prior_segments"`
		Of       []float64 `ch:"segment_sessions"`
		In       []float64 `ch:"segment_days"`
	}
	q := "SELECT prior_sessions, prior_days, prior_segments, segment_sessions, segment_days FROM tenant_inputs FINAL WHERE day = '" + day.Format(time.DateOnly) + "'"
	if err := w.store.Select(t.Context(), &rows, q, nil); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 {
		t.Fatalf("%d rows of %s", len(rows), day.Format(time.DateOnly))
	}
	out := map[string]float64{"": rows[0].Sessions / rows[0].Days}
	for i, name := range rows[0].Names {
		out[name] = rows[0].Of[i] / rows[0].In[i]
	}
	return out
}

// baselines are the detector's baselines of a day by partner.
func baselines(t *testing.T, w *world, day time.Time) map[string]float64 {
	t.Helper()
	var rows []struct {
		Partner string  `ch:"partner_id"`
		Rate    float64 `ch:"baseline_rate"`
	}
	q := "SELECT partner_id, baseline_rate FROM detector_state FINAL WHERE day = '" + day.Format(time.DateOnly) + "'"
	if err := w.store.Select(t.Context(), &rows, q, nil); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, r := range rows {
		out[r.Partner] = r.Rate
	}
	return out
}

// TestPriorsBySegment: a segment with enough partners has a prior of its own, of the
// size of its partners' rates; others have the tenant's. A partner that is new begins
// with its segment's.
func TestPriorsBySegment(t *testing.T) {
	until := time.Date(2026, 6, 16, 6, 0, 0, 0, time.UTC) // a Tuesday
	w, events := segmented(t, until)
	w.send(events...)
	w.settle()
	complete := until.AddDate(0, 0, -2) // the newest day with sessions is not, yet
	priors := priorsOf(t, w, complete)
	// Working days are five of seven; prior rates come in quarters of a doubling, and
	// the 22 partners of a segment come 1, 2 or 3 times the least on a working day.
	for segment, perDay := range map[string]float64{"large": 3 * 43. / 22, "small": 43. / 22} {
		if got, want := priors[segment], perDay*5/7; math.Abs(math.Log2(got/want)) > .2 {
			t.Errorf("segment %s: %.2f sessions a day, want about %.2f", segment, got, want)
		}
	}
	if _, ok := priors["few"]; ok || len(priors) != 3 {
		t.Errorf("priors %v, want none for few", priors)
	}
	first := baselines(t, w, until.AddDate(0, 0, -7))
	if got, want := first["new"], priors["small"]; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("the new partner begins with %.3f sessions a day, its segment's prior is %.3f", got, want)
	}

	state := w.state()
	w.restart()
	w.mark(w.all())
	w.settle()
	if diff := cmp.Diff(state, w.state()); diff != "" {
		t.Errorf("a replay says otherwise: %s", diff)
	}
}

// TestASegmentThatIsKnownLate: directory events from the past, among them some from
// before the first session, change segments, and with them what days mean for others.
// Everything ends as if they had been there in time.
func TestASegmentThatIsKnownLate(t *testing.T) {
	until := time.Date(2026, 6, 16, 6, 0, 0, 0, time.UTC)
	from := until.AddDate(0, 0, -75)
	var moves []sent
	for p := range 9 {
		moves = append(moves, placed(fmt.Sprintf("small-%02d", p), "large", from.AddDate(0, 0, 20)))
		moves = append(moves, placed(fmt.Sprintf("large-%02d", p), "gone", from.AddDate(0, 0, -3)))
	}
	// Small falls below what a prior needs.
	late, events := segmented(t, until)
	late.send(events...)
	late.settle()
	before := priorsOf(t, late, until.AddDate(0, 0, -2))
	late.send(moves...)
	late.settle()
	after := priorsOf(t, late, until.AddDate(0, 0, -2))
	if _, ok := after["small"]; ok || cmp.Equal(before["large"], after["large"]) {
		t.Errorf("priors %v before and %v after, want none for the few that are still small, and another for large", before, after)
	}

	inTime, events := segmented(t, until)
	inTime.send(append(events, moves...)...)
	inTime.settle()
	if diff := cmp.Diff(inTime.state(), late.state()); diff != "" {
		t.Error(diff)
	}
}
