package scoring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
)

// ErrNoPartner says that a partner has no history by that day.
var ErrNoPartner = errors.New("partner has no history by that day")

// eventsMax bounds the events of a partner that top events are chosen from; the
// newest are taken.
const eventsMax = 50_000

// topMax is how many top events are told, over all components.
const topMax = 10

// ExplainConfig says how a tenant's scores come about; it must be what the aggregator
// works with.
type ExplainConfig struct {
	Tenant     string
	Version    string // of the model
	Location   *time.Location
	DealStages []string
}

// Explainer takes scores of one tenant apart. It reads only.
type Explainer struct {
	cfg   ExplainConfig
	store Store
}

// NewExplainer makes an explainer; it does no I/O.
func NewExplainer(cfg ExplainConfig, store Store) *Explainer {
	return &Explainer{cfg: cfg, store: store}
}

// Explain takes the score of a partner on a day apart (days since 1970-01-01). What it
// says is computed from the inputs, not from stored scores. An event that arrived late
// counts, as in the score, on its own day.
func (x *Explainer) Explain(ctx context.Context, partner string, asOf int32) (*Report, error) {
	model, err := LoadModel(ctx, x.store, x.cfg.Tenant, x.cfg.Version)
	if err != nil {
		return nil, err
	}
	calc, err := score.NewCalculator(model)
	if err != nil {
		return nil, err
	}
	p := chstore.Params{"tenant": x.cfg.Tenant, "partner": partner, "model": x.cfg.Version, "as_of": dateText(asOf), "tz": x.cfg.Location.String()}
	days, first, err := x.days(ctx, p)
	if err != nil {
		return nil, err
	}
	if first == score.NoFeed {
		return nil, fmt.Errorf("%w: %s by %s", ErrNoPartner, partner, dateText(asOf))
	}
	feeds, err := x.feeds(ctx, p, asOf)
	if err != nil {
		return nil, err
	}
	var events []partnerEvent
	p["types"], p["most"] = countedTypes(), uint64(eventsMax)
	if err := x.store.Select(ctx, &events, query("partner_events"), p); err != nil {
		return nil, fmt.Errorf("reading the partner's events: %w", err)
	}
	counts := counting{loc: x.cfg.Location, stages: x.cfg.DealStages, max: model.CountedEventsMax()}
	e := calc.Explain(days, feeds, first, asOf, counts.counted(events), topMax)
	r := x.report(partner, &model, &e)
	return r, x.compare(ctx, p, r, &e, calc, days, feeds, first)
}

// days reads the partner's inputs and its first day, NoFeed if there is none.
func (x *Explainer) days(ctx context.Context, p chstore.Params) ([]score.Day, int32, error) {
	var rows []struct {
		Day         int32  `ch:"local"`
		Activity    int64  `ch:"v_activity"`
		Content     int64  `ch:"v_content"`
		Training    int64  `ch:"v_training"`
		Pipeline    int64  `ch:"v_pipeline"`
		Responses   int64  `ch:"responses"`
		Promoters   int64  `ch:"promoters"`
		Detractors  int64  `ch:"detractors"`
		Completions int64  `ch:"completions"`
		Cadence     int64  `ch:"cadence"`
		Segment     string `ch:"put_into"`
		Seen        uint8  `ch:"seen"`
	}
	if err := x.store.Select(ctx, &rows, query("partner_days"), p); err != nil {
		return nil, 0, fmt.Errorf("reading the partner's days: %w", err)
	}
	first := score.NoFeed
	days := make([]score.Day, len(rows))
	for i, r := range rows {
		if r.Seen == 1 {
			first = min(first, r.Day)
		}
		days[i] = score.Day{
			Day: r.Day, Values: [...]int64{r.Activity, r.Content, r.Training, r.Pipeline},
			Responses: r.Responses, Promoters: r.Promoters, Detractors: r.Detractors,
			Completions: r.Completions, Cadence: r.Cadence, Segment: r.Segment,
		}
	}
	return days, first, nil
}

