package aggregator_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/session"
)

// visitsOf counts a partner's visiting days among what was sent, before a day.
func (w *world) visitsOf(partner string, before int32) detect.Visits {
	days := make(map[int32]bool)
	first, last := int32(math.MaxInt32), int32(0)
	for _, e := range w.events {
		if day := session.LocalDay(e.Time, w.loc); e.Partner == partner && day < before {
			days[day] = true
			first, last = min(first, day), max(last, day)
		}
	}
	return detect.Visits{Repeat: len(days) - 1, LastSeen: float64(last - first), Watched: float64(before - 1 - first)}
}

// TestDropsSayHowLikelyThePartnerIsStillThere: P(alive) in the messages is the one of a
// model that was fitted to what was known before the month, and only of those rules.
func TestDropsSayHowLikelyThePartnerIsStillThere(t *testing.T) {
	t.Parallel()
	w, stop := stops(t)
	w.now = stop.AddDate(0, 0, 6).Add(14 * time.Hour)
	w.send(workdays(w, "stays", stop, w.now.Add(-time.Hour), 3)...)
	w.settle()

	month := session.LocalDay(stop, w.loc) // the first of June
	model, err := detect.FitBGNBD([]detect.Visits{w.visitsOf("stays", month), w.visitsOf("stops", month)})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, m := range w.bus.on(kafkabus.TopicDrop) {
		var v struct {
			Data struct {
				Rule     string     `json:"rule"`
				Detected detect.Day `json:"detected_at"`
				PAlive   *float64   `json:"p_alive"`
			} `json:"data"`
		}
		if err := json.Unmarshal(m.Value, &v); err != nil {
			t.Fatal(err)
		}
		told++
		visits := w.visitsOf("stops", int32(v.Data.Detected)+1)
		want := model.Alive(visits.Repeat, visits.LastSeen, visits.Watched)
		if v.Data.PAlive == nil || math.Abs(*v.Data.PAlive-want) > 1e-4 || want <= 0 || want >= 1 {
			t.Errorf("%s of %s: p_alive %v, want %.4f", v.Data.Rule, v.Data.Detected, v.Data.PAlive, want)
		}
	}
	if told == 0 {
		t.Fatal("nothing was told")
	}
}
