// Package xapi tests the collector with the npm packages @xapi/xapi and tincanjs.
package xapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/clienttest"
	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/collector"
	"partnerpulse/internal/event"
)

// newStand starts a collector that knows the partner of the tests' LMS account.
func newStand(t *testing.T) *clienttest.Stand {
	return clienttest.NewStand(t, func(c *collector.Config, _ *collector.Deps) {
		c.XAPI.Partners.HomePages = map[string]string{"https://acme.lms.example": "p-0001"}
		c.XAPI.ActivityPrefix = "https://lms.example/course/"
	})
}

// fields decodes the data of an event that is compared.
type fields struct {
	CourseID     string   `json:"course_id"`
	Registration string   `json:"registration"`
	Progress     *float64 `json:"progress"`
	ScoreScaled  *float64 `json:"score_scaled"`
	DurationS    *float64 `json:"duration_s"`
	Verb         string   `json:"verb"`
	Statement    struct {
		Verb struct {
			ID string `json:"id"`
		} `json:"verb"`
	} `json:"statement"`
}

func dataOf(t *testing.T, e *event.Event) fields {
	t.Helper()
	var f fields
	if err := json.Unmarshal(e.Data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func is(p *float64, want float64) bool { return p != nil && *p == want }

func TestXAPIPackage(t *testing.T) {
	modules := npm.Install(t, "xapi", ".")
	for _, adapter := range []string{"axios", "fetch"} {
		t.Run(adapter, func(t *testing.T) {
			stand := newStand(t)
			const id = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
			out := npm.Node(t, modules, "xapi.cjs", "COLLECTOR="+stand.URL, "KEY="+clienttest.ServerKey, "ADAPTER="+adapter, "ID="+id)
			var got struct {
				About                                 struct{ Version []string }
				One, Many, Again, Unmapped, Voided    []string
				Conflict, Invalid, Missing, Stategone any
				Hidden                                any
				Kept                                  string
				ByVerb, ByStranger, ByRegistration    []string
				Read                                  struct {
					ID, Stored, Timestamp, Version string
					Authority                      struct{ Account struct{ Name string } }
				}
				Listed []string
				State  struct {
					Page int
					Seen []int
				}
				States []string
			}
			if err := json.Unmarshal(out, &got, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !slices.Contains(got.About.Version, "1.0.3") {
				t.Errorf("about: %v", got.About)
			}
			if len(got.One) != 1 || len(got.Many) != 2 || got.Many[0] != id || !slices.Equal(got.Again, []string{id}) || len(got.Unmapped) != 1 || len(got.Voided) != 1 {
				t.Errorf("ids: %s", out)
			}
			wantFailures(t, adapter, map[any]string{409: "statement_conflict", 400: "invalid_statement", 404: "not_found"},
				got.Conflict, got.Invalid, got.Missing, got.Stategone, got.Hidden)
			if got.Read.ID != got.One[0] || got.Read.Stored == "" || got.Read.Timestamp == "" || got.Read.Version == "" || got.Read.Authority.Account.Name != "lms" {
				t.Errorf("read: %+v", got.Read)
			}
			want := []string{got.Voided[0], got.Unmapped[0], got.Many[1], id}
			if got.Kept != id || !slices.Equal(got.ByVerb, []string{id}) || len(got.ByStranger)+len(got.ByRegistration) != 0 {
				t.Errorf("kept %q, selected %v, %v, %v", got.Kept, got.ByVerb, got.ByStranger, got.ByRegistration)
			}
			if !sameSet(got.Listed, want) {
				t.Errorf("listed %v, want %v", got.Listed, want)
			}
			if got.State.Page != 4 || !slices.Equal(got.State.Seen, []int{1}) || !slices.Equal(got.States, []string{"bookmark"}) {
				t.Errorf("state %+v of %v", got.State, got.States)
			}
			checkXAPIEvents(t, stand, got.One[0], id, got.Voided[0])
		})
	}
}

// wantFailures checks errors that the adapter tells by status or by body.
func wantFailures(t *testing.T, adapter string, words map[any]string, got ...any) {
	t.Helper()
	statuses := []any{409, 400, 404, 404, 404}
	for i, g := range got {
		switch v := g.(type) {
		case float64:
			if int(v) != statuses[i] {
				t.Errorf("%s: failure %d has status %v, want %v", adapter, i, v, statuses[i])
			}
		case string:
			if !strings.Contains(v, words[statuses[i]]) {
				t.Errorf("%s: failure %d is %q, want %s", adapter, i, v, words[statuses[i]])
			}
		default:
			t.Errorf("%s: failure %d is %v", adapter, i, g)
		}
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func checkXAPIEvents(t *testing.T, stand *clienttest.Stand, completed, passed, voider string) {
	t.Helper()
	published, rejects := stand.Published(t)
	types := map[event.Type]*event.Event{}
	var again *event.Event // the completed statement's, after it was voided
	for _, e := range published {
		if e.ID == completed && e.Internal {
			again = e
			continue
		}
		types[e.Type] = e
		f := dataOf(t, e)
		if e.PartnerID != "p-0001" || e.UserID != "u-17" || e.Source != event.SourceXAPI || f.Verb == "" || f.Statement.Verb.ID != f.Verb ||
			e.Type != "custom.xapi.voided" && (e.Internal || e.Context.Title != "Sales 101" || f.CourseID != "sales-101") {
			t.Errorf("event %+v with data %s", e, e.Data)
		}
	}
	if len(published) != 5 || types[event.TrainingCompleted] == nil || types[event.TrainingPassed] == nil || types[event.TrainingProgressed] == nil {
		t.Fatalf("events %v", types)
	}
	if e := types["custom.xapi.voided"]; e == nil || e.ID != voider || !e.Internal {
		t.Errorf("voiding: %+v", e)
	}
	if first := types[event.TrainingCompleted]; again == nil || !again.ReceivedAt.Before(first.ReceivedAt) || !again.Time.Equal(first.Time) || again.PartnerID != first.PartnerID {
		t.Errorf("voided: %+v", again)
	}
	if e := types[event.TrainingCompleted]; e.ID != completed || !is(dataOf(t, e).ScoreScaled, 0.9) || !is(dataOf(t, e).DurationS, 5400) ||
		dataOf(t, e).Registration != "b2a3c1d4-0000-4000-8000-000000000001" {
		t.Errorf("completed: %+v, %s", e, e.Data)
	}
	if e := types[event.TrainingPassed]; e.ID != passed {
		t.Errorf("passed: %+v", e)
	}
	if e := types[event.TrainingProgressed]; !is(dataOf(t, e).Progress, 40) {
		t.Errorf("progressed: %s", e.Data)
	}
	var codes []event.Code
	for _, r := range rejects {
		codes = append(codes, r.Code)
	}
	if !slices.Equal(codes, []event.Code{event.CodeConflict, event.CodeSchema, event.CodeUnknownType}) {
		t.Errorf("rejects %v", codes)
	}
}

func TestTinCanJS(t *testing.T) {
	stand := newStand(t)
	out := npm.Node(t, npm.Install(t, "xapi", "."), "tincan.cjs", "COLLECTOR="+stand.URL, "KEY="+clienttest.ServerKey)
	var got struct {
		About, Sent, Listed, IDs, Selected []string
		Read, State, Changed               string
		Voiding, Voided                    string
		Gone                               bool
	}
	if err := json.Unmarshal(out, &got, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !slices.Contains(got.About, "1.0.3") || !sameSet(got.Listed, got.Sent) || len(got.Sent) != 3 || got.Read != "http://adlnet.gov/expapi/verbs/initialized" {
		t.Errorf("%s", out)
	}
	if got.State != "a=1" || got.Changed != "a=2" || !slices.Equal(got.IDs, []string{"suspend_data"}) || !got.Gone {
		t.Errorf("state: %s", out)
	}
	events, rejects := stand.Published(t)
	if len(rejects) != 0 || len(events) != 5 {
		t.Fatalf("%d events, rejects %v", len(events), rejects)
	}
	if !slices.Equal(got.Selected, got.Sent[2:]) || got.Voided != got.Sent[1] || events[3].ID != got.Voiding || events[4].ID != got.Sent[1] || !events[4].Internal {
		t.Errorf("%s, %+v", out, events[3:])
	}
	events = events[:3]
	want := []event.Type{event.TrainingStarted, event.TrainingProgressed, event.TrainingFailed}
	for i, e := range events {
		if e.ID != got.Sent[i] || e.Type != want[i] || e.PartnerID != "p-0007" || e.UserID != "ada@partner.example" || dataOf(t, e).CourseID != "sales-102" || e.Context.Title != "Verkauf" {
			t.Errorf("event %d: %+v with data %s", i, e, e.Data)
		}
	}
	if !is(dataOf(t, events[2]).ScoreScaled, 0.25) {
		t.Errorf("failed: %s", events[2].Data)
	}
}
