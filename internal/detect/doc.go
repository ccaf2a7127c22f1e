// Package detect finds partners that go quiet. It is pure: counts of sessions
// per day go in, per-day statistics and alert transitions come out; no I/O, no
// clock, no goroutines.
//
// The baseline is Gamma–Poisson with forgetting; detection is a bank of
// negative-binomial CUSUMs (the family of glrnb in R's surveillance, Höhle and
// Paul 2008), with thresholds from a stated false-alarm budget (Brook and Evans
// 1972). The state per partner has a fixed size and is stepped one day at a time.
//
// # Determinism
//
// Equal configurations, states and inputs give equal bytes on one architecture:
// every sum is evaluated in one fixed order, nothing ranges over a map, and no
// random number is drawn. Between architectures the last bit may differ, because
// Go may fuse a multiplication and an addition (arm64) or use its own assembly
// for math.Exp (amd64).
//
// # Units
//
// A day is a civil day in the tenant's time zone. Rates are sessions per average
// day, i.e. a day with exposure 1; the exposure of a day is its weekday weight
// times the tenant's factor. Statistics and thresholds are log-likelihood ratios
// in nats, except for never_activated, which counts days.
package detect
