package detect

import "math"

// The grid on which the bank's run lengths are tabulated. Dispersion 0 is Poisson.
// Between the nodes the logarithm of the run length is interpolated.
var (
	bankRatios      = [2]float64{.5, .1}
	gridDispersions = [...]float64{0, 10, 3, 1}
	gridLimits      = [...]float64{1, 2, 3, 4, 5, 6.5, 8}
	gridTruths      = [...]float64{.45, .62, .8, 1, 1.3} // true rate ÷ tested baseline
)

const (
	gridRates    = 20
	gridRateMin  = .05
	gridRateStep = 1.5
)

// gridRate is the i-th baseline of the grid, sessions per average day.
func gridRate(i int) float64 { return gridRateMin * math.Pow(gridRateStep, float64(i)) }

// gridWeekLimits are the limits at which weeks are tabulated, and gridWeek is the week
// that they are tabulated for, Sunday first: nearly all sessions on working days.
var (
	gridWeekLimits = [...]float64{2, 3.5, 5, 6.5}
	gridWeek       = [7]float64{.2, 1.32, 1.32, 1.32, 1.32, 1.32, .2}
)

// GridWeekRows is the number of rows of the table of weeks.
const GridWeekRows = len(gridDispersions) * gridRates

// GridWeekRow computes one row of the table of weeks: at each limit, by how much
// ln ARL of a healthy partner is longer than if all days were alike.
func GridWeekRow(row int) []float64 {
	mu, r := gridRate(row%gridRates), gridDispersions[row/gridRates]
	out := make([]float64, len(gridWeekLimits))
	for i, h := range gridWeekLimits {
		out[i] = math.Log(bankWeekARL(h, mu, bankRatios, r, gridWeek) / BankARL(h, mu, bankRatios, r, mu))
	}
	return out
}

// GridRows is the number of rows of the table.
const GridRows = len(gridDispersions) * gridRates * len(gridTruths)

// GridRow computes one row of the table: the logarithms of BankARL at the grid's
// limits, for row in 0 … GridRows−1, truths running fastest and dispersions slowest.
func GridRow(row int) []float64 {
	truth := gridTruths[row%len(gridTruths)]
	mu := gridRate(row / len(gridTruths) % gridRates)
	r := gridDispersions[row/len(gridTruths)/gridRates]
	out := make([]float64, len(gridLimits))
	for i, h := range gridLimits {
		out[i] = math.Log(BankARL(h, mu, bankRatios, r, truth*mu))
	}
	return out
}
