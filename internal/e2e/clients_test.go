package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/embedded/enginetest"
)

// clientsConfig is what an operator would set for the clients' scripts: whose the
// LMS account is, how activities and types are named, and that the fixed times of
// the CloudEvents script are not too old, whenever the test is run.
const clientsConfig = `
collector:
  xapi:
    partners: {home_pages: {"https://acme.lms.example": p-0001}}
    activity_prefix: "https://lms.example/course/"
  cloudevents: {type_prefix: com.example.}
tenants:
  demo: {late_max: 876000h}
`

// stored is what is compared of a row of events.
type stored struct {
	ID, Type, Partner, User, Session, Title, Campaign string
	Internal                                          int64
	Course, Content, View                             string
	Progress                                          float64
	Score                                             *float64
	Data                                              map[string]any
}

// events reads all rows of one way in, by id.
func (s *stack) events(source string) (map[string]stored, error) {
	rows, err := query[struct {
		stored
		Data string
	}](s, `SELECT id AS ID, type AS Type, partner_id AS Partner, user_id AS User, session_id AS Session, title AS Title,
		utm_source AS Campaign, toInt64(internal) AS Internal, course_id AS Course, content_id AS Content, view_id AS View,
		progress AS Progress, score_scaled AS Score, data AS Data
		FROM events FINAL WHERE source = '`+source+`' AND tenant = 'demo'`)
	if err != nil {
		return nil, err
	}
	out := make(map[string]stored, len(rows))
	for _, r := range rows {
		if _, twice := out[r.ID]; twice {
			return nil, fmt.Errorf("two rows of event %s", r.ID)
		}
		row := r.stored
		if err := json.Unmarshal([]byte(r.Data), &row.Data); err != nil {
			return nil, err
		}
		delete(row.Data, "statement") // compared by the tests of the xAPI clients
		delete(row.Data, "taken_at")  // of voided ones
		out[r.ID] = row
	}
	return out, nil
}

