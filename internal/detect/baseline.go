package detect

import "math"

// learn moves the oldest day of a full guard into the baseline:
//
//	a ← δa + y_{t−g},  b ← δb + e_{t−g},  δ = 2^(−1/HalfLifeDays)
//
// so that λ̂ = (α₀+a)/(β₀+b) is the posterior mean of a Gamma–Poisson model with
// forgetting (West and Harrison 1997, ch. 10). While an alert fires nothing is
// learnt nor forgotten, or the drop would become the baseline it is measured
// against.
func (d *Detector) learn(s *State) {
	if len(s.Guard) < d.cfg.GuardDays {
		return
	}
	oldest := s.Guard[0]
	copy(s.Guard, s.Guard[1:])
	s.Guard = s.Guard[:len(s.Guard)-1]
	if s.firing() || s.LastSeen == NoDay {
		return
	}
	s.Sessions = d.decay*s.Sessions + float64(oldest.Sessions)
	s.Exposure = d.decay*s.Exposure + oldest.Exposure
	s.ExposureSq = d.decay*d.decay*s.ExposureSq + oldest.Exposure
	s.Squares = d.decay*s.Squares + oldest.Exposure*oldest.Exposure
}

// remember puts today into the guard. The day of the very first session is left
// out: it is known to have one, and would bias the rate upwards.
func (d *Detector) remember(s *State, y int, exposure float64, counts bool) {
	if !counts {
		y, exposure = 0, 0
	}
	s.Guard = append(s.Guard, Past{Sessions: y, Exposure: exposure})
}

// forgetBefore takes the days before first out of the guard; newest is the day of
// the guard's last entry.
func (s *State) forgetBefore(first, newest Day) {
	oldest := newest - Day(len(s.Guard)) + 1
	for i := range s.Guard {
		if oldest+Day(i) < first {
			s.Guard[i] = Past{}
		}
	}
}

// rate estimates λ̂, its relative standard error, and the rate that is tested
// against, CautionSE standard errors lower; rates are sessions per average day. With
// weights w = δᵏ the variance of a is Σw²(eλ + e²λ²/r), and the prior counts as that
// many days more. Σw²e² is taken as Σw²e times the mean exposure of a session's day,
// Σwe² ÷ Σwe.
func (d *Detector) rate(s *State, t *today) {
	sessions, days := d.cfg.PriorSessions, d.cfg.PriorDays
	if t.in.PriorDays > 0 && t.in.PriorSessions > 0 {
		sessions, days = t.in.PriorSessions, t.in.PriorDays
	}
	information, squares := days+s.ExposureSq, days+s.Squares
	days += s.Exposure
	t.crowding = squares / days
	t.estimate = (sessions + s.Sessions) / days
	perDay := 1 / t.estimate // variance of a day's count ÷ rate²
	if t.r > 0 {
		perDay += t.crowding / t.r
	}
	t.spread = math.Sqrt(perDay*information) / days
	t.tested = t.estimate * caution(d.cfg.CautionSE, t.spread)
}

// caution is the tested rate ÷ the estimate.
func caution(se, spread float64) float64 { return max(1-se*spread, .1) }

// dispersion is the r of a day, 0 for Poisson.
func (d *Detector) dispersion(in Input) float64 {
	switch {
	case math.IsInf(in.Dispersion, 1):
		return 0
	case in.Dispersion > 0:
		return in.Dispersion
	}
	return d.cfg.Dispersion
}

// arm decides whether the baseline suffices, with hysteresis. On becoming armed
// the guard's days, which no test has seen, go through the bank, and the silence
// so far is counted; else a partner that left early would be noticed late.
func (d *Detector) arm(s *State, t *today) {
	switch {
	case !s.Armed && s.Sessions >= d.cfg.BaselineSessionsMin && s.Exposure >= d.cfg.BaselineDaysMin:
		s.Armed = true
		oldest := s.Next - Day(len(s.Guard))
		for i, past := range s.Guard {
			d.stepBank(s, t, oldest+Day(i), past.Sessions, past.Exposure)
		}
		s.Ghost.S = silence(t.tested, t.r) * s.Ghost.Exposure
	case s.Armed && s.Sessions < d.cfg.BaselineSessionsMin/2 && !s.firing():
		s.Armed = false
		s.resetBank()
		s.Ghost.S = 0
	}
}

// firing tells whether a rule that measures against the baseline fires.
func (s *State) firing() bool {
	return s.Drop.Status == StatusFiring || s.Quiet.Status == StatusFiring
}

// exposure is s_dow·h_t of a day, in average days.
func (d *Detector) exposure(day Day, in Input) float64 {
	if in.Frozen {
		return 0
	}
	factor := in.Factor
	if !(factor > 0) {
		factor = 1
	}
	return d.weekday[day.Weekday()] * min(factor, 100)
}
