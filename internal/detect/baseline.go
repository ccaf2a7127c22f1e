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

// rates gives λ̂ and the rate that is tested against, CautionSE standard errors
// lower, both in sessions per average day. With weights w = δᵏ the variance of a
// is Σw²e(λ + λ²/r), taking e² as e.
func (d *Detector) rates(s *State) (estimate, tested float64) {
	days := d.cfg.PriorDays + s.Exposure
	estimate = (d.cfg.PriorSessions + s.Sessions) / days
	perDay := estimate
	if d.cfg.Dispersion > 0 {
		perDay += estimate * estimate / d.cfg.Dispersion
	}
	se := math.Sqrt(perDay*s.ExposureSq) / days
	return estimate, max(estimate-d.cfg.CautionSE*se, estimate/10)
}

// arm decides whether the baseline suffices, with hysteresis. On becoming armed
// the guard's days, which no test has seen, go through the bank, and the silence
// so far is counted; else a partner that left early would be noticed late.
func (d *Detector) arm(s *State, tested float64) {
	switch {
	case !s.Armed && s.Sessions >= d.cfg.BaselineSessionsMin && s.Exposure >= d.cfg.BaselineDaysMin:
		s.Armed = true
		oldest := s.Next - Day(len(s.Guard))
		for i, past := range s.Guard {
			d.stepBank(s, oldest+Day(i), past.Sessions, past.Exposure, tested)
		}
		s.Ghost.S = d.silence(tested) * s.Ghost.Exposure
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
