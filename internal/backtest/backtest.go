// Package backtest measures how well a score, as it was known on a day, tells what
// happened after: area under the ROC curve with a confidence interval, and lift by
// decile. It is pure and deterministic.
package backtest

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// Observation is one partner on one day.
type Observation struct {
	Partner string
	Day     int32   // days since 1970-01-01
	Score   float64 // what is to tell the outcome: larger means more likely
	Outcome bool    // what happened within the horizon
}

// Result is how well the scores told the outcomes.
type Result struct {
	Observations int     `json:"observations"`
	Partners     int     `json:"partners"`
	Outcomes     int     `json:"outcomes"`
	BaseRate     float64 `json:"base_rate"`
	// AUC is the probability that of two observations, one with the outcome and one
	// without, the first has the larger score; equal scores count half. 0.5 is chance.
	AUC float64 `json:"auc"`
	// Low and High bound AUC's 95 % confidence interval: percentiles of a bootstrap
	// that draws whole partners, since a partner's observations depend on each other.
	Low     float64  `json:"auc_low"`
	High    float64  `json:"auc_high"`
	Deciles []Decile `json:"deciles"` // the largest scores first
}

// Decile is a tenth of the observations by score.
type Decile struct {
	Observations int     `json:"observations"`
	Outcomes     int     `json:"outcomes"`
	ScoreLow     float64 `json:"score_low"`
	ScoreHigh    float64 `json:"score_high"`
	Rate         float64 `json:"rate"`
	Lift         float64 `json:"lift"` // rate ÷ base rate
}

// ErrTooFew says that one of the two outcomes never happened.
var ErrTooFew = errors.New("there must be observations with the outcome and without")

const (
	resamples = 1000
	deciles   = 10
)

// Evaluate measures. The same observations in any order give the same result.
func Evaluate(observations []Observation) (Result, error) {
	sorted := slices.Clone(observations)
	slices.SortFunc(sorted, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Day, b.Day))
	})
	r := Result{Observations: len(sorted)}
	index := make(map[string]int)
	var names []string
	for _, o := range sorted {
		if _, ok := index[o.Partner]; !ok {
			index[o.Partner] = 0
			names = append(names, o.Partner)
		}
		if o.Outcome {
			r.Outcomes++
		}
	}
	if r.Outcomes == 0 || r.Outcomes == len(sorted) {
		return r, ErrTooFew
	}
	slices.Sort(names)
	for i, name := range names {
		index[name] = i
	}
	r.Partners, r.BaseRate = len(names), float64(r.Outcomes)/float64(len(sorted))
	who := make([]int, len(sorted))
	for i, o := range sorted {
		who[i] = index[o.Partner]
	}
	once := make([]int, len(names))
	for i := range once {
		once[i] = 1
	}
	r.AUC = auc(sorted, who, once)
	r.Low, r.High = interval(sorted, who, len(names))
	r.Deciles = lift(sorted, r.BaseRate)
	return r, nil
}

// auc of sorted observations, each counted as often as its partner was drawn; NaN when
// one of the outcomes was not drawn.
func auc(sorted []Observation, who, drawn []int) float64 {
	var below, wins, with, without float64 // observations without the outcome and smaller score
	for i := 0; i < len(sorted); {
		var yes, no float64
		j := i
		for ; j < len(sorted) && sorted[j].Score == sorted[i].Score; j++ {
			if n := float64(drawn[who[j]]); sorted[j].Outcome {
				yes += n
			} else {
				no += n
			}
		}
		wins += yes * (below + no/2)
		below += no
		with, without = with+yes, without+no
		i = j
	}
	return wins / (with * without)
}

func interval(sorted []Observation, who []int, partners int) (low, high float64) {
	rng := rand.New(rand.NewPCG(1, uint64(len(sorted)))) //nolint:gosec // repeatable on purpose
	var values []float64
	drawn := make([]int, partners)
	for range resamples {
		clear(drawn)
		for range partners {
			drawn[rng.IntN(partners)]++
		}
		if v := auc(sorted, who, drawn); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return 0, 1
	}
	slices.Sort(values)
	n := float64(len(values) - 1)
	return values[int(n*.025)], values[int(math.Ceil(n*.975))]
}

func lift(sorted []Observation, base float64) []Decile {
	var out []Decile
	for d := deciles - 1; d >= 0; d-- {
		part := sorted[d*len(sorted)/deciles : (d+1)*len(sorted)/deciles]
		if len(part) == 0 {
			continue
		}
		one := Decile{Observations: len(part), ScoreLow: part[0].Score, ScoreHigh: part[len(part)-1].Score}
		for _, o := range part {
			if o.Outcome {
				one.Outcomes++
			}
		}
		one.Rate = float64(one.Outcomes) / float64(len(part))
		one.Lift = one.Rate / base
		out = append(out, one)
	}
	return out
}