// feeds are those that the scores of the day rest on, else those that the tenant has now.
func (x *Explainer) feeds(ctx context.Context, p chstore.Params, asOf int32) (score.Feeds, error) {
	var rows []struct {
		Days []int32 `ch:"days"`
	}
	if err := x.store.Select(ctx, &rows, query("partner_feeds"), p); err != nil {
		return score.Feeds{}, fmt.Errorf("reading the partner's feeds: %w", err)
	}
	if len(rows) == 1 && len(rows[0].Days) == int(score.ComponentCount) {
		return score.Feeds(rows[0].Days), nil
	}
	facts, err := readFacts(ctx, x.store, x.cfg.Tenant, asOf)
	return facts.feeds(), err
}

// compare fills in the tier, from the stored score if it is this one, else from all
// the days before.
func (x *Explainer) compare(ctx context.Context, p chstore.Params, r *Report, e *score.Explanation, calc *score.Calculator, days []score.Day, feeds score.Feeds, first int32) error {
	var rows []struct {
		Score  int64   `ch:"millionths"`
		Tier   string  `ch:"level"`
		Points []int64 `ch:"points"`
	}
	if err := x.store.Select(ctx, &rows, query("partner_row"), p); err != nil {
		return fmt.Errorf("reading the stored score: %w", err)
	}
	if len(rows) == 1 && rows[0].Score == e.Score && slices.Equal(rows[0].Points, e.Points[:]) {
		r.Tier, r.Stored = rows[0].Tier, true
		return nil
	}
	all := calc.Rows(days, feeds, first, e.AsOf, score.Row{Score: score.NoScore})
	r.Tier = string(all[len(all)-1].Tier)
	return nil
}

func (x *Explainer) report(partner string, m *score.Model, e *score.Explanation) *Report {
	r := &Report{
		Tenant: x.cfg.Tenant, PartnerID: partner, AsOf: dateText(e.AsOf), ModelVersion: m.Version, Segment: e.Segment,
		Coverage: float64(e.Coverage) / score.SubUnit,
	}
	if e.Score != score.NoScore {
		value := Millionths(e.Score)
		r.Score = &value
	}
	for j, part := range e.Parts {
		c := ComponentReport{
			Name: part.Name, Points: Millionths(part.Points), SubScore: float64(part.Sub) / score.SubUnit,
			Weight: m.Components()[j].Weight, Sum: part.Sum, Imputed: part.Imputed,
		}
		if j < int(score.Sentiment) {
			c.Bar = &e.Bars[j]
		}
		r.Components = append(r.Components, c)
		for _, t := range e.Top[j] {
			if t.Points > 0 {
				r.TopEvents = append(r.TopEvents, EventReport{
					ID: t.ID, Type: t.Type, Day: dateText(t.Day), Component: part.Name, Value: Millionths(t.Value), Points: Millionths(t.Points),
				})
			}
		}
	}
	slices.SortStableFunc(r.TopEvents, func(a, b EventReport) int { return -cmp.Compare(a.Points, b.Points) })
	r.TopEvents = r.TopEvents[:min(len(r.TopEvents), topMax)]
	for _, a := range e.Actions {
		r.Actions = append(r.Actions, ActionReport{a.Kind, a.Component.String(), Millionths(a.Adds)})
	}
	if e.Change != nil {
		r.Change = changeReport(e)
	}
	return r
}

func changeReport(e *score.Explanation) *ChangeReport {
	ch := e.Change
	out := &ChangeReport{
		Since: dateText(e.AsOf - score.ChangeDays), Before: Millionths(ch.Before), Total: Millionths(ch.Total),
		DecayLoss: Millionths(ch.DecayLoss), NewActivity: Millionths(ch.NewActivity), BarChange: Millionths(ch.BarChange),
	}
	for j, p := range ch.Parts {
		out.Components = append(out.Components, ChangePartReport{
			score.Component(j).String(), Millionths(p.DecayLoss), Millionths(p.NewActivity), Millionths(p.BarChange),
		})
	}
	return out
}
