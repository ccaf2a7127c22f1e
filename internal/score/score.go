package score

import (
	"math"
	"math/big"
)

// Day holds the inputs of one local day of a partner.
type Day struct {
	Day         int32 // days since 1970-01-01
	Values      [Sentiment]int64
	Responses   int64  // NPS answers
	Promoters   int64  // 9 and 10
	Detractors  int64  // 0–6
	Completions int64  // trainings completed, passed or certified
	Cadence     int64  // training cadence committed to on the day, days; 0: none
	Segment     string // segment that the partner was put into on the day; empty: as before
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
	return c.row(c.sums(days, asOf, asOf), asOf, feeds.missing(asOf))
}

// missing tells which feeds have not begun by a day.
func (f *Feeds) missing(asOf int32) (out [ComponentCount]bool) {
	for j := range f {
		out[j] = f[j] > asOf
	}
	return out
}

// state is what the inputs of a partner come to at the end of a day.
type state struct {
	x              [Sentiment]*big.Int // decayed sums, millionths times 2^30ths
	net, responses *big.Int            // decayed NPS answers, 2^30ths
	lastCompletion int32               // 0: none
	cadence        int64               // days
	segment        string
}

// sums decays the inputs of the days up to and including through to asOf.
func (c *Calculator) sums(days []Day, through, asOf int32) state {
	st := state{net: new(big.Int), responses: new(big.Int), cadence: c.ints.Cadence}
	for j := range st.x {
		st.x[j] = new(big.Int)
	}
	var cadenceDay, segmentDay int32
	for i := range days {
		d := &days[i]
		age := int(asOf) - int(d.Day)
		if d.Day > through || age < 0 || age >= len(c.decay[Activity]) {
			continue
		}
		for j := range st.x {
			add(st.x[j], d.Values[j], c.decay[j][age])
		}
		add(st.net, d.Promoters-d.Detractors, c.decay[Sentiment][age])
		add(st.responses, d.Responses, c.decay[Sentiment][age])
		if d.Completions > 0 {
			st.lastCompletion = max(st.lastCompletion, d.Day)
		}
		if d.Cadence > 0 && d.Day >= cadenceDay {
			st.cadence, cadenceDay = d.Cadence, d.Day
		}
		if d.Segment != "" && d.Day >= segmentDay {
			st.segment, segmentDay = d.Segment, d.Day
		}
	}
	return st
}

// row scores a state; imputed names the components whose feed is missing.
func (c *Calculator) row(st state, asOf int32, imputed [ComponentCount]bool) Row {
	row := Row{AsOf: asOf, Score: NoScore, Imputed: imputed}
	for j := range st.x {
		row.Sub[j] = logScore(st.x[j], c.model.Bar(st.segment, Component(j)))
	}
	row.Sub[Training] = ((SubUnit-c.ints.ComplianceShare)*row.Sub[Training] +
		c.ints.ComplianceShare*compliance(asOf, st.lastCompletion, st.cadence)) / SubUnit
	row.Sub[Sentiment] = c.sentiment(st.net, st.responses)
	sum := int64(0)
	for j := range row.Sub {
		if imputed[j] {
			row.Sub[j] = c.model.ImputedValue(st.segment, Component(j))
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
	return logRatio(f/(DecayUnit*InputUnit), bar)
}

// logRatio is logScore of a decayed sum x.
func logRatio(x, bar float64) int64 {
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
