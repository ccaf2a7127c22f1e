package detect

import "math"

// today is what the rules need to know about the day under way.
type today struct {
	day      Day
	y        int
	exposure float64
	in       Input
	r        float64 // dispersion, 0: Poisson
	estimate float64 // λ̂
	crowding float64 // mean exposure of a session's day; 1 when all days are alike
	spread   float64 // standard error of λ̂ ÷ λ̂
	tested   float64 // λ̂ less the caution
}

// step takes s.Next in place. The order is part of the model: learn the day that
// leaves the guard, test today against the baseline, then put today in the guard.
func (d *Detector) step(s *State, in Input) Observation {
	t := today{day: s.Next, y: max(in.Sessions, 0), in: in, r: d.dispersion(in)}
	t.exposure = d.exposure(t.day, in)
	d.learn(s)
	d.rate(s, &t)
	d.arm(s, &t)

	known := s.LastSeen != NoDay
	d.see(s, &t)
	if s.Armed && !in.Frozen {
		d.stepBank(s, &t, t.day, t.y, t.exposure)
	}

	obs := Observation{
		Day: t.day, Sessions: t.y, Expected: t.tested * t.exposure,
		BaselineRate: t.estimate, CurrentRate: t.estimate, Armed: s.Armed,
		LastSeen: s.LastSeen, SilentDays: s.SilentDays,
	}
	if s.Armed {
		obs.DetectablePct = d.detectable(&t)
	}
	d.remember(s, t.y, t.exposure, known && !in.Frozen)
	d.judgeGhosting(s, &t, &obs)
	d.judgeDrop(s, &t, &obs)
	d.judgeNever(s, &t, &obs)
	if in.Rebaseline {
		d.rebaseline(s, &t, &obs)
	}
	s.Next++
	return obs
}

// see keeps LastSeen, SilentDays and the ghosting statistic.
func (d *Detector) see(s *State, t *today) {
	switch {
	case t.y > 0:
		s.LastSeen, s.SilentDays = t.day, 0
	case !t.in.Frozen:
		s.SilentDays++
	}
	if s.LastSeen != NoDay && (t.y > 0 || !t.in.Frozen) {
		d.stepGhost(s, t)
	}
}

// judgeGhosting runs the rule of ρ → 0.
func (d *Detector) judgeGhosting(s *State, t *today, obs *Observation) {
	threshold := math.Inf(1)
	if s.Armed {
		threshold = d.ghostLimit(t)
	}
	e := &s.Quiet
	if e.Status == StatusFiring {
		if !t.in.Frozen {
			d.stepRecovery(e, len(d.cfg.Ratios)-1, t)
		}
		obs.CurrentRate = e.Level.rate(t.estimate)
		if e.Recovery.S >= d.resolveAt {
			d.resolve(s, e, t, obs, RuleGhosting, d.cfg.Ratios[len(d.cfg.Ratios)-1])
		}
	} else if !t.in.Frozen {
		tr := Transition{Rule: RuleGhosting, Statistic: s.Ghost.S, Threshold: threshold}
		fire := s.Ghost.S >= threshold && s.SilentDays >= d.cfg.SilentDaysMin
		d.move(e, t, obs, tr, s.Ghost, fire)
	}
	obs.Ghosting = RuleStatus{Status: e.Status, Statistic: s.Ghost.S, Threshold: threshold, ChangeDay: change(e, &s.Ghost)}
}

// judgeDrop runs the bank; the member nearest to its threshold speaks. A new drop
// is not opened while ghosting fires, which says more.
func (d *Detector) judgeDrop(s *State, t *today, obs *Observation) {
	best, threshold := 0, math.Inf(1)
	for i := range s.Bank {
		if !s.Armed {
			break
		}
		h := d.limit(i, t)
		if i == 0 || s.Bank[i].S/h > s.Bank[best].S/threshold {
			best, threshold = i, h
		}
	}
	member, e := s.Bank[best], &s.Drop
	if e.Status == StatusFiring {
		if !t.in.Frozen {
			d.stepRecovery(e, 0, t)
		}
		if s.Quiet.Status != StatusFiring {
			obs.CurrentRate = e.Level.rate(t.estimate)
		}
		if e.Recovery.S >= d.resolveAt {
			d.resolve(s, e, t, obs, RuleDrop, d.cfg.Ratios[0])
		}
	} else if !t.in.Frozen {
		if s.Quiet.Status != StatusFiring {
			obs.CurrentRate = member.rate(t.estimate)
		}
		tr := Transition{Rule: RuleDrop, Statistic: member.S, Threshold: threshold, Ratio: d.cfg.Ratios[best]}
		d.move(e, t, obs, tr, member, member.S >= threshold && s.Quiet.Status != StatusFiring)
	}
	obs.Drop = RuleStatus{Status: e.Status, Statistic: member.S, Threshold: threshold, ChangeDay: change(e, &member)}
}