// expect waits for as many rows of a way in as are wanted and compares them.
func (s *stack) expect(t *testing.T, source string, want map[string]stored) {
	t.Helper()
	var got map[string]stored
	await(t, time.Minute, source+"'s events in ClickHouse", func() (err error) {
		got, err = s.events(source)
		if err == nil && len(got) < len(want) {
			err = fmt.Errorf("%d of %d", len(got), len(want))
		}
		return err
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: what the client sent (-) and the rows (+):\n%s", source, diff)
	}
}

// TestXAPIAndCloudEventsClientsReachClickHouse runs the unchanged client libraries
// against the built binary and compares every row. Segment's and RudderStack's
// libraries have the like beside their scripts.
func TestXAPIAndCloudEventsClientsReachClickHouse(t *testing.T) {
	enginetest.Need(t)
	const xapiScripts, cloudScripts = "../clienttest/xapi", "../clienttest/cloudevents"
	xapiModules := npm.Install(t, "xapi", xapiScripts)
	cloudModules := npm.Install(t, "cloudevents", cloudScripts)
	dir := t.TempDir()
	config := filepath.Join(dir, "partnerpulse.yaml")
	if err := os.WriteFile(config, []byte(clientsConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	s := up(t, dir, nil, "--config", config)
	environ := []string{"COLLECTOR=" + s.Collector, "KEY=" + s.ServerKey, "BROWSER_KEY=" + s.BrowserKey}

	want := map[string]stored{}
	for i, adapter := range []string{"axios", "fetch"} {
		id := fmt.Sprintf("f47ac10b-58cc-4372-a567-0e02b2c3d47%d", i)
		sent := run[struct{ One, Many, Voided []string }](t, xapiModules, filepath.Join(xapiScripts, "xapi.cjs"), append(environ, "ADAPTER="+adapter, "ID="+id)...)
		wantXAPI(want, sent.One[0], id, sent.Many[1], sent.Voided[0])
	}
	tincan := run[struct {
		Sent    []string
		Voiding string
	}](t, xapiModules, filepath.Join(xapiScripts, "tincan.cjs"), environ...)
	wantTinCan(want, tincan.Sent, tincan.Voiding)
	s.expect(t, "xapi", want)
	s.awaitTraining(t, map[string]training{"p-0001": {Passed: 2, Progressed: 2}, "p-0007": {Started: 1, Failed: 1}})

	run[struct{}](t, cloudModules, filepath.Join(cloudScripts, "send.cjs"), environ...)
	s.expect(t, "cloudevents", wantCloudEvents())
	s.stop()
}

// training is what the rollups count of a partner's training.
type training struct{ Completed, Passed, Progressed, Started, Failed int64 }

// awaitTraining waits for the rollups: what is voided is not in them.
func (s *stack) awaitTraining(t *testing.T, want map[string]training) {
	t.Helper()
	await(t, time.Minute, "the rollups without what is voided", func() error {
		rows, err := query[struct {
			Partner string
			training
		}](s, `SELECT partner_id AS Partner, toInt64(sum(training_completed)) AS Completed, toInt64(sum(training_passed)) AS Passed,
			toInt64(sum(training_progressed)) AS Progressed, toInt64(sum(training_started)) AS Started, toInt64(sum(training_failed)) AS Failed
			FROM partner_daily FINAL WHERE tenant = 'demo' AND partner_id IN ('p-0001', 'p-0007') GROUP BY partner_id`)
		if err != nil {
			return err
		}
		got := map[string]training{}
		for _, r := range rows {
			got[r.Partner] = r.training
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// run runs a client's script and decodes what it prints.
func run[T any](t *testing.T, modules, script string, environ ...string) T {
	t.Helper()
	var out T
	b := npm.Node(t, modules, script, environ...)
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%s printed %q: %v", script, b, err)
	}
	return out
}

const adl = "http://adlnet.gov/expapi/verbs/"

// voided makes row what stays of a statement that voider voids, and gives the row of
// the voiding statement: neither is scored.
func voided(row *stored, voider string) stored {
	row.Internal, row.Data["voided_by"] = 1, voider
	return stored{ID: voider, Type: "custom.xapi.voided", Partner: row.Partner, User: row.User, Internal: 1,
		Data: map[string]any{"verb": adl + "voided", "target_id": row.ID}}
}

// wantXAPI adds the rows of xapi.cjs.
func wantXAPI(want map[string]stored, completed, passed, progressed, voider string) {
	score := 0.9
	row := func(id, typ string, data map[string]any) stored {
		data["activity_id"], data["course_id"] = "https://lms.example/course/sales-101", "sales-101"
		return stored{ID: id, Type: typ, Partner: "p-0001", User: "u-17", Title: "Sales 101", Course: "sales-101", Data: data}
	}
	one := row(completed, "training.completed", map[string]any{
		"verb": adl + "completed", "score_scaled": 0.9, "duration_s": 5400.0, "registration": "b2a3c1d4-0000-4000-8000-000000000001"})
	one.Score = &score
	third := row(progressed, "training.progressed", map[string]any{"verb": adl + "progressed", "progress": 40.0})
	third.Progress = 0.4
	by := voided(&one, voider)
	for _, r := range []stored{one, by, row(passed, "training.passed", map[string]any{"verb": adl + "passed"}), third} {
		want[r.ID] = r
	}
}

// wantTinCan adds the rows of tincan.cjs.
func wantTinCan(want map[string]stored, ids []string, voider string) {
	score := 0.25
	for i, w := range []struct{ typ, verb string }{
		{"training.started", "initialized"}, {"training.progressed", "experienced"}, {"training.failed", "failed"},
	} {
		row := stored{ID: ids[i], Type: w.typ, Partner: "p-0007", User: "ada@partner.example", Title: "Verkauf", Course: "sales-102", Data: map[string]any{
			"activity_id": "https://lms.example/course/sales-102", "course_id": "sales-102", "verb": adl + w.verb}}
		if w.verb == "failed" {
			row.Score, row.Data["score_scaled"] = &score, score
		}
		if w.verb == "experienced" {
			want[voider] = voided(&row, voider)
		}
		want[row.ID] = row
	}
}

// wantCloudEvents is the rows of send.cjs: what is refused there is not among them.
func wantCloudEvents() map[string]stored {
	want := map[string]stored{}
	for _, id := range []string{"binary", "structured", "batch-1", "batch-3", "emitted-binary", "emitted-structured"} {
		row := stored{ID: id, Type: "content.viewed", Partner: "p-0001", User: "u-17", Content: "battlecard-7", View: "v-" + id,
			Data: map[string]any{"view_id": "v-" + id, "content_id": "battlecard-7"}}
		switch id {
		case "binary":
			row.Internal, row.Title = 1, "Battle card"
		case "structured":
			row.Title, row.Campaign = "Überblick €", "mail"
		case "batch-3":
			row.Partner, row.Session = "p-0002", "s"
		}
		want[id] = row
	}
	return want
}
