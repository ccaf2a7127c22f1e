package aggregator_test

import (
	"encoding/json"
	"testing"
	"time"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// scores gives the stored scores of a partner by day.
func (w *world) scores(partner string) map[int32]storedScore {
	w.t.Helper()
	var rows []storedScore
	if err := w.store.Select(w.t.Context(), &rows, scoresQuery, nil); err != nil {
		w.t.Fatal(err)
	}
	out := make(map[int32]storedScore)
	for _, r := range rows {
		if r.Partner == partner {
			out[r.AsOf] = r
		}
	}
	return out
}

func do(partner, id string, kind event.Type, at time.Time) sent {
	return sent{Partner: partner, Event: session.Event{ID: id, Actor: "u1", Type: kind, Time: at, ViewID: "v", ContentID: "c"}, Data: "{}"}
}

// TestEventsOfToday: an event of today changes today's row and no other, and the
// score is published only when it changed.
func TestEventsOfToday(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "America/New_York", now)
	for i, kind := range []event.Type{event.PortalLogin, event.ContentViewed, event.TrainingCompleted, event.DealRegistered} {
		w.send(do("p", string(kind), kind, now.AddDate(0, 0, i-10)))
	}
	w.settle()
	before, published := w.scores("p"), len(w.bus.on(kafkabus.TopicScores))
	if len(before) != 11 || published == 0 {
		t.Fatalf("%d days with a score, %d published", len(before), published)
	}
	w.send(do("p", "today", event.DealWon, now))
	w.settle()
	today := session.LocalDay(now, w.loc)
	for day, row := range w.scores("p") {
		if changed := row.Score != before[day].Score; changed != (day == today) {
			t.Errorf("day %d of today %d: changed is %v", day, today, changed)
		}
	}
	msgs := w.bus.on(kafkabus.TopicScores)
	if len(msgs) != published+1 {
		t.Fatalf("%d scores published for one change", len(msgs)-published)
	}
	var e struct {
		Data struct {
			Score      json.Number `json:"score"`
			AsOf       string      `json:"as_of"`
			Components map[string]struct {
				Points  json.Number `json:"points"`
				Imputed bool        `json:"imputed"`
			} `json:"components"`
		} `json:"data"`
	}
	last := msgs[len(msgs)-1]
	if err := json.Unmarshal(last.Value, &e); err != nil {
		t.Fatal(err)
	}
	m := e.Data
	validate(t, "score.json", msgs)
	if string(last.Key) != "demo/p" || m.AsOf != "2026-03-10" || !m.Components["sentiment"].Imputed || m.Components["pipeline"].Imputed {
		t.Errorf("published %s %s", last.Key, last.Value)
	}
	w.send(do("p", "page", event.SurveySent, now)) // counts, but not in the score
	w.settle()
	if n := len(w.bus.on(kafkabus.TopicScores)); n != len(msgs) {
		t.Errorf("an unchanged score was published")
	}
}

// TestLateEventChangesItsDayAndLater: 20 days late, it changes exactly the scores
// from its day on.
func TestLateEventChangesItsDayAndLater(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "Europe/Berlin", now)
	w.send(do("p", "1", event.DealRegistered, now.AddDate(0, 0, -40)), do("p", "2", event.TrainingCompleted, now.AddDate(0, 0, -40)))
	w.settle()
	before := w.scores("p")
	w.send(do("p", "late", event.DealRegistered, now.AddDate(0, 0, -20)))
	w.settle()
	late := session.LocalDay(now.AddDate(0, 0, -20), w.loc)
	for day, row := range w.scores("p") {
		if changed := row.Points[score.Pipeline] != before[day].Points[score.Pipeline]; changed != (day >= late) {
			t.Errorf("day %d, late event on %d: changed is %v", day, late, changed)
		}
	}
}

