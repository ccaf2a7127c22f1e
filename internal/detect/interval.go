package detect

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// levelConfidence is the confidence of the limits of a drop's size.
const levelConfidence = .95

// ratioLimits are 95 % limits of the level's rate ÷ the baseline, both unknown.
//
// With n sessions in the exposure E, Garwood's exact Poisson limits (1936) of the
// level are quantiles of Gamma(n)/E below and Gamma(n+1)/E above; the baseline is
// Gamma of shape k = 1/spread² and mean λ̂, its posterior. The quotient of two
// Gammas is an F:
//
//	low = n/(Eλ̂)·F(2n, 2k; 2.5 %),  high = (n+1)/(Eλ̂)·F(2n+2, 2k; 97.5 %)
//
// the limits of a ratio of Poisson rates (Przyborowski and Wilenski 1940). Counts of
// dispersion r have 1 + λe/r times the variance of Poisson's; n is then worth so many
// times fewer. For n = 0 the lower limit is 0.
func (t *today) ratioLimits(level Cusum) (low, high float64) {
	inflation := 1.0
	if t.r > 0 {
		// Of a level that is hardly there, one session more tells of the variance.
		inflation += float64(level.Sessions+1) / level.Exposure * t.crowding / t.r
	}
	worth, tail := 1/inflation, (1-levelConfidence)/2
	quotient := func(n int, p float64) float64 {
		return float64(n) / (level.Exposure * t.estimate) * gammaQuotient(float64(n)*worth, t.spread, p)
	}
	if level.Sessions > 0 {
		low = quotient(level.Sessions, tail)
	}
	return low, quotient(level.Sessions+1, 1-tail)
}

// gammaQuotient is a quantile of the quotient of two Gammas of mean 1: one of the
// shape, one of the relative standard deviation spread.
func gammaQuotient(shape, spread, p float64) float64 {
	if k := 1 / (spread * spread); k < 1e7 {
		if q := (distuv.F{D1: 2 * shape, D2: 2 * k}).Quantile(p); !math.IsNaN(q) {
			return q
		}
	}
	return distuv.Gamma{Alpha: shape, Beta: shape}.Quantile(p)
}
