package collateral

import (
	"math/big"
	"slices"
)

// Content is what is known of one content at the end of a day.
type Content struct {
	ID       string
	AgeDays  int64    // since its publication; without one, since it was first consumed
	Entitled int64    // partners entitled to it
	Reached  int64    // of those, with a view in the window
	Viewing  int64    // partners with a view in the window
	Acts     int64    // downloads, shares and pins in the window
	Shown    int64    // impressions in the window
	Clicks   int64    // clicks on it in searches in the window
	Quality  *big.Int // decayed sum of the views' quality, millionths of 2^30ths
	Views    *big.Int // decayed views, 2^30ths
}

// Score is the explained score of a content. Points sum to CCS.
type Score struct {
	ID                                           string
	Reach, Depth, Use, Find                      int64 // R, D, U, F, millionths
	PointsReach, PointsDepth, PointsUse, PointsF int64 // millionths of a point
	CCS                                          int64 // millionths of a point
	FindImputed                                  bool  // the content has no impressions
	Neglected, SeenNotRead                       bool
}

// Scores gives the score of each content, in the order of contents. They belong
// together: means and 90th percentiles are over all of them.
func Scores(contents []Content) []Score {
	var reached, entitled, acts, viewing, clicks, shown int64
	quality, views := new(big.Int), new(big.Int)
	for i := range contents {
		c := &contents[i]
		reached, entitled, acts, viewing = reached+c.Reached, entitled+c.Entitled, acts+c.Acts, viewing+c.Viewing
		clicks, shown = clicks+c.Clicks, shown+c.Shown
		quality.Add(quality, c.Quality)
		views.Add(views, c.Views)
	}
	meanReach, meanUse, meanFind := ratio(reached*Unit, entitled), ratio(acts*Unit, viewing), ratio(clicks*Unit, shown)
	meanDepth := int64(0)
	if views.Sign() > 0 {
		meanDepth = new(big.Int).Div(quality, views).Int64()
	}
	r, u, f := make([]int64, len(contents)), make([]int64, len(contents)), make([]int64, len(contents))
	for i := range contents {
		c := &contents[i]
		r[i], u[i], f[i] = shrunk(c.Reached, c.Entitled, meanReach), shrunk(c.Acts, c.Viewing, meanUse), shrunk(c.Clicks, c.Shown, meanFind)
	}
	barReach, barUse, barFind := p90(r), p90(u), p90(f)
	out := make([]Score, len(contents))
	for i := range contents {
		c := &contents[i]
		s := Score{ID: c.ID, Reach: share(r[i], barReach), Depth: depth(c, meanDepth), Use: share(u[i], barUse), FindImputed: c.Shown == 0}
		if s.Find = share(f[i], barFind); shown == 0 {
			s.Find = FindImputed
		}
		s.PointsReach, s.PointsDepth, s.PointsUse, s.PointsF = PointsReach*s.Reach, PointsDepth*s.Depth, PointsUse*s.Use, PointsFind*s.Find
		s.CCS = s.PointsReach + s.PointsDepth + s.PointsUse + s.PointsF
		s.Neglected = c.AgeDays >= NeglectedDays && reachSurelyLow(c.Reached, c.Entitled)
		s.SeenNotRead = s.Reach >= SeenReach && 2*s.Depth < meanDepth
		out[i] = s
	}
	return out
}

// ratio is a ÷ b rounded down, 0 for b = 0.
func ratio(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// shrunk is (n + 20·mean)/(of + 20), millionths: few observations stay near the mean.
func shrunk(n, of, mean int64) int64 { return (n*Unit + Pseudo*mean) / (of + Pseudo) }

// depth is D = (Σ d·q + 20·q̄)/(Σ d + 20), millionths.
func depth(c *Content, mean int64) int64 {
	pseudo := big.NewInt(Pseudo * DecayUnit)
	up := new(big.Int).Add(c.Quality, new(big.Int).Mul(pseudo, big.NewInt(mean)))
	return up.Div(up, new(big.Int).Add(c.Views, pseudo)).Int64()
}

// p90 is the 90th percentile by nearest rank, 0 of nothing.
func p90(values []int64) int64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(9*len(sorted)+9)/10-1]
}

// share is min(1, v/bar), millionths; 0 for a bar of 0.
func share(v, bar int64) int64 { return min(Unit, ratio(v*Unit, bar)) }

// reachSurelyLow tells whether the one-sided 95 % upper bound of the reach n/of is
// below 5 %: Wilson's score bound (z = 1.645), solved for the test, so that it needs
// no root: (20n − N)² > z²·19·N and 20n < N. With n = 0 it takes 52 partners.
func reachSurelyLow(n, of int64) bool {
	gap := of - 20*n
	return gap > 0 && 1000*gap*gap > 51_415*of
}