// judgeNever runs the rule for partners that never came.
func (d *Detector) judgeNever(s *State, t *today, obs *Observation) {
	e, threshold := &s.Never, float64(d.cfg.NeverActivatedDays)
	waited := 0
	if s.LastSeen == NoDay {
		waited = s.SilentDays
	}
	since := Cusum{S: float64(waited), Since: s.First}
	tr := Transition{Rule: RuleNeverActivated, Statistic: since.S, Threshold: threshold}
	switch {
	case e.Status != StatusFiring:
		d.move(e, t, obs, tr, since, since.S >= threshold)
	case s.LastSeen != NoDay:
		e.Recovery = Cusum{Sessions: t.y, Exposure: t.exposure, Since: t.day}
		d.close(e, t, obs, RuleNeverActivated, StatusResolved, tr)
	}
	obs.Never = RuleStatus{Status: e.Status, Statistic: since.S, Threshold: threshold}
	if e.Status != StatusOK {
		obs.Never.ChangeDay = s.First
	}
}

// change is the estimated first day of the new level.
func change(e *Episode, c *Cusum) Day {
	if e.Status == StatusFiring {
		return e.Level.Since
	}
	return c.Since
}

// move takes a rule that does not fire between ok, pending and firing.
func (d *Detector) move(e *Episode, t *today, obs *Observation, tr Transition, level Cusum, fire bool) {
	pending := tr.Statistic >= d.cfg.PendingFraction*tr.Threshold
	switch {
	case fire:
		e.Status, e.FiringDay, e.Level = StatusFiring, t.day, level
		e.Recovery = Cusum{}
		e.Sequence++
		tr.Status, tr.Sequence, tr.FiringDay = StatusFiring, e.Sequence, t.day
	case pending && e.Status != StatusPending:
		e.Status, tr.Status = StatusPending, StatusPending
	case !pending && e.Status == StatusPending:
		e.Status, tr.Status = StatusOK, StatusCleared
	default:
		return
	}
	tr.ChangeDay = level.Since
	d.describe(&tr, t, level)
	obs.Transitions = append(obs.Transitions, tr)
}

// resolve ends an episode whose recovery is confirmed. The CUSUMs restart from
// zero. The guard's days stay out of the baseline, those of the drop because they
// are not normal, those of the recovery because they were chosen for being high.
func (d *Detector) resolve(s *State, e *Episode, t *today, obs *Observation, rule Rule, ratio float64) {
	tr := Transition{Rule: rule, Statistic: e.Recovery.S, Threshold: d.resolveAt, Ratio: ratio}
	d.close(e, t, obs, rule, StatusResolved, tr)
	if !s.firing() {
		s.resetBank()
		s.forgetBefore(t.day+1, t.day)
	}
}

// close publishes the end of an episode and makes room for the next.
func (d *Detector) close(e *Episode, t *today, obs *Observation, rule Rule, status Status, tr Transition) {
	e.Sequence++
	tr.Rule, tr.Status, tr.Sequence = rule, status, e.Sequence
	tr.FiringDay, tr.ChangeDay = e.FiringDay, e.Level.Since
	level := e.Level
	if status == StatusResolved {
		level = e.Recovery
	}
	d.describe(&tr, t, level)
	obs.Transitions = append(obs.Transitions, tr)
	*e = Episode{Status: StatusOK, Sequence: e.Sequence}
}

// rebaseline accepts the level since the change as the new normal.
func (d *Detector) rebaseline(s *State, t *today, obs *Observation) {
	if !s.firing() {
		return
	}
	level := s.Drop.Level
	for _, x := range [...]struct {
		e      *Episode
		status *RuleStatus
		rule   Rule
	}{{&s.Quiet, &obs.Ghosting, RuleGhosting}, {&s.Drop, &obs.Drop, RuleDrop}} {
		if x.e.Status != StatusFiring {
			continue
		}
		if x.e == &s.Quiet {
			level = x.e.Level
		}
		tr := Transition{Statistic: x.status.Statistic, Threshold: x.status.Threshold}
		d.close(x.e, t, obs, x.rule, StatusRebaselined, tr)
		x.status.Status = StatusOK
	}
	s.Sessions, s.Exposure = float64(level.Sessions), level.Exposure
	s.ExposureSq, s.Squares = level.Exposure, level.Exposure
	s.Armed = false
	s.resetBank()
	s.Ghost.S = 0
	s.forgetBefore(t.day+1, t.day)
}

// describe fills in severity, rates and the size of the drop with its interval.
func (d *Detector) describe(tr *Transition, t *today, level Cusum) {
	tr.Day = t.day
	if tr.Rule == RuleNeverActivated {
		tr.Severity = SeverityInfo
		tr.CurrentRate = level.rate(0)
		return
	}
	tr.ARL0Days = d.arl0
	tr.BaselineRate = t.estimate
	tr.CurrentRate = level.rate(t.estimate)
	drop := func(rate float64) float64 {
		return 100 * min(max(1-rate/t.estimate, 0), 1)
	}
	tr.DropPct, tr.DropPctLow, tr.DropPctHigh = drop(tr.CurrentRate), 0, 100
	if level.Exposure > 0 {
		low, high := t.ratioLimits(level)
		tr.DropPctLow, tr.DropPctHigh = drop(high*t.estimate), drop(low*t.estimate)
	}
	tr.Severity = SeverityWarning
	if tr.Rule == RuleGhosting || tr.DropPct >= d.cfg.CriticalDropPct {
		tr.Severity = SeverityCritical
	}
}
