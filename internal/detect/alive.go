package detect

import "math"

// BGNBD are the parameters of the BG/NBD model of Fader, Hardie and Lee (2005): a
// partner comes at a Gamma(R, Alpha)-distributed rate until, after any visit, it
// leaves for good with a Beta(A, B)-distributed probability. All are positive; time
// is in the unit of 1/Alpha.
type BGNBD struct{ R, Alpha, A, B float64 }

// Alive is the probability that a partner is still active, given x repeat visits, the
// last at lastSeen, in the time watched since its first visit. Range: 0–1. It
// explains an alert and never raises one: at telling who will not come back it is no
// better than the time since the last visit.
func (m BGNBD) Alive(x int, lastSeen, watched float64) float64 {
	if x <= 0 {
		return 1 // nobody can have left after a repeat visit that was not made
	}
	n := float64(x)
	left := math.Log(m.A) - math.Log(m.B+n-1) + (m.R+n)*(math.Log(m.Alpha+watched)-math.Log(m.Alpha+lastSeen))
	return 1 / (1 + math.Exp(left))
}
