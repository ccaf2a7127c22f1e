package aggregator

import (
	"context"
	"fmt"
	"time"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
)

// detectInput is one row of detect_inputs.sql. Days without sessions are left out.
type detectInput struct {
	Partner string   `ch:"partner_id"`
	First   int32    `ch:"first"`   // first day with an event
	State   string   `ch:"state"`   // after the day before Start; empty: none
	Start   int32    `ch:"start"`   // first day to see
	Through int32    `ch:"through"` // last day to see
	Days    []int32  `ch:"days"`
	Counts  []uint64 `ch:"counts"`

	accepted map[int32]bool // days on which the new level was accepted
	other    int32          // last day that was seen under another configuration; 0: none
	placed   placement      // its segments; empty unless a segment has a prior of its own
}

// transition is a detected transition with whose it is.
type transition struct {
	partner string
	// rerun says that the day had been seen before under another configuration: what
	// is found there now is no news.
	rerun bool
	detect.Transition
}

// detect runs the detector over the days that changed, stores its state by day,
// and publishes and records the transitions that nobody has been told yet. The
// state is stored before anything is published, the record of a transition after.
func (a *Aggregator) detect(ctx context.Context, t *tenant, p chstore.Params, h horizon, work *Work) error {
	var inputs []detectInput
	if err := a.deps.Store.Select(ctx, &inputs, query("detect_inputs"), with(p, chstore.Params{"config": a.detector.Hash()})); err != nil {
		return fmt.Errorf("reading detection inputs: %w", err)
	}
	if err := a.accept(ctx, t, p, inputs); err != nil {
		return err
	}
	if err := a.findOther(ctx, p, inputs); err != nil {
		return err
	}
	if err := a.place(ctx, t, p, inputs); err != nil {
		return err
	}
	var rows stateRows
	var found []transition
	var spans []alert.Span
	for i := range inputs {
		in := &inputs[i]
		transitions, seen, err := a.detectPartner(t, in, p["batch"].(uint64), &rows)
		if err != nil {
			return fmt.Errorf("detecting partner %s: %w", in.Partner, err)
		}
		found, spans = append(found, transitions...), append(spans, seen...)
	}
	if err := a.deps.Store.InsertColumns(ctx, "detector_state", rows.columns()); err != nil {
		return fmt.Errorf("writing detector states: %w", err)
	}
	return a.alert(ctx, t, p, h, found, spans, work)
}

// findOther notes how far partners were seen under another configuration. Only those
// without a state to go on from can have been.
func (a *Aggregator) findOther(ctx context.Context, p chstore.Params, inputs []detectInput) error {
	anew := make(map[string]*detectInput)
	for i := range inputs {
		if in := &inputs[i]; in.State == "" {
			anew[in.Partner] = in
		}
	}
	if len(anew) == 0 {
		return nil
	}
	var rows []struct {
		Partner string `ch:"partner_id"`
		Seen    int32  `ch:"seen"`
	}
	q := with(p, chstore.Params{"config": a.detector.Hash()})
	if err := a.deps.Store.Select(ctx, &rows, query("detect_configs"), q); err != nil {
		return fmt.Errorf("reading other configurations: %w", err)
	}
	for _, r := range rows {
		if in := anew[r.Partner]; in != nil {
			in.other = r.Seen
		}
	}
	return nil
}

// spans tells over which days the detector steps a partner from a state on.
func (in *detectInput) spans(tenantID string, s *detect.State) []alert.Span {
	var out []alert.Span
	for rule, e := range map[detect.Rule]*detect.Episode{
		detect.RuleDrop: &s.Drop, detect.RuleGhosting: &s.Quiet, detect.RuleNeverActivated: &s.Never,
	} {
		out = append(out, span(tenantID, in.Partner, rule, e, s.Next, in.Through, in.other > 0))
	}
	return out
}

// span is one of a rule that begins with an episode of the detector's state.
func span(tenantID, subject string, rule detect.Rule, e *detect.Episode, from detect.Day, through int32, rebuilt bool) alert.Span {
	s := alert.Span{
		Fingerprint: detect.Fingerprint(tenantID, subject, rule, component), From: from, Through: detect.Day(through), Rebuilt: rebuilt,
	}
	if e.Status == detect.StatusFiring {
		s.Carried = e.FiringDay
	}
	return s
}

