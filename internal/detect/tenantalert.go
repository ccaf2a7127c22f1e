package detect

import "math"

// judge runs tenant.activity_drop. A row of low days begins with a day below
// DipBelow of its expectation and ends with one above RecoverAbove; days on which too
// little is expected to tell, such as the Sundays of a small tenant, leave it as it
// is. The row fires when more is missing from it than a public holiday takes: at
// once when next to nobody came, after a week's worth of sessions otherwise.
func (m *TenantModel) judge(s *TenantState, t *TenantDay) {
	// Whether a dip would stand out from the noise of this day.
	tells := m.cfg.NoiseSigmas*math.Sqrt(max(s.Noise, 1)*t.Expected) <= (1-m.cfg.DipBelow)*t.Expected
	if t.Expected > 0 && tells {
		ratio := t.Observed / t.Expected
		unusual := t.Frozen || t.Steps < 0
		switch {
		case ratio < m.cfg.DipBelow && unusual:
			if s.Since == NoDay {
				s.Since = t.Day
			}
			s.Missing += t.Weight * (1 - ratio)
			s.Due += t.Weight
		case ratio >= m.cfg.RecoverAbove:
			m.end(s, t)
			return
		case s.Since != NoDay:
			s.Missing += t.Weight * max(1-ratio, 0)
			s.Due += t.Weight
		}
	}
	if s.Since == NoDay {
		return
	}
	if s.Alert.Status == StatusFiring {
		t.Frozen = true
		if int(t.Day-s.Alert.FiringDay) >= m.cfg.AcceptDays {
			m.accept(s, t)
		}
		return
	}
	outage := s.Missing >= m.cfg.OutageDays && s.Missing >= (1-m.cfg.FreezeBelow)*s.Due
	if !outage && s.Missing < m.cfg.DipDays {
		return
	}
	s.Alert.Status, s.Alert.FiringDay = StatusFiring, t.Day
	s.Alert.Level.Since = s.Since
	s.Alert.Sequence++
	t.Frozen = true
	t.Transitions = append(t.Transitions, m.transition(s, t, StatusFiring))
}

// levelShareMin keeps a level that can be exceeded when silence was accepted.
const levelShareMin = .02

// accept takes the level of the row as the new normal and ends the alert.
func (m *TenantModel) accept(s *TenantState, t *TenantDay) {
	share := levelShareMin
	if s.Due > 0 {
		share = max(1-s.Missing/s.Due, levelShareMin)
	}
	s.Alert.Sequence++
	t.Transitions = append(t.Transitions, m.transition(s, t, StatusRebaselined))
	s.Alert = Episode{Status: StatusOK, Sequence: s.Alert.Sequence}
	for i := range s.Level {
		s.Level[i] *= share
	}
	s.Missing, s.Due, s.Since = 0, 0, NoDay
}

// end closes a row of low days, and the alert if it fires.
func (m *TenantModel) end(s *TenantState, t *TenantDay) {
	if s.Alert.Status == StatusFiring {
		s.Alert.Sequence++
		t.Transitions = append(t.Transitions, m.transition(s, t, StatusResolved))
		s.Alert = Episode{Status: StatusOK, Sequence: s.Alert.Sequence}
	}
	s.Missing, s.Due, s.Since = 0, 0, NoDay
}

// transition describes the alert: rates are sessions per average day in the middle
// half of the groups, the statistic is in average days' sessions missing.
func (m *TenantModel) transition(s *TenantState, t *TenantDay, status Status) Transition {
	normal := t.Expected / t.Weight
	tr := Transition{
		Rule: RuleTenantDrop, Status: status, Severity: SeverityCritical, Day: t.Day,
		FiringDay: s.Alert.FiringDay, ChangeDay: s.Alert.Level.Since, Sequence: s.Alert.Sequence,
		Statistic: s.Missing, Threshold: m.cfg.OutageDays, BaselineRate: normal,
	}
	share := 0.0
	if s.Due > 0 {
		share = max(1-s.Missing/s.Due, 0)
	}
	if s.Missing < (1-m.cfg.FreezeBelow)*s.Due {
		tr.Severity, tr.Threshold = SeverityWarning, m.cfg.DipDays
	}
	if status == StatusResolved {
		share = t.Observed / t.Expected
	}
	tr.CurrentRate = normal * share
	tr.DropPct = 100 * min(max(1-share, 0), 1)
	tr.DropPctLow, tr.DropPctHigh = tr.DropPct, tr.DropPct
	return tr
}
