package aggregator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/session"
	"partnerpulse/schemas"
)

// workdays sends n visits an hour apart on each weekday of the days from..to.
func workdays(w *world, partner string, from, to time.Time, n int) []sent {
	var out []sent
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		if d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
			continue
		}
		for i := range n {
			at := time.Date(d.Year(), d.Month(), d.Day(), 8+i, 0, 0, 0, w.loc)
			out = append(out, visit(partner, fmt.Sprintf("%s-%d-%d", partner, session.LocalDay(d, w.loc), i), at))
		}
	}
	return out
}

// alertMessage is what the tests read of a message on the drop topic.
type alertMessage struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Data    struct {
		Rule   string `json:"rule"`
		Status string `json:"status"`
	} `json:"data"`
}

func decodeAlerts(t *testing.T, msgs []kafkabus.Message) []alertMessage {
	t.Helper()
	var out []alertMessage
	for _, m := range msgs {
		var a alertMessage
		if err := json.Unmarshal(m.Value, &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// stops is a world of two partners, one of which stops coming on the given day;
// everything before it has arrived.
func stops(t *testing.T) (w *world, stop time.Time) {
	stop = time.Date(2026, 6, 1, 6, 0, 0, 0, time.UTC) // a Monday
	w = newWorld(t, "Europe/Berlin", stop)
	from := stop.AddDate(0, 0, -70)
	w.send(workdays(w, "stays", from, stop.AddDate(0, 0, -1), 3)...)
	w.send(workdays(w, "stops", from, stop.AddDate(0, 0, -1), 3)...)
	w.settle()
	return w, stop
}

func TestAPartnerThatStopsIsToldOnce(t *testing.T) {
	t.Parallel()
	w, stop := stops(t)
	if n := len(w.bus.on(kafkabus.TopicDrop)); n != 0 {
		t.Fatalf("%d alerts about partners that come as ever", n)
	}
	for day := range 12 {
		w.now = stop.AddDate(0, 0, day).Add(14 * time.Hour)
		w.send(workdays(w, "stays", w.now, w.now, 3)...)
		w.bus.fail = day%2 == 0 // the answer gets lost
		if _, err := w.agg.Tick(t.Context()); err == nil && w.bus.fail {
			w.bus.fail = false
		}
		w.restart()
		w.settle()
	}
	alerts := decodeAlerts(t, w.bus.on(kafkabus.TopicDrop))
	fired := make(map[string]map[string]bool) // rule → ids
	for _, a := range alerts {
		if a.Subject != "stops" || a.Data.Status != "firing" {
			t.Errorf("unexpected %s of %s is %s", a.Data.Rule, a.Subject, a.Data.Status)
		}
		if fired[a.Data.Rule] == nil {
			fired[a.Data.Rule] = make(map[string]bool)
		}
		fired[a.Data.Rule][a.ID] = true
	}
	if len(fired["ghosting"]) != 1 {
		t.Errorf("%d ghosting alerts, want 1: %v", len(fired["ghosting"]), alerts)
	}
	for rule, ids := range fired {
		if len(ids) != 1 {
			t.Errorf("%s fired under %d ids", rule, len(ids))
		}
	}
	validate(t, "drop.json", w.bus.on(kafkabus.TopicDrop))
	states := w.bus.on(kafkabus.TopicAlertState)
	validate(t, "alert-state.json", states)
	var state struct {
		Data struct {
			Alerts []struct {
				Rule string `json:"rule"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := json.Unmarshal(states[len(states)-1].Value, &state); err != nil || len(state.Data.Alerts) != len(fired) {
		t.Errorf("the last state holds %d alerts of %d: %v", len(state.Data.Alerts), len(fired), err)
	}

	before := len(w.bus.messages)
	w.restart()
	w.mark(w.all())
	w.settle()
	if n := len(w.bus.messages); n != before {
		t.Errorf("a replay published %d messages", n-before)
	}
}

func TestOldTransitionsAreHistorical(t *testing.T) {
	t.Parallel()
	w, stop := stops(t)
	// Three weeks arrive at once: the silence began too long ago to be news.
	w.now = stop.AddDate(0, 0, 25)
	w.send(workdays(w, "stays", stop, w.now.Add(-time.Hour), 3)...)
	w.settle()
	if n := len(w.bus.on(kafkabus.TopicDrop)); n != 0 {
		t.Errorf("%d alerts were published", n)
	}
	var rows []struct {
		Published  uint64 `ch:"p"`
		Historical uint64 `ch:"h"`
	}
	if err := w.store.Select(t.Context(), &rows, "SELECT countIf(published = 1) AS p, countIf(historical = 1) AS h FROM alerts FINAL", nil); err != nil {
		t.Fatal(err)
	}
	if rows[0].Published != 0 || rows[0].Historical == 0 {
		t.Errorf("%d recorded as published, %d as historical", rows[0].Published, rows[0].Historical)
	}
}

func TestSilenceOfAllIsNobodysDrop(t *testing.T) {
	t.Parallel()
	w, stop := stops(t)
	w.now = stop.AddDate(0, 0, 20)
	w.settle()
	if n := len(w.bus.on(kafkabus.TopicDrop)); n != 0 {
		t.Errorf("%d alerts although nothing arrived from anybody", n)
	}
}

// validate checks messages against a schema of schemas/alerts.
func validate(t *testing.T, name string, msgs []kafkabus.Message) {
	t.Helper()
	c := jsonschema.NewCompiler()
	files, err := fs.Glob(schemas.Alerts, "alerts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, file := range files {
		b, err := fs.ReadFile(schemas.Alerts, file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		url, ok := doc.(map[string]any)["$id"].(string)
		if !ok {
			continue
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
		if file == "alerts/"+name {
			id = url
		}
	}
	schema, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	if len(msgs) == 0 {
		t.Fatal("no message to check")
	}
	for _, m := range msgs {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Value))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", m.Value, err)
		}
	}
}