// detectPartner steps one partner's detector through its days, and tells which.
func (a *Aggregator) detectPartner(t *tenant, in *detectInput, batch uint64, rows *stateRows) ([]transition, []alert.Span, error) {
	state := a.detector.Start(detect.Day(in.First))
	if in.State != "" {
		resumed, err := a.detector.Resume([]byte(in.State))
		if err != nil {
			return nil, nil, fmt.Errorf("resuming: %w", err)
		}
		state = resumed
	}
	counts := make(map[int32]int, len(in.Days))
	for i, day := range in.Days {
		counts[day] = int(in.Counts[i])
	}
	var found []transition
	spans := in.spans(t.id, &state)
	for day := int32(state.Next); day <= in.Through; day++ {
		var obs detect.Observation
		input := t.days.on(day, in.placed.on(day))
		input.Sessions, input.Rebaseline = counts[day], in.accepted[day]
		state, obs = a.detector.Step(state, input)
		encoded, err := state.Encode()
		if err != nil {
			return nil, nil, err
		}
		rows.add(t.id, in.Partner, a.detector.Hash(), &obs, string(encoded), batch)
		for _, tr := range obs.Transitions {
			if tr.Status.Published() {
				found = append(found, transition{in.Partner, int32(tr.Day) <= in.other, tr})
			}
		}
	}
	return found, spans, nil
}

// stateRows collects rows of detector_state by column.
type stateRows struct {
	tenant, partner, config, dropStatus, ghostStatus, neverStatus, state []string
	day                                                                  []time.Time
	sessions, ver                                                        []uint64
	armed                                                                []uint8
	expected, baseline, dropS, dropH, ghostS, ghostH, detectable         []float64
}

func (r *stateRows) add(tenantID, partner, config string, o *detect.Observation, state string, batch uint64) {
	r.tenant, r.partner, r.config = append(r.tenant, tenantID), append(r.partner, partner), append(r.config, config)
	r.day = append(r.day, o.Day.Time())
	r.sessions = append(r.sessions, uint64(o.Sessions))
	r.expected, r.baseline = append(r.expected, o.Expected), append(r.baseline, o.BaselineRate)
	r.armed, r.detectable = append(r.armed, flag(o.Armed)), append(r.detectable, o.DetectablePct)
	r.dropStatus = append(r.dropStatus, string(o.Drop.Status))
	r.dropS, r.dropH = append(r.dropS, o.Drop.Statistic), append(r.dropH, o.Drop.Threshold)
	r.ghostStatus = append(r.ghostStatus, string(o.Ghosting.Status))
	r.ghostS, r.ghostH = append(r.ghostS, o.Ghosting.Statistic), append(r.ghostH, o.Ghosting.Threshold)
	r.neverStatus = append(r.neverStatus, string(o.Never.Status))
	r.state, r.ver = append(r.state, state), append(r.ver, batch)
}

func (r *stateRows) columns() []chstore.Column {
	return []chstore.Column{
		{Name: "tenant", Values: r.tenant}, {Name: "partner_id", Values: r.partner}, {Name: "day", Values: r.day},
		{Name: "config", Values: r.config}, {Name: "sessions", Values: r.sessions},
		{Name: "expected", Values: r.expected}, {Name: "baseline_rate", Values: r.baseline}, {Name: "armed", Values: r.armed},
		{Name: "drop_status", Values: r.dropStatus}, {Name: "drop_statistic", Values: r.dropS}, {Name: "drop_threshold", Values: r.dropH},
		{Name: "ghosting_status", Values: r.ghostStatus}, {Name: "ghosting_statistic", Values: r.ghostS}, {Name: "ghosting_threshold", Values: r.ghostH},
		{Name: "never_status", Values: r.neverStatus}, {Name: "detectable_pct", Values: r.detectable}, {Name: "state", Values: r.state}, {Name: "ver", Values: r.ver},
	}
}
