package scoring

import (
	"context"
	"fmt"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
)

// Freeze makes a model of the tenant's data as of a day (days since 1970-01-01), by
// score.Freeze, and stores it. Freezing again from other data under the same version
// is ErrModelTaken.
func Freeze(ctx context.Context, store Store, tenant string, base score.Model, version string, asOf int32, partnersMin int, now time.Time) (score.Model, error) { //nolint:gocritic // a copy is wanted
	if err := writeDecay(ctx, store, &base); err != nil {
		return score.Model{}, err
	}
	facts, err := readFacts(ctx, store, tenant, asOf)
	if err != nil {
		return score.Model{}, err
	}
	var rows []struct {
		Partner    string  `ch:"partner_id"`
		Segment    string  `ch:"in_segment"`
		Activity   float64 `ch:"x_activity"`
		Content    float64 `ch:"x_content"`
		Training   float64 `ch:"x_training"`
		Pipeline   float64 `ch:"x_pipeline"`
		Net        int64   `ch:"net"`
		Responses  int64   `ch:"responses"`
		Completion int32   `ch:"last_completion"`
		Cadence    int64   `ch:"committed"`
	}
	p := chstore.Params{"tenant": tenant, "as_of": dateText(asOf), "half_lives": base.HalfLives()}
	if err := store.Select(ctx, &rows, query("summaries"), p); err != nil {
		return score.Model{}, fmt.Errorf("reading where partners stand: %w", err)
	}
	partners := make([]score.Summary, len(rows))
	for i, r := range rows {
		partners[i] = score.Summary{
			Segment: r.Segment, X: [...]float64{r.Activity, r.Content, r.Training, r.Pipeline},
			Net: r.Net, Responses: r.Responses, LastCompletion: r.Completion, Cadence: r.Cadence,
		}
	}
	nps := base.NPSPrior
	if facts.Responses > 0 {
		nps = 100 * float64(facts.Net) / float64(facts.Responses)
	}
	m, err := score.Freeze(base, version, asOf, partners, facts.feeds(), nps, partnersMin)
	if err != nil {
		return score.Model{}, err
	}
	return m, SaveModel(ctx, store, tenant, &m, now)
}

// facts are what is true of a tenant as a whole.
type facts struct {
	Activity  int32 `ch:"f_activity"`
	Content   int32 `ch:"f_content"`
	Training  int32 `ch:"f_training"`
	Pipeline  int32 `ch:"f_pipeline"`
	Sentiment int32 `ch:"f_sentiment"`
	Net       int64 `ch:"net"`
	Responses int64 `ch:"responses"`
}

func (f *facts) feeds() score.Feeds {
	return score.Feeds{f.Activity, f.Content, f.Training, f.Pipeline, f.Sentiment}
}

func readFacts(ctx context.Context, store Store, tenant string, asOf int32) (facts, error) {
	var rows []facts
	p := chstore.Params{"tenant": tenant, "as_of": dateText(asOf)}
	if err := store.Select(ctx, &rows, query("feeds"), p); err != nil {
		return facts{}, fmt.Errorf("reading feeds: %w", err)
	}
	if len(rows) != 1 {
		return facts{}, fmt.Errorf("reading feeds: %d rows", len(rows))
	}
	return rows[0], nil
}

// dateText writes a day since 1970-01-01 as a parameter of type Date.
func dateText(day int32) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// Feeds gives the first day of each feed of a tenant.
func Feeds(ctx context.Context, store Store, tenant string) (score.Feeds, error) {
	f, err := readFacts(ctx, store, tenant, 0)
	return f.feeds(), err
}
