package score

import (
	"math"
	"math/big"
)

// Day holds the inputs of one local day of a partner.
type Day struct {
	Day         int32 // days since 1970-01-01
	Values      [Sentiment]int64
	Responses   int64 // NPS answers
	Promoters   int64 // 9 and 10
	Detractors  int64 // 0–6
	Completions int64 // trainings completed, passed or certified
	Cadence     int64 // training cadence committed to on the day, days; 0: none
}

// NoFeed is the first day of a feed that has never been sent.
const NoFeed int32 = 65535

// Feeds says from which day on the tenant has sent what a component rests on.
type Feeds [ComponentCount]int32

// Tier is a coarse level with hysteresis.
type Tier string

// The tiers; TierNone stands for a day without a score.
const (
	TierNone   Tier = ""
	TierAtRisk Tier = "at_risk"
	TierSteady Tier = "steady"
	TierStrong Tier = "strong"
)

// NoScore stands for a score that is null.
const NoScore int64 = -1

// Row is the explained score at the end of one day.
type Row struct {
	AsOf     int32                 // days since 1970-01-01
	Score    int64                 // millionths of a point, or NoScore
	Tier     Tier                  //
	Coverage int64                 // thousandths
	Sub      [ComponentCount]int64 // thousandths of a point
	Points   [ComponentCount]int64 // millionths; they sum to Score
	Imputed  [ComponentCount]bool
}

// Calculator holds a model's derived numbers. It is immutable.
type Calculator struct {
	model Model
	ints  Integers
	decay [ComponentCount][]int64
}

// NewCalculator checks the model and prepares its tables.
func NewCalculator(m Model) (*Calculator, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &Calculator{model: m, ints: m.Integers(), decay: m.Decay()}, nil
}

// Rows gives the score of each day from..through. days may stand in any order;
// later ones than the day at hand are not looked at. previous is the row of the
// day before from, or the zero Row with NoScore.
func (c *Calculator) Rows(days []Day, feeds Feeds, from, through int32, previous Row) []Row {
	var out []Row
	for asOf := from; asOf <= through; asOf++ {
		row := c.at(days, feeds, asOf)
		row.Tier = c.tier(previous, row.Score)
		out = append(out, row)
		previous = row
	}
	return out
}

// at computes everything of one day but the tier, which needs the day before.
func (c *Calculator) at(days []Day, feeds Feeds, asOf int32) Row {
	var x [Sentiment]*big.Int
	for j := range x {
		x[j] = new(big.Int)
	}
	net, responses := new(big.Int), new(big.Int)
	var lastCompletion, cadenceDay int32
	cadence := c.ints.Cadence
	for _, d := range days {
		age := int(asOf) - int(d.Day)
		if age < 0 || age >= len(c.decay[Activity]) {
			continue
		}
		for j := range x {
			add(x[j], d.Values[j], c.decay[j][age])
		}
		add(net, d.Promoters-d.Detractors, c.decay[Sentiment][age])
		add(responses, d.Responses, c.decay[Sentiment][age])
		if d.Completions > 0 {
			lastCompletion = max(lastCompletion, d.Day)
		}
		if d.Cadence > 0 && d.Day >= cadenceDay {
			cadence, cadenceDay = d.Cadence, d.Day
		}
	}
	row := Row{AsOf: asOf, Score: NoScore}
	for j := range x {
		row.Sub[j] = logScore(x[j], c.model.Components()[j].Bar)
	}
	row.Sub[Training] = ((SubUnit-c.ints.ComplianceShare)*row.Sub[Training] +
		c.ints.ComplianceShare*compliance(asOf, lastCompletion, cadence)) / SubUnit
	row.Sub[Sentiment] = c.sentiment(net, responses)
	sum := int64(0)
	for j := range row.Sub {
		if feeds[j] > asOf {
			row.Imputed[j], row.Sub[j] = true, c.ints.Imputed[j]
		} else {
			row.Coverage += c.ints.Weight[j]
		}
		row.Points[j] = c.ints.Weight[j] * row.Sub[j]
		sum += row.Points[j]
	}
	if row.Coverage >= c.ints.CoverageMin {
		row.Score = sum
	}
	return row
}

func add(sum *big.Int, value, weight int64) {
	sum.Add(sum, new(big.Int).Mul(big.NewInt(value), big.NewInt(weight)))
}

// logScore is 100·clamp(ln(1+x)/ln(1+U), 0, 1) in thousandths, half up.
func logScore(sum *big.Int, bar float64) int64 {
	f, _ := new(big.Float).SetInt(sum).Float64()
	x := f / (DecayUnit * InputUnit)
	return int64(math.Floor(math.Min(1, math.Max(0, math.Log1p(x)/math.Log1p(bar)))*SubMax + .5))
}

// compliance is 100 while the last completion is no older than the cadence C,
// falls linearly to 0 at 1.5·C, where training counts as lapsed, and is 0 for a
// partner that never completed anything. In thousandths of a point.
func compliance(asOf, lastCompletion int32, cadence int64) int64 {
	if lastCompletion == 0 {
		return 0
	}
	since := int64(asOf - lastCompletion)
	return min(SubMax, max(0, (3*cadence-2*since)*SubMax/cadence))
}

// sentiment is (NPS+100)/2, shrunk to the prior, in thousandths of a point.
func (c *Calculator) sentiment(net, responses *big.Int) int64 {
	n := new(big.Int).Add(responses, big.NewInt(c.ints.NPSPseudo))
	up := new(big.Int).Add(net, big.NewInt(c.ints.NPSPrior))
	up.Add(up, n).Mul(up, big.NewInt(SubMax/2))
	return up.Div(up, n).Int64()
}

// tier moves only when two days running are past a boundary by the margin. A day
// without a score has no tier, and the next one starts afresh.
func (c *Calculator) tier(previous Row, score int64) Tier {
	if score == NoScore {
		return TierNone
	}
	if previous.Score == NoScore || previous.Tier == TierNone {
		return level(score >= c.ints.Steady, score >= c.ints.Strong)
	}
	low, high := min(previous.Score, score), max(previous.Score, score)
	latch := func(on bool, boundary int64) bool {
		return low >= boundary+c.ints.Margin || on && high > boundary-c.ints.Margin
	}
	return level(latch(previous.Tier != TierAtRisk, c.ints.Steady), latch(previous.Tier == TierStrong, c.ints.Strong))
}

func level(steady, strong bool) Tier {
	switch {
	case strong:
		return TierStrong
	case steady:
		return TierSteady
	}
	return TierAtRisk
}
