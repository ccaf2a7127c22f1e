package aggregator_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/alert"
	"partnerpulse/internal/alertdesk"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// told is a message of an alert topic.
type told struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Data    struct {
		Alert     string   `json:"alert_id"`
		Rule      string   `json:"rule"`
		Status    string   `json:"status"`
		Reason    string   `json:"reason"`
		Sequence  int      `json:"sequence"`
		StartsAt  string   `json:"starts_at"`
		Owner     string   `json:"owner"`
		Inhibited []string `json:"inhibited_by"`
		Course    string   `json:"course_id"`
		Expires   string   `json:"expires_on"`
		Evidence  struct {
			Events []string `json:"event_ids"`
		} `json:"evidence"`
		Command *struct {
			Actor string `json:"actor"`
		} `json:"command"`
		Alerts []struct {
			Rule   string `json:"rule"`
			Status string `json:"status"`
		} `json:"alerts"`
	} `json:"data"`
}

func (w *world) told(topic string) []told {
	w.t.Helper()
	var out []told
	for _, m := range w.bus.on(topic) {
		var v told
		if err := json.Unmarshal(m.Value, &v); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// of gives "status reason" of a partner's messages of a rule, in order.
func of(msgs []told, partner, rule string) []string {
	var out []string
	for _, m := range msgs {
		if m.Subject == partner && m.Data.Rule == rule {
			out = append(out, m.Data.Status+" "+m.Data.Reason)
		}
	}
	return out
}

// TestLifeOfAlerts: two partners stop; of one the events were only late, the other
// one's alert is seen to. Its training lapses meanwhile, and its certification ends.
func TestLifeOfAlerts(t *testing.T) {
	t.Parallel()
	stop := time.Date(2026, 6, 1, 6, 0, 0, 0, time.UTC) // a Monday
	w := newWorld(t, "Europe/Berlin", stop)
	from, eve := stop.AddDate(0, 0, -60), stop.AddDate(0, 0, -1)
	for _, partner := range []string{"stays", "stops", "late"} {
		w.send(workdays(w, partner, from, eve, 3)...)
	}
	owned, certified := do("stops", "owner", event.PartnerUpserted, from), do("stops", "cert", event.TrainingCertified, stop.AddDate(0, 0, -88))
	owned.Data = `{"owner":"kim"}`
	expires := time.Date(2026, 6, 3, 20, 0, 0, 0, time.UTC)
	certified.Course, certified.Expires = "course-1", &expires
	w.send(owned, certified)
	w.settle()
	if n := len(w.told(kafkabus.TopicDrop)); n != 0 {
		t.Fatalf("%d alerts about partners that come as ever", n)
	}

	w.now = stop.AddDate(0, 0, 5).Add(14 * time.Hour)
	w.send(workdays(w, "stays", stop, w.now.Add(-time.Hour), 3)...)
	w.settle()
	drops, lapses := w.told(kafkabus.TopicDrop), w.told(kafkabus.TopicTrainingLapse)
	for _, partner := range []string{"stops", "late"} {
		if diff := gocmp.Diff([]string{"firing fired"}, of(drops, partner, "ghosting")); diff != "" {
			t.Fatalf("%s: %s", partner, diff)
		}
	}
	ghost := drops[slices.IndexFunc(drops, func(m told) bool { return m.Subject == "stops" && m.Data.Rule == "ghosting" })]
	if ghost.Data.Owner != "kim" || len(ghost.Data.Evidence.Events) != 10 {
		t.Errorf("owner %q, evidence %v", ghost.Data.Owner, ghost.Data.Evidence.Events)
	}
	checkTraining(t, lapses, ghost.Data.Alert)

	// The late events come: it was well all the time.
	w.send(workdays(w, "late", stop, w.now.Add(-time.Hour), 3)...)
	w.settle()
	if diff := gocmp.Diff([]string{"firing fired", "resolved retracted"}, of(w.told(kafkabus.TopicDrop), "late", "ghosting")); diff != "" {
		t.Error(diff)
	}

	w.seeTo(t, ghost.Data.Alert)

	before := len(w.bus.messages)
	w.restart()
	w.mark(w.all())
	w.settle()
	if n := len(w.bus.messages); n != before {
		t.Errorf("a replay published %d messages", n-before)
	}
	w.acceptedStaysAccepted(t)
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))
	validate(t, "training-lapse.json", w.bus.on(kafkabus.TopicTrainingLapse))
	validate(t, "alert-state.json", w.bus.on(kafkabus.TopicAlertState))
}

