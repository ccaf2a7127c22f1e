package detect

import "math"

// detectableDays is the time in which the smallest detectable drop is to be seen.
const detectableDays = 30.

// detectable is the smallest drop, in per cent of today's tested baseline, that the
// bank detects within 30 average days on average; 0 when not even a stop.
func (d *Detector) detectable(t *today) float64 {
	best := 0.0
	for i, ratio := range d.cfg.Ratios {
		perSession, daily := scale(t.tested, ratio, t.r)
		h := d.limit(i, t)
		if h > daily*detectableDays {
			continue
		}
		low, high := 0.0, 1.0 // share of the sessions that is left
		for range 12 {
			left := (low + high) / 2
			if roughARL(h, daily, perSession, left*t.tested, t.r) > detectableDays {
				high = left
			} else {
				low = left
			}
		}
		best = max(best, low)
	}
	if best == 0 {
		return 0
	}
	return 100 * (1 - best)
}

// siegmundOvershoot is by how many standard deviations of a day a CUSUM overshoots
// its limits on average, both together.
const siegmundOvershoot = 1.166

// roughARL is Siegmund's approximation (1985) of the average run length of the CUSUM
// that gains daily a day and loses perSession a session, with the limit h.
func roughARL(h, daily, perSession, rate, r float64) float64 {
	variance := rate
	if r > 0 {
		variance += rate * rate / r
	}
	sd := perSession * math.Sqrt(variance)
	drift := (daily - perSession*rate) / sd
	b := h/sd + siegmundOvershoot
	if math.Abs(drift*b) < 1e-4 {
		return b * b
	}
	return (math.Expm1(-2*drift*b) + 2*drift*b) / (2 * drift * drift)
}
