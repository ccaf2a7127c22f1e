package detect

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/interp"
	"gonum.org/v1/gonum/stat/distuv"
)

//go:generate go run ./tabulate bank.csv bankweek.csv

// bankTable is GridRow for every row, in hundredths.
//
//go:embed bank.csv
var bankTable string

// bankWeekTable is GridWeekRow for every row, in hundredths.
//
//go:embed bankweek.csv
var bankWeekTable string

// gridSpreads are the relative standard errors of the baseline for which limits are
// solved; between them they are interpolated, beyond the last it is taken.
var gridSpreads = [...]float64{0, .03, .06, .09, .12, .16, .2, .25, .3, .4, .5, .7}

// truthsPerSpread is how many equally probable true rates an uncertain baseline is
// replaced by.
const truthsPerSpread = 40

// bankLimits holds the limits of the bank for one budget.
//
// Given its estimate λ̂ with the relative standard error c, a healthy partner's true
// rate is λ̂q with q ~ Gamma of mean 1 and standard deviation c, the posterior of
// Gamma–Poisson. It alarms every ARL(h, q) days (BankARL, tabulated), and after an
// alarm is out of sight for the time C(q) that its recovery takes to confirm, or
// that the baseline takes to be renewed. The limit solves
//
//	E_q[ 1 / (ARL(h, q) + C(q)) ] = 1 / ARL₀
//
// so that the stated budget holds on average over partners whose rates are not
// known, instead of for one whose rate is.
type bankLimits struct {
	x     []float64     // ln μ
	table [][][]float64 // by dispersion, spread, rate
	week  [][]float64   // by dispersion and rate: nats to take off in gridWeek
}

func newBankLimits(arl0, cautionSE, resolveAt, halfLife float64) (*bankLimits, error) {
	logARL, err := readBankTable(bankTable, GridRows, len(gridLimits))
	if err != nil {
		return nil, fmt.Errorf("reading the table of run lengths: %w", err)
	}
	b := &bankLimits{}
	for i := range gridRates {
		b.x = append(b.x, math.Log(gridRate(i)))
	}
	for d := range gridDispersions {
		bySpread := make([][]float64, len(gridSpreads))
		curves := make([]truthCurves, gridRates)
		for i := range curves {
			if curves[i], err = newTruthCurves(logARL[(d*gridRates+i)*len(gridTruths):][:len(gridTruths)]); err != nil {
				return nil, err
			}
		}
		for k, spread := range gridSpreads {
			truths := truthsOf(spread, caution(cautionSE, spread))
			for i := range gridRates {
				bySpread[k] = append(bySpread[k], curves[i].limit(arl0, gridRate(i), resolveAt, halfLife, truths))
			}
		}
		b.table = append(b.table, bySpread)
	}
	return b, b.fitWeek()
}

// fitWeek finds how much lower the limits may be where sessions crowd into the
// working days as in gridWeek: a partner's false alarms are then rarer by a factor,
// and a factor e takes one nat.
func (b *bankLimits) fitWeek() error {
	rows, err := readBankTable(bankWeekTable, GridWeekRows, len(gridWeekLimits))
	if err != nil {
		return fmt.Errorf("reading the table of weeks: %w", err)
	}
	for d := range gridDispersions {
		var nats []float64
		for i := range gridRates {
			h := b.table[d][0][i]
			h = min(max(h, gridWeekLimits[0]), gridWeekLimits[len(gridWeekLimits)-1])
			nats = append(nats, linear(gridWeekLimits[:], rows[d*gridRates+i], h))
		}
		b.week = append(b.week, nats)
	}
	return nil
}

// crowdingOf is the mean exposure of a session's day in a week.
func crowdingOf(week [7]float64) float64 {
	sum, squares := 0.0, 0.0
	for _, e := range week {
		sum += e
		squares += e * e
	}
	return squares / sum
}

var errTable = errors.New("damaged table")

func readBankTable(text string, rowCount, fieldCount int) ([][]float64, error) {
	var rows [][]float64
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) != fieldCount {
			return nil, fmt.Errorf("%w: row %d has %d fields", errTable, len(rows), len(fields))
		}
		row := make([]float64, len(fields))
		for i, f := range fields {
			v, err := strconv.Atoi(f)
			if err != nil {
				return nil, fmt.Errorf("%w: row %d: %w", errTable, len(rows), err)
			}
			row[i] = float64(v) / 100
		}
		rows = append(rows, row)
	}
	if len(rows) != rowCount {
		return nil, fmt.Errorf("%w: %d rows, need %d", errTable, len(rows), rowCount)
	}
	return rows, nil
}

// truthsOf gives equally probable true rates ÷ the tested baseline.
func truthsOf(spread, caution float64) []float64 {
	if spread == 0 {
		return []float64{1 / caution}
	}
	shape := 1 / (spread * spread)
	gamma := distuv.Gamma{Alpha: shape, Beta: shape}
	out := make([]float64, truthsPerSpread)
	for i := range out {
		out[i] = gamma.Quantile((float64(i)+.5)/truthsPerSpread) / caution
	}
	return out
}

// truthCurves are ln ARL over ln truth, one curve for each limit of the grid.
type truthCurves []interp.FritschButland

func newTruthCurves(rows [][]float64) (truthCurves, error) {
	x := make([]float64, len(gridTruths))
	for i, q := range gridTruths {
		x[i] = math.Log(q)
	}
	curves := make(truthCurves, len(gridLimits))
	y := make([]float64, len(rows))
	for k := range curves {
		for i, row := range rows {
			y[i] = row[k]
		}
		if err := curves[k].Fit(x, y); err != nil {
			return nil, fmt.Errorf("interpolating run lengths: %w", err)
		}
	}
	return curves, nil
}