// TestFeedThatBegins changes the scores of all partners from its first day on: until
// then the component is imputed, and below the coverage there is no score.
func TestFeedThatBegins(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", now)
	w.send(do("p", "1", event.PortalLogin, now.AddDate(0, 0, -10)), do("p", "2", event.ContentViewed, now.AddDate(0, 0, -10)))
	w.settle()
	for day, row := range w.scores("p") {
		if row.Score != score.NoScore || row.Tier != "" || row.Coverage != 350 {
			t.Fatalf("day %d with coverage %d has score %d, tier %q", day, row.Coverage, row.Score, row.Tier)
		}
	}
	w.send(do("other", "3", event.TrainingStarted, now.AddDate(0, 0, -5)))
	w.settle()
	first := session.LocalDay(now.AddDate(0, 0, -5), w.loc)
	for day, row := range w.scores("p") {
		if has := row.Score != score.NoScore; has != (day >= first) || (row.Imputed[score.Training] == 0) != (day >= first) {
			t.Errorf("day %d, feed since %d: score %d, imputed %v", day, first, row.Score, row.Imputed)
		}
	}
	w.checkScores(w.checkRollups())
}

// TestNewDayAndNewModel: each midnight every partner gets a row, also after the
// worker slept for days; a new model scores all of history beside the old one.
func TestNewDayAndNewModel(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 22, 30, 0, 0, time.UTC) // 23:30 in Berlin
	w := newWorld(t, "Europe/Berlin", now)
	w.send(do("p", "1", event.DealRegistered, now), do("p", "2", event.TrainingCompleted, now))
	w.settle()
	if n := len(w.scores("p")); n != 1 {
		t.Fatalf("%d days with a score, want 1", n)
	}
	w.now = now.Add(time.Hour)
	if work := w.settle(); work.ScoreRows != 1 || len(w.scores("p")) != 2 {
		t.Fatalf("after midnight %d days with a score, want 2", len(w.scores("p")))
	}
	if work := w.settle(); work.ScoreRows != 0 {
		t.Errorf("%d rows were scored although nothing changed", work.ScoreRows)
	}
	w.now = now.AddDate(0, 0, 5)
	w.restart()
	w.settle()
	if n := len(w.scores("p")); n != 6 {
		t.Fatalf("five days later %d days with a score, want 6", n)
	}
	w.checkScores(w.checkRollups())
	w.cfg.Model.Version = "2"
	w.restart()
	w.settle()
	if n := len(w.dump("partner_scores", "tenant, model_version, partner_id, as_of")); n != 12 {
		t.Errorf("%d rows of two models, want 12", n)
	}
}

// TestWhatIsOlderThanTheWeights: inputs, the last training, a commitment and a segment
// count up to the last age of the table of weights, on histories that go beyond it.
func TestWhatIsOlderThanTheWeights(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", now)
	w.cfg.Model.Version = "short"
	for _, c := range []*score.ComponentModel{
		&w.cfg.Model.Activity, &w.cfg.Model.Content, &w.cfg.Model.Training, &w.cfg.Model.Pipeline, &w.cfg.Model.Sentiment,
	} {
		c.HalfLifeDays = 100
	}
	w.restart()
	ages := len(w.cfg.Model.Decay()[score.Activity])
	begin := now.AddDate(0, 0, -ages-20)
	committed := do("p", "commitment", event.CommitmentSet, begin.AddDate(0, 0, 2))
	committed.Data = `{"cadence_days": 4000}`
	w.send(do("p", "first", event.PortalLogin, begin), committed, do("p", "trained", event.TrainingCertified, begin.AddDate(0, 0, 5)),
		do("p", "deal", event.DealRegistered, begin.AddDate(0, 0, 9)), do("other", "1", event.ContentViewed, now.AddDate(0, 0, -3)))
	w.settle()
	w.checkScores(w.checkRollups())
	w.send(do("p", "late", event.PortalLogin, now.AddDate(0, 0, -25)))
	w.settle()
	w.checkScores(w.checkRollups())
}
