package detect

import "math"

// Cells of the lattice on which the bank's joint chain runs. The first CUSUM moves
// in smaller steps and gets more of them; see bankChain for the error this leaves.
const (
	bankCellsFirst  = 80
	bankCellsSecond = 32
)

// secondOffset is how much higher the limit of the bank's second CUSUM is, in nats:
// the prior odds, 4 to 1, that a drop is nearer to the first ratio. With equal limits
// the second would use up most of the false alarms at low rates, and delay the
// first, for a day or two that it gains on partners that stop.
const secondOffset = 2 * math.Ln2

// bankChain is a bank of two CUSUMs with limits h and h + secondOffset as a Markov chain on a lattice
// (Brook and Evans 1972, in two dimensions). The CUSUMs see the same counts, so
// neither the sum of their false-alarm rates nor the larger of them is the bank's.
//
// A value between two lattice points is split between them so that its mean is
// kept. That adds a variance of at most a quarter of a squared cell a day, and
// smears the limit by half a cell, which bankChain takes back by placing the limit
// half a cell lower.
type bankChain struct {
	moves []bankMove
	rest  float64 // probability of counts that return every state to zero
}

// bankMove is what one count does to both CUSUMs.
type bankMove struct {
	prob          float64
	first, second []landing
}

// landing is where a lattice point goes: share to the point at, the rest to at+1.
// Points at and beyond the number of cells are the alarm.
type landing struct {
	at    int
	share float64
}

// newBankChain prepares the bank that tests ratio·mu against mu with the limit h,
// in nats, for counts of mean rate and dispersion r.
func newBankChain(h, mu float64, ratios [2]float64, r, rate float64) *bankChain {
	c := &bankChain{rest: 1}
	p := negativeBinomial(rate, r)
	cells := [2]int{bankCellsFirst, bankCellsSecond}
	for y := 0; c.rest > 1e-13; y++ {
		var landings [2][]landing
		returning := true
		for i, ratio := range ratios {
			cell := (h + float64(i)*secondOffset) / (float64(cells[i]) - .5)
			shift := increment(y, mu, ratio, math.Log(ratio), r) / cell
			landings[i] = land(cells[i], shift)
			returning = returning && shift <= -float64(cells[i]-1)
		}
		if returning {
			break
		}
		prob := p(y)
		c.rest -= prob
		if prob > 1e-15 {
			c.moves = append(c.moves, bankMove{prob, landings[0], landings[1]})
		}
	}
	c.rest = max(c.rest, 0)
	return c
}

func land(cells int, shift float64) []landing {
	out := make([]landing, cells)
	for i := range out {
		to := float64(i) + shift
		switch {
		case to <= 0:
			out[i] = landing{0, 1}
		case to >= float64(cells):
			out[i] = landing{cells, 1}
		default:
			at := math.Floor(to)
			out[i] = landing{int(at), 1 - (to - at)}
		}
	}
	return out
}

// day moves the distribution over the states by one day and gives the probability
// that no alarm came; from is overwritten.
func (c *bankChain) day(from, to, work []float64) float64 {
	clear(to)
	var mass [bankCellsFirst]float64 // by state of the first CUSUM
	total := 0.0
	for i := range mass {
		for _, x := range from[i*bankCellsSecond : (i+1)*bankCellsSecond] {
			mass[i] += x
		}
		total += mass[i]
	}
	to[0] = c.rest * total
	for _, m := range c.moves {
		for i, l := range m.first {
			row := from[i*bankCellsSecond : (i+1)*bankCellsSecond]
			if l.at >= bankCellsFirst || mass[i] < 1e-13 {
				continue
			}
			moveRow(row, work, m.second, m.prob)
			addRow(to, work, l.at, l.share)
			if l.share < 1 && l.at+1 < bankCellsFirst {
				addRow(to, work, l.at+1, 1-l.share)
			}
		}
	}
	alive := 0.0
	for _, x := range to {
		alive += x
	}
	return alive
}

