// Package collateral is the collateral-consumption score (CCS) as a pure function:
// what was consumed of each content of a tenant in, one explained score per content
// out. The SQL of the aggregator computes the same numbers; a property test holds it
// to this package.
//
// CCS = 35·R + 35·D + 20·U + 10·F, 0–100. All arithmetic is on integers, in the
// order that is written here, so that it gives the same digits everywhere: shares
// are millionths, decay weights are 2^30ths, points are millionths.
package collateral

import "math"

// Numbers of the model. A change of any of them needs another Version.
const (
	Version       = "ccs-1"
	Unit          = 1_000_000 // of shares and points
	DecayUnit     = 1 << 30   // of decay weights
	HalfLifeDays  = 30        // of depth
	DepthDays     = 360       // how far depth looks back; what is older weighs less than 1/4000
	WindowDays    = 90        // how far reach, use and findability look back
	Pseudo        = 20        // views, partners or impressions of the mean that each content starts with
	PointsReach   = 35        // points of a full component
	PointsDepth   = 35
	PointsUse     = 20
	PointsFind    = 10
	FindImputed   = Unit / 2 // findability while no content of the tenant has impressions
	NeglectedDays = 30       // a content is not neglected before this age
	SeenReach     = 700_000  // seen_not_read: reach at least
)

// Decay gives round(2^30·2^(−age/30)) for each age in days below DepthDays.
func Decay() []int64 {
	out := make([]int64, DepthDays)
	for age := range out {
		out[age] = int64(math.Round(math.Exp2(30 - float64(age)/HalfLifeDays)))
	}
	return out
}
