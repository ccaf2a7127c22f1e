package score

import (
	"cmp"
	"math/big"
	"slices"
)

// ChangeDays is how far back an explanation compares.
const ChangeDays = 7

// Explanation takes a score apart. Points and their parts are millionths of a point.
type Explanation struct {
	Row
	Segment string                      // as of the day; empty: none
	Bars    [Sentiment]float64          // the high bars of the segment
	Parts   [ComponentCount]Part        // by component
	Change  *Change                     // nil: no score on the day or ChangeDays before
	Actions []Action                    // what one more of each kind would add today
	Top     [ComponentCount][]Influence // events that the score rests on most, the largest first
}

// Part is one component.
type Part struct {
	Name    string
	Sum     float64 // x, the decayed sum of inputs; for sentiment the decayed answers
	Sub     int64   // thousandths of a point
	Points  int64
	Imputed bool
}

// Change splits the difference of the score to ChangeDays before, exactly: the three
// sum to Total, and the components' parts to each of them. They come from walking
// from the one day to the other in three steps:
//
//   - DecayLoss: the events of then, seen from today: older inputs weigh less, the
//     last training is longer ago, sentiment has moved to the tenant's mean;
//   - NewActivity: the events since are added;
//   - BarChange: what the partner is measured by is changed to today's: bars and
//     imputed values of another segment, another training commitment, a feed that
//     began (no longer imputed) or ended.
type Change struct {
	Before      int64 // the score then
	Total       int64
	DecayLoss   int64
	NewActivity int64
	BarChange   int64
	Parts       [ComponentCount]ChangePart
}

// ChangePart is the change of one component.
type ChangePart struct{ DecayLoss, NewActivity, BarChange int64 }

// Action is something that a partner can do.
type Action struct {
	Kind      string
	Component Component
	Adds      int64 // to the score at the end of the day, if it were done on the day
}

// Counted is an event with what it counts for on its day.
type Counted struct {
	ID         string
	Type       string
	Day        int32 // local day whose inputs it is in
	Component  Component
	Value      int64 // its share of the day's input, millionths
	Completion bool  // it completes a training
	Response   bool  // it is an NPS answer
	Net        int64 // 1 a promoter, −1 a detractor
}

// Influence is an event with its points at the margin: how many fewer the score had
// if this event had counted for nothing and all others for what they do. Because of
// the logarithm, the margins of several events do not add up.
type Influence struct {
	ID, Type string
	Day      int32
	Value    int64 // what it counted for on its day, millionths
	Points   int64
}

// actions are what an explanation tries out, in the order of its list.
var actions = []struct {
	kind string
	Component
	day Day
}{
	{"active_user", Activity, Day{Values: [Sentiment]int64{Activity: ValueActiveUser}}},
	{"content_read", Content, Day{Values: [Sentiment]int64{Content: InputUnit}}},
	{"training_progress", Training, Day{Values: [Sentiment]int64{Training: ValueProgressed}}},
	{"training_completion", Training, Day{Values: [Sentiment]int64{Training: ValueCompleted}, Completions: 1}},
	{"certification", Training, Day{Values: [Sentiment]int64{Training: ValueCertified}, Completions: 1}},
	{"deal_registered", Pipeline, Day{Values: [Sentiment]int64{Pipeline: ValueRegistered}}},
	{"deal_forward", Pipeline, Day{Values: [Sentiment]int64{Pipeline: ValueForward}}},
	{"deal_won", Pipeline, Day{Values: [Sentiment]int64{Pipeline: ValueWon}}},
	{"nps_promoter", Sentiment, Day{Responses: 1, Promoters: 1}},
}

// Explain takes the score of a day apart. The days are the partner's whole history, in
// any order, first its first day with a row, counted the events to choose the top
// ones from. The tier is not filled in: it depends on all the days before.
func (c *Calculator) Explain(days []Day, feeds Feeds, first, asOf int32, counted []Counted, top int) Explanation {
	now := c.sums(days, asOf, asOf)
	e := Explanation{Row: c.at(days, feeds, asOf), Segment: now.segment}
	for j := range e.Parts {
		sum := now.responses
		if j < int(Sentiment) {
			sum = now.x[j]
			e.Bars[j] = c.model.Bar(now.segment, Component(j))
		}
		e.Parts[j] = Part{Name: Component(j).String(), Sum: unscaled(sum, Component(j)), Sub: e.Sub[j], Points: e.Points[j], Imputed: e.Imputed[j]}
	}
	e.Change = c.change(days, feeds, first, asOf, e.Row)
	for _, a := range actions {
		d := a.day
		d.Day = asOf
		with := c.at(append(slices.Clip(days), d), feeds, asOf)
		e.Actions = append(e.Actions, Action{a.kind, a.Component, with.Points[a.Component] - e.Points[a.Component]})
	}
	e.Top = c.influences(days, feeds, asOf, e.Row, counted, top)
	return e
}

