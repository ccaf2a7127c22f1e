package detect

import "math"

// increment is the log-likelihood ratio, in nats, of the rate ρμ against μ for y
// sessions on a day with mu expected:
//
//	y·ln ρ + (y+r)·ln((r+μ)/(r+ρμ)),  Poisson limit: y·ln ρ + μ(1−ρ)
//
// It falls in y for every μ, r and ρ < 1.
func increment(y int, mu, ratio, logRatio, r float64) float64 {
	n := float64(y)
	if r == 0 {
		return n*logRatio + mu*(1-ratio)
	}
	return n*logRatio + (n+r)*math.Log1p(mu*(1-ratio)/(r+ratio*mu))
}

// silence is −ln P(no session) on an average day at the rate mu, the limit ρ → 0
// of increment for y = 0. In the Poisson limit it is μ, so that its sum is the
// expected number of sessions missed.
func silence(mu, r float64) float64 {
	if r == 0 {
		return mu
	}
	return r * math.Log1p(mu/r)
}

// add moves a CUSUM by a day's increment and keeps account of the time since it
// was last zero (Page 1954).
func (c *Cusum) add(increment float64, day Day, y int, exposure float64) {
	s := c.S + increment
	if !(s > 0) {
		*c = Cusum{}
		return
	}
	if c.Since == NoDay {
		c.Since = day
	}
	c.S = s
	c.Sessions += y
	c.Exposure += exposure
}

// rate is the mean since the last zero, or otherwise if there is none.
func (c *Cusum) rate(otherwise float64) float64 {
	if c.Exposure <= 0 {
		return otherwise
	}
	return float64(c.Sessions) / c.Exposure
}

// stepBank moves every CUSUM of the bank by one day at the rate that is tested today.
func (d *Detector) stepBank(s *State, t *today, day Day, y int, exposure float64) {
	for i := range s.Bank {
		inc := increment(y, t.tested*exposure, d.cfg.Ratios[i], d.logRatio[i], t.r)
		s.Bank[i].add(inc, day, y, exposure)
	}
}

func (s *State) resetBank() {
	for i := range s.Bank {
		s.Bank[i] = Cusum{}
	}
}

// stepGhost counts the silence: a session ends it, a day without adds
// −ln P(no session). Before the partner is armed only the exposure is kept.
func (d *Detector) stepGhost(s *State, t *today) {
	if t.y > 0 {
		s.Ghost = Cusum{}
		return
	}
	if s.Ghost.Since == NoDay {
		s.Ghost.Since = t.day
	}
	s.Ghost.Exposure += t.exposure
	if s.Armed {
		s.Ghost.S += silence(t.tested*t.exposure, t.r)
	}
}

// stepRecovery moves the upward CUSUM of a firing rule: the likelihood ratio of
// the baseline against ρ times it.
func (d *Detector) stepRecovery(e *Episode, ratio int, t *today) {
	e.Level.Sessions += t.y
	e.Level.Exposure += t.exposure
	inc := increment(t.y, t.tested*t.exposure, d.cfg.Ratios[ratio], d.logRatio[ratio], t.r)
	e.Recovery.add(-inc, t.day, t.y, t.exposure)
}

// Increment is the log-likelihood ratio, in nats, of the rate ratio·mu against mu for
// y sessions on a day with mu expected and dispersion r (0: Poisson): what a CUSUM
// of the bank adds for the day.
func Increment(y int, mu, ratio, r float64) float64 {
	return increment(y, mu, ratio, math.Log(ratio), r)
}