// acceptedStaysAccepted: another configuration, which begins from the first day, is
// given the level that somebody accepted, too.
func (w *world) acceptedStaysAccepted(t *testing.T) {
	t.Helper()
	before := of(w.told(kafkabus.TopicDrop), "stops", "ghosting")
	w.reconfigure(func(c *aggregator.Config) { c.Detect.ARL0Days = 30 })
	w.dayLater("stays", "late")
	if diff := gocmp.Diff(before, of(w.told(kafkabus.TopicDrop), "stops", "ghosting")); diff != "" {
		t.Error(diff)
	}
	var rows []struct {
		Status  string `ch:"ghosting_status"`
		Configs uint64 `ch:"n"`
	}
	q := "SELECT argMax(ghosting_status, day) AS ghosting_status, uniqExact(config) AS n FROM detector_state FINAL WHERE partner_id = 'stops'"
	if err := w.store.Select(t.Context(), &rows, q, nil); err != nil || rows[0].Configs != 1 || rows[0].Status == "firing" {
		t.Errorf("after the level was accepted: %+v, %v", rows, err)
	}
}

// checkTraining: the lapse is inhibited, the certificate's end is not; that it was
// about to end is too long ago to tell.
func checkTraining(t *testing.T, lapses []told, ghost string) {
	t.Helper()
	if len(lapses) != 2 {
		t.Fatalf("%d messages about training: %+v", len(lapses), lapses)
	}
	for _, m := range lapses {
		switch m.Data.Rule {
		case "training_lapse":
			if !slices.Equal(m.Data.Inhibited, []string{ghost}) || m.Data.StartsAt != "2026-06-04" {
				t.Errorf("the lapse of %s is inhibited by %v, want %s", m.Data.StartsAt, m.Data.Inhibited, ghost)
			}
		case "certification_expired":
			if len(m.Data.Inhibited) != 0 || m.Data.Course != "course-1" || m.Data.Expires != "2026-06-03" || m.Data.StartsAt != "2026-06-04" {
				t.Errorf("%+v", m.Data)
			}
		default:
			t.Errorf("unexpected %s", m.Data.Rule)
		}
	}
}

// seeTo takes an alert through acknowledged, snoozed and rebaselined.
func (w *world) seeTo(t *testing.T, id string) {
	t.Helper()
	desk := alertdesk.New(w.store, func(string) *time.Location { return w.loc }, func() time.Time { return w.now })
	ask := func(action alert.Action, until string) {
		t.Helper()
		_, err := desk.Take(t.Context(), alert.Request{Tenant: tenantID, Alert: id, Action: string(action), Until: until, Actor: "kim"})
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	ask(alert.Acknowledge, "")
	ask(alert.Snooze, "2026-06-08")
	shown, err := desk.Show(t.Context(), tenantID, id)
	if err != nil || shown.Status != "snoozed" || shown.SnoozedUntil != "2026-06-08" || shown.Actor != "kim" || len(shown.Commands) != 0 {
		t.Errorf("%+v, %v", shown, err)
	}
	w.now = time.Date(2026, 6, 8, 14, 0, 0, 0, time.UTC)
	w.send(workdays(w, "stays", w.now, w.now, 3)...)
	w.settle()
	ask(alert.Rebaseline, "")
	want := []string{"firing fired", "acknowledged command", "snoozed command", "firing snooze_ended", "rebaselined accepted"}
	if diff := gocmp.Diff(want, of(w.told(kafkabus.TopicDrop), "stops", "ghosting")); diff != "" {
		t.Error(diff)
	}
	sequence := 0
	for _, m := range w.told(kafkabus.TopicDrop) {
		if m.Data.Alert != id {
			continue
		}
		if sequence++; m.Data.Sequence != sequence {
			t.Errorf("%s has sequence %d, want %d", m.Data.Status, m.Data.Sequence, sequence)
		}
	}
	for _, wrong := range []struct {
		alert, action, until string
		want                 error
	}{
		{id, "acknowledge", "", alert.ErrOver}, {"nobody", "acknowledge", "", alert.ErrUnknown}, {id, "forget", "", alert.ErrInvalid},
		{id, "snooze", "2026-06-08", alert.ErrInvalid}, {id, "snooze", "", alert.ErrInvalid}, {id, "acknowledge", "2026-06-09", alert.ErrInvalid},
	} {
		_, err := desk.Take(t.Context(), alert.Request{Tenant: tenantID, Alert: wrong.alert, Action: wrong.action, Until: wrong.until, Actor: "kim"})
		if !errors.Is(err, wrong.want) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	list, err := desk.List(t.Context(), tenantID, alert.Filter{Partner: "stops", Rule: "ghosting"})
	if err != nil || len(list) != 1 || list[0].Status != "rebaselined" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := desk.List(t.Context(), tenantID, alert.Filter{Status: "pending"}); err != nil {
		t.Error(err)
	}
}