func unscaled(sum *big.Int, j Component) float64 {
	f, _ := new(big.Float).SetInt(sum).Float64()
	if j == Sentiment {
		return f / DecayUnit
	}
	return f / (DecayUnit * InputUnit)
}

// change walks from ChangeDays before to asOf; see Change.
func (c *Calculator) change(days []Day, feeds Feeds, first, asOf int32, now Row) *Change {
	then := asOf - ChangeDays
	if then < first || now.Score == NoScore {
		return nil
	}
	missing := feeds.missing(then)
	begin := c.sums(days, then, then)
	before := c.row(begin, then, missing)
	if before.Score == NoScore {
		return nil
	}
	measure := func(st state) Row {
		st.segment, st.cadence = begin.segment, begin.cadence
		return c.row(st, asOf, missing)
	}
	older := measure(c.sums(days, then, asOf))
	newer := measure(c.sums(days, asOf, asOf))
	out := &Change{Before: before.Score, Total: now.Score - before.Score}
	for j := range out.Parts {
		p := ChangePart{
			DecayLoss:   older.Points[j] - before.Points[j],
			NewActivity: newer.Points[j] - older.Points[j],
			BarChange:   now.Points[j] - newer.Points[j],
		}
		out.Parts[j] = p
		out.DecayLoss += p.DecayLoss
		out.NewActivity += p.NewActivity
		out.BarChange += p.BarChange
	}
	return out
}

// influences picks the events whose value, decayed, is the largest of each component:
// within a component the margin grows with it. Completions also carry compliance, so
// the newest of them are candidates, too.
func (c *Calculator) influences(days []Day, feeds Feeds, asOf int32, now Row, counted []Counted, top int) (out [ComponentCount][]Influence) {
	var by [ComponentCount][]Counted
	for i := range counted {
		age := int(asOf) - int(counted[i].Day)
		if age >= 0 && age < len(c.decay[Activity]) {
			by[counted[i].Component] = append(by[counted[i].Component], counted[i])
		}
	}
	for j := range ComponentCount {
		weight := func(e *Counted) float64 {
			return float64(max(e.Value, boolInt(e.Response))) * float64(c.decay[j][asOf-e.Day])
		}
		slices.SortFunc(by[j], func(a, b Counted) int {
			return cmp.Or(-cmp.Compare(weight(&a), weight(&b)), -cmp.Compare(a.Day, b.Day), cmp.Compare(a.ID, b.ID))
		})
		candidates := by[j][:min(len(by[j]), top)]
		if i := slices.IndexFunc(by[j], func(e Counted) bool { return e.Completion && e.Day == lastCompletion(by[j]) }); i >= top {
			candidates = append(slices.Clip(candidates), by[j][i])
		}
		for i := range candidates {
			e := &candidates[i]
			out[j] = append(out[j], Influence{
				ID: e.ID, Type: e.Type, Day: e.Day, Value: e.Value,
				Points: now.Points[j] - c.at(without(days, e), feeds, asOf).Points[j],
			})
		}
		slices.SortStableFunc(out[j], func(a, b Influence) int { return -cmp.Compare(a.Points, b.Points) })
		out[j] = out[j][:min(len(out[j]), top)]
	}
	return out
}

func lastCompletion(events []Counted) (day int32) {
	for i := range events {
		if events[i].Completion {
			day = max(day, events[i].Day)
		}
	}
	return day
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// without gives the days with an event counting for nothing.
func without(days []Day, e *Counted) []Day {
	out := slices.Clone(days)
	for i := range out {
		d := &out[i]
		if d.Day != e.Day {
			continue
		}
		if e.Component < Sentiment {
			d.Values[e.Component] -= e.Value
		}
		d.Completions -= boolInt(e.Completion)
		d.Responses -= boolInt(e.Response)
		d.Promoters -= boolInt(e.Net > 0)
		d.Detractors -= boolInt(e.Net < 0)
		break
	}
	return out
}
