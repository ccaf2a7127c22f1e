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
