package aggregator_test

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// erase takes a partner out of all tables and marks its days, as forget does.
func (w *world) erase(partner string) {
	w.t.Helper()
	var gone []sent
	for key, e := range w.events {
		if e.Partner == partner {
			gone = append(gone, e)
			delete(w.events, key)
		}
	}
	for _, table := range []string{"events", "sessions", "partner_daily", "user_daily", "entity_events", "deal_state", "training_state", "partner_scores", "partner_progress", "detector_state"} {
		w.exec(fmt.Sprintf("ALTER TABLE %s DELETE WHERE partner_id = '%s' SETTINGS mutations_sync = 2", table, partner))
	}
	w.mark(gone)
}

// TestErasedPartnerNoLongerBeginsFeeds: when the partner is erased whose events the feeds
// had begun with, the others' scores are at once what they would be had it never been
// there; an erased partner that began nothing changes none.
func TestErasedPartnerNoLongerBeginsFeeds(t *testing.T) {
	begin := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now := begin.AddDate(0, 0, 9)
	ten := uint8(10)
	news := func(partner string, from int) []sent {
		at := begin.AddDate(0, 0, from)
		out := []sent{
			do(partner, partner+"1", event.PageViewed, at), do(partner, partner+"2", event.TrainingCompleted, at),
			do(partner, partner+"3", event.DealRegistered, at), do(partner, partner+"4", event.SurveyNPSAnswered, at.AddDate(0, 0, 1)),
		}
		out[3].NPS = &ten
		return out
	}
	without := newWorld(t, "UTC", now)
	without.send(append(news("stays", 5), do("early", "e", event.PageViewed, begin.AddDate(0, 0, 1)))...)
	without.settle()

	w := newWorld(t, "UTC", now)
	w.send(append(append(news("stays", 5), news("goes", 0)...), append(news("later", 6), do("early", "e", event.PageViewed, begin.AddDate(0, 0, 1)))...)...)
	w.settle()
	day := session.LocalDay(begin.AddDate(0, 0, 3), w.loc)
	if r := w.scores("early")[day]; r.Score == score.NoScore {
		t.Fatal("the partner that is erased below began no feed: this test shows nothing")
	}
	w.erase("later")
	if work := w.settle(); work.ScoreRows > 0 {
		t.Errorf("%d rows were scored after a partner was erased that began nothing", work.ScoreRows)
	}
	w.erase("goes")
	w.settle()
	want := without.dump("partner_scores", scoreOrder)
	if diff := gocmp.Diff(want, w.dump("partner_scores", scoreOrder)); diff != "" {
		t.Errorf("(-never there +erased):\n%s", diff)
	}
	w.restart()
	w.settle()
	if diff := gocmp.Diff(want, w.dump("partner_scores", scoreOrder)); diff != "" {
		t.Errorf("after a restart (-never there +erased):\n%s", diff)
	}
}
