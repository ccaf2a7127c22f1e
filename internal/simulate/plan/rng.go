package plan

import (
	"math"
	"math/rand/v2"
)

// stream separates the uses of chance, so that one more draw in one place does
// not change what happens in another.
type stream uint64

const (
	streamPartner stream = iota + 1
	streamFates
	streamCatalog
	streamSessions
	streamTraining
	streamPipeline
	streamSurvey
	streamService
	streamLoad
)

// rng gives the generator of one use and key. Generators of different keys are
// independent, and none has state between calls: this is what makes every day
// computable alone, in any order.
func (w *World) rng(s stream, keys ...uint64) *rand.Rand {
	h := mix(w.cfg.Seed + 0x9e3779b97f4a7c15)
	h = mix(h ^ uint64(s)*0xd1342543de82ef95)
	for _, k := range keys {
		h = mix(h ^ (k+1)*0x9e3779b97f4a7c15)
	}
	return rand.New(rand.NewPCG(h, mix(h+0x9e3779b97f4a7c15)))
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// poissonMeanMax bounds a mean for which exp(−mean) is a normal number.
const poissonMeanMax = 500

// poisson draws a count by Knuth's product of uniforms; means here are below 100.
func poisson(r *rand.Rand, mean float64) int {
	limit, n, p := math.Exp(-min(mean, poissonMeanMax)), 0, r.Float64()
	for p > limit {
		n++
		p *= r.Float64()
	}
	return n
}

// logNormal draws with the given median and log standard deviation.
func logNormal(r *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// between draws uniformly from [lo, hi).
func between(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// weighted draws from names of weights: running[i] is the sum of weights up to i.
func weighted(r *rand.Rand, running []float64) int {
	x := r.Float64() * running[len(running)-1]
	for i, sum := range running {
		if x < sum {
			return i
		}
	}
	return len(running) - 1
}
