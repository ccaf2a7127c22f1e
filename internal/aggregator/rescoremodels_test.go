package aggregator_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
	"partnerpulse/internal/session"
)

// TestRescoreGivesWhatTheModelWouldHaveWritten: a tenant that is scored by one model, then
// by another, then by the first again, while feeds begin, one of them earlier than it had
// seemed, is scored again by a third: the rows are those of a tenant that the third model
// has been at from the start. So they are for the second, whose own rows end in the middle.
func TestRescoreGivesWhatTheModelWouldHaveWritten(t *testing.T) {
	where := places[0]
	first, second, third := segmentedModel(), segmentedModel(), segmentedModel()
	first.Version, second.Version, third.Version = "first", "second", "third"
	second.Activity.HalfLifeDays, second.Sentiment.Imputed = 5, 10
	third.Pipeline.HalfLifeDays, third.Sentiment.Imputed, third.Training.Bar = 9, 90, 3

	live := func(t *testing.T, models ...score.Model) *world {
		w := newWorld(t, where.tz, where.end)
		events := histories(rand.New(rand.NewPCG(7, 7)), 9, 9, where.end)
		events = slices.DeleteFunc(events, func(e sent) bool { // feeds that begin late, below, and content, whose own scores take time
			return strings.HasPrefix(string(e.Type), "content.") || strings.HasPrefix(string(e.Type), "search.") || e.Type == event.SurveyNPSAnswered || slices.Contains(pipelineTypes(), e.Type)
		})
		begin := where.end.AddDate(0, 0, -9)
		for part, model := range models {
			w.cfg.Model = model
			w.restart()
			w.now = begin.AddDate(0, 0, 3*(part+1))
			var news []sent
			for _, e := range events {
				if _, sent := w.events[e.Partner+"/"+e.ID]; !sent && !e.Time.After(w.now) {
					news = append(news, e)
				}
			}
			w.send(news...)
			w.settle()
			switch part {
			case 0: // deals begin
				w.send(do("p-0003", "late-1", event.DealRegistered, w.now.AddDate(0, 0, -1)))
			case 1: // they had begun before
				w.send(do("p-0005", "late-3", event.DealWon, w.now.AddDate(0, 0, -5)))
			case 2: // surveys begin
				nine := uint8(9)
				answer := do("p-0004", "late-2", event.SurveyNPSAnswered, w.now.Add(-time.Hour))
				answer.NPS = &nine
				w.send(answer)
			}
			w.settle()
		}
		return w
	}
	const rowsOf = "(SELECT * FROM partner_scores FINAL WHERE model_version = '"
	want := make(map[string][]string)
	for _, model := range []score.Model{second, third} { // one after the other, in one database
		t.Run(model.Version, func(t *testing.T) {
			want[model.Version] = live(t, model, model, model).dump(rowsOf+model.Version+"')", scoreOrder)
		})
	}
	w := live(t, first, second, first)
	from, today := session.LocalDay(where.end, w.loc)-20, session.LocalDay(where.end, w.loc)
	if err := scoring.SaveModel(t.Context(), w.store, tenantID, &third, w.now); err != nil {
		t.Fatal(err)
	}
	for _, model := range []score.Model{second, third} {
		if _, err := w.rescore(w.store, model.Version, from, today, 100); err != nil {
			t.Fatal(err)
		}
		if len(want[model.Version]) < 40 {
			t.Fatalf("%d rows of model %s", len(want[model.Version]), model.Version)
		}
		if diff := gocmp.Diff(want[model.Version], w.dump(rowsOf+model.Version+"')", scoreOrder)); diff != "" {
			t.Errorf("model %s, %d rows (-live +rescored):\n%s", model.Version, len(want[model.Version]), diff)
		}
	}
	explained(t, w, today, first, second, third)
}

// explained: what is explained under any of the models is the row that is stored.
func explained(t *testing.T, w *world, today int32, models ...score.Model) {
	t.Helper()
	told := 0
	for _, model := range models {
		x := scoring.NewExplainer(scoring.ExplainConfig{
			Tenant: tenantID, Version: model.Version, Location: w.loc, DealStages: aggregator.DefaultConfig().DealStages,
		}, w.store)
		for _, partner := range []string{"p-0003", "p-0005", "p-0007"} {
			for _, day := range []int32{today, today - 6} {
				r, err := x.Explain(t.Context(), partner, day)
				if errors.Is(err, scoring.ErrNoPartner) {
					continue // its history begins later
				}
				if err != nil {
					t.Fatal(err)
				}
				if told++; !r.Stored {
					t.Errorf("%s on day %d by model %s: %v is explained, another score is stored", partner, day, model.Version, r.Score)
				}
			}
		}
	}
	if told < 12 {
		t.Errorf("%d scores were explained", told)
	}
}

func pipelineTypes() []event.Type {
	return []event.Type{event.DealRegistered, event.DealAccepted, event.DealRejected, event.DealStageChanged, event.DealWon, event.DealLost}
}