// limit solves for h in [limitMin, limitMax].
func (c truthCurves) limit(arl0, mu, resolveAt, halfLife float64, truths []float64) float64 {
	logARL := make([][]float64, len(truths))
	cover := make([]float64, len(truths))
	for i, q := range truths {
		for k := range c {
			logARL[i] = append(logARL[i], c.at(k, q))
		}
		// Wald's approximation of the run length of the upward CUSUM.
		gain := mu * (-q*math.Log(bankRatios[1]) - (1 - bankRatios[1]))
		cover[i] = min(resolveAt/max(gain, 1e-9)+1, halfLife)
	}
	low, high := gridLimits[0], math.Log(arl0)+1
	for range 40 {
		h := (low + high) / 2
		alarms := 0.0
		for i := range truths {
			alarms += 1 / (math.Exp(linear(gridLimits[:], logARL[i], h)) + cover[i])
		}
		if alarms/float64(len(truths)) > 1/arl0 {
			low = h
		} else {
			high = h
		}
	}
	return high
}

// at is ln ARL at the k-th limit; beyond the grid it goes on with the end's slope.
func (c truthCurves) at(k int, truth float64) float64 {
	first, last := gridTruths[0], gridTruths[len(gridTruths)-1]
	x := min(max(truth, first), last)
	y := c[k].Predict(math.Log(x))
	if truth < first {
		y = max(0, y+math.Log(truth/first)*c[k].PredictDerivative(math.Log(first)))
	}
	return y
}

// linear interpolates y over rising x, and goes on beyond the ends.
func linear(x, y []float64, at float64) float64 {
	i := min(max(sort.SearchFloat64s(x, at), 1), len(x)-1)
	share := (at - x[i-1]) / (x[i] - x[i-1])
	return y[i-1] + share*(y[i]-y[i-1])
}

// crowdedMost is how far beyond gridWeek the effect of crowding is extrapolated.
const crowdedMost = 2

// at is the limit of the bank's first CUSUM. crowding is the mean exposure of a
// session's day.
func (b *bankLimits) at(mu, spread, r, crowding float64) float64 {
	rough := 0.0
	if r > 0 {
		rough = min(1/r, 1/gridDispersions[len(gridDispersions)-1])
	}
	i := 1
	for i < len(gridDispersions)-1 && 1/gridDispersions[i] < rough {
		i++
	}
	from, to := 0.0, 1/gridDispersions[i]
	if i > 1 {
		from = 1 / gridDispersions[i-1]
	}
	// The variance of a count, in means, is 1 + μ/r.
	share := (math.Log1p(mu*rough) - math.Log1p(mu*from)) / (math.Log1p(mu*to) - math.Log1p(mu*from))
	flat := (1-share)*b.ofSpread(i-1, mu, spread) + share*b.ofSpread(i, mu, spread)
	x := min(max(math.Log(mu), b.x[0]), b.x[len(b.x)-1])
	week := (1-share)*linear(b.x, b.week[i-1], x) + share*linear(b.x, b.week[i], x)
	return flat - week*weekEarned(mu)*min((crowding-1)/(crowdingOf(gridWeek)-1), crowdedMost)
}

// Between these rates, sessions per average day, the allowance for weekdays fades.
const (
	weekEarnedWhole = 3
	weekEarnedNot   = 10
)

// weekEarned is the share of the allowance for weekdays that a rate earns. The table
// of weeks is for known rates. At high rates what is left of the budget goes to
// partners whose rate was overestimated, who look the same on every day with
// sessions: simulated with unknown rates (bench detector, three seeds), the whole
// allowance gave 1.10 to 1.15 times the budget at 10 to 30 sessions a day, and none
// of it 0.94 to 1.01; up to 3 a day the whole of it is earned.
func weekEarned(mu float64) float64 {
	x := (math.Log(mu) - math.Log(weekEarnedWhole)) / (math.Log(weekEarnedNot) - math.Log(weekEarnedWhole))
	return 1 - min(max(x, 0), 1)
}

func (b *bankLimits) ofSpread(dispersion int, mu, spread float64) float64 {
	spread = min(spread, gridSpreads[len(gridSpreads)-1])
	i := min(max(sort.SearchFloat64s(gridSpreads[:], spread), 1), len(gridSpreads)-1)
	share := (spread - gridSpreads[i-1]) / (gridSpreads[i] - gridSpreads[i-1])
	x := min(max(math.Log(mu), b.x[0]), b.x[len(b.x)-1])
	low, high := linear(b.x, b.table[dispersion][i-1], x), linear(b.x, b.table[dispersion][i], x)
	return low + share*(high-low)
}

// limit is the threshold of the i-th CUSUM of the bank today, in nats.
func (d *Detector) limit(i int, t *today) float64 {
	if d.limits == nil {
		return d.thresholds.At(i, t.tested)
	}
	return d.limits.at(t.tested, t.spread, t.r, t.crowding) + float64(i)*secondOffset
}

// ghostLimit is the threshold of the silence today, in nats. Partners who are
// silent drive the bank's last CUSUM too; the silence is given the limit at which
// that one would alarm after the same days from zero, so that ghosting is told as
// ghosting and takes no alerts of its own from the budget.
func (d *Detector) ghostLimit(t *today) float64 {
	if d.limits == nil {
		return d.thresholds.Ghosting(t.tested)
	}
	last := len(d.cfg.Ratios) - 1
	quiet := increment(0, t.tested, d.cfg.Ratios[last], d.logRatio[last], t.r)
	return d.limit(last, t) * silence(t.tested, t.r) / quiet
}