func moveRow(row, work []float64, landings []landing, prob float64) {
	clear(work)
	for j, x := range row {
		if x < 1e-18 {
			continue
		}
		l := landings[j]
		if l.at >= bankCellsSecond {
			continue
		}
		x *= prob
		work[l.at] += x * l.share
		if l.share < 1 && l.at+1 < bankCellsSecond {
			work[l.at+1] += x * (1 - l.share)
		}
	}
}

func addRow(to, work []float64, at int, share float64) {
	row := to[at*bankCellsSecond : (at+1)*bankCellsSecond]
	for j, x := range work {
		row[j] += share * x
	}
}

// runLength is the mean number of days from a fresh start to the alarm, which
// counts. The days are gone through one by one until the share of the surviving
// distribution that alarms has settled; from there on the alarm is geometric. Its
// limit is extrapolated from three looks, wait days apart (Aitken).
func (c *bankChain) runLength(wait int) float64 {
	n := bankCellsFirst * bankCellsSecond
	from, to, work := make([]float64, n), make([]float64, n), make([]float64, bankCellsSecond)
	from[0] = 1
	surviving, sum := 1.0, 0.0
	var seen [3]float64
	limit := -1.0
	for day, looks := 1, 0; ; day++ {
		sum += surviving
		alive := c.day(from, to, work)
		surviving *= alive
		if surviving <= 1e-9 {
			return sum
		}
		for i := range to {
			to[i] /= alive
		}
		from, to = to, from
		if day%wait != 0 {
			continue
		}
		looks++
		seen[0], seen[1], seen[2] = seen[1], seen[2], 1-alive
		if looks < 3 {
			continue
		}
		next := seen[2]
		if d := (seen[2] - seen[1]) - (seen[1] - seen[0]); d != 0 {
			if x := seen[2] - (seen[2]-seen[1])*(seen[2]-seen[1])/d; x > 0 && x < 1 {
				next = x
			}
		}
		tolerance := .004
		if next < 1e-5 { // beyond every budget, so its order of size will do
			tolerance = .05
		}
		if math.Abs(next-limit) <= tolerance*next || next < 1e-14 || day > 50_000 {
			return sum + surviving/max(next, 1e-14)
		}
		limit = next
	}
}

// BankARL is the zero-state average run length in days of the bank: two CUSUMs for
// the ratios, designed for the baseline mu, with limits h and h + secondOffset
// (nats), fed with counts of mean rate and dispersion r (0: Poisson). All days have
// exposure 1; the alarm day counts.
func BankARL(h, mu float64, ratios [2]float64, r, rate float64) float64 {
	// An alarm takes about so many days if nobody comes; looks are not closer.
	wait := max(6, int(h/silence(mu*(1-ratios[0]), r)))
	return newBankChain(h, mu, ratios, r, rate).runLength(wait)
}

// bankWeekARL is BankARL of a healthy partner whose days have the exposures of a week,
// Sunday first. The tail is geometric by weeks.
func bankWeekARL(h, mu float64, ratios [2]float64, r float64, week [7]float64) float64 {
	var chains [7]*bankChain
	for i, exposure := range week {
		chains[i] = newBankChain(h, mu*exposure, ratios, r, mu*exposure)
	}
	n := bankCellsFirst * bankCellsSecond
	from, to, work := make([]float64, n), make([]float64, n), make([]float64, bankCellsSecond)
	from[0] = 1
	surviving, sum, before := 1.0, 0.0, -1.0
	weeksMin := int(3 * h / silence(mu*(1-ratios[0]), r) / 7)
	for passed := 1; ; passed++ {
		start := surviving
		for _, c := range chains {
			sum += surviving
			alive := c.day(from, to, work)
			surviving *= alive
			if surviving <= 1e-9 {
				return sum
			}
			for i := range to {
				to[i] /= alive
			}
			from, to = to, from
		}
		now := 1 - surviving/start
		if passed > weeksMin && math.Abs(now-before) <= .001*now || passed > 5000 {
			return sum + surviving*7/now
		}
		before = now
	}
}
