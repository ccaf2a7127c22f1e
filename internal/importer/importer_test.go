package importer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/collector"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/importer"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

// topic is a publisher that keeps the events.
type topic struct{ events []*event.Event }

func (l *topic) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	for _, m := range msgs {
		if m.Topic == kafkabus.TopicEvents {
			e, err := event.UnmarshalCloudEvent(m.Value)
			if err != nil {
				return err
			}
			l.events = append(l.events, e)
		}
	}
	return nil
}

func schemaSet(t *testing.T) *eventschema.Set {
	t.Helper()
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// realCollector takes the keys "directory" and "plain", which lacks the scope.
func realCollector(t *testing.T) (string, *topic) {
	t.Helper()
	key := func(name string, scopes ...keys.Scope) keys.Key {
		return keys.Key{ID: name, Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(name), Scopes: scopes}
	}
	ring, err := keys.NewRing([]keys.Key{key("directory", keys.Write, keys.Directory), key("plain", keys.Write)})
	if err != nil {
		t.Fatal(err)
	}
	log := &topic{}
	c, err := collector.New(collector.DefaultConfig(), collector.Deps{Publisher: log, Keys: ring, Schemas: schemaSet(t)}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close)
	return srv.URL, log
}

// run imports text as of at.
func run(t *testing.T, kind, text string, cfg importer.Config, deps importer.Deps) (*importer.Report, error) {
	t.Helper()
	var ok bool
	if cfg.Kind, ok = importer.KindOf(kind); !ok {
		t.Fatalf("no kind %s", kind)
	}
	if cfg.At.IsZero() {
		cfg.At = time.Now().Add(-time.Hour).Truncate(time.Second)
	}
	deps.Schemas = schemaSet(t)
	cfg.RetryMin = time.Millisecond
	m, err := importer.New(cfg, deps, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return m.Run(t.Context(), strings.NewReader(text))
}

// TestEachKindArrives: every kind of file becomes the events that it means, through a
// real collector.
func TestEachKindArrives(t *testing.T) {
	at := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	for _, c := range []struct {
		kind, text string
		want       []string // type, partner and data
	}{
		{"partners", "\ufeffpartner_id;name;tier;joined_at;status\r\np-1;\"Ott; Söhne\";gold;2024-02-29;active\r\n\r\np-2;;;;\r\n", []string{
			`partner.upserted p-1 {"joined_at":"2024-02-29T00:00:00.000Z","name":"Ott; Söhne","partner_id":"p-1","status":"active","tier":"gold"}`,
			`partner.upserted p-2 {"partner_id":"p-2"}`,
		}},
		{"users", "user_id,partner_id,role\nu-1,p-1, sales \n", []string{`user.upserted p-1 {"role":"sales","user_id":"u-1"}`}},
		{"content", "content_id,title,words,audience,retired\nc-1,\"Pricing \"\"2026\"\"\",1200,gold | silver,no\nc-2,Old,,,yes\n", []string{
			`content.published - {"audience":["gold","silver"],"content_id":"c-1","title":"Pricing \"2026\"","words":1200}`,
			`content.published - {"content_id":"c-2","title":"Old"}`,
			`content.retired - {"content_id":"c-2"}`,
		}},
		{"courses", "course_id\ttitle\tduration_s\nk-1\tBasics\t3600\n", []string{`course.published - {"course_id":"k-1","duration_s":3600,"title":"Basics"}`}},
		{"commitments", "partner_id,course_id,cadence_days\np-1,,60\np-1,k-1,365\n", []string{
			`training.commitment_set p-1 {"cadence_days":60}`, `training.commitment_set p-1 {"cadence_days":365,"course_id":"k-1"}`,
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			url, log := realCollector(t)
			report, err := run(t, c.kind, c.text, importer.Config{At: at, Collector: url, Key: "directory", BatchMax: 2}, importer.Deps{})
			if err != nil {
				t.Fatalf("%v: %+v", err, report)
			}
			var got []string
			for _, e := range log.events {
				got = append(got, fmt.Sprintf("%s %s %s", e.Type, e.PartnerID, e.Data))
				if e.Time.Before(at) || e.Time.After(at.Add(time.Millisecond)) {
					t.Errorf("%s happened at %s, not %s", e.ID, e.Time, at)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if report.Accepted != len(c.want) || report.Rejected != 0 {
				t.Errorf("%+v", report)
			}
		})
	}
}

// TestAgainIsTheSame: a file that is imported again gives the same events, other
// content or another time others.
func TestAgainIsTheSame(t *testing.T) {
	url, log := realCollector(t)
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	ids := func(text string, at time.Time) string {
		log.events = nil
		if _, err := run(t, "partners", text, importer.Config{At: at, Collector: url, Key: "directory"}, importer.Deps{}); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range log.events {
			out = append(out, e.ID+" "+e.Time.UTC().Format(time.RFC3339Nano))
		}
		return strings.Join(out, "\n")
	}
	const text = "partner_id,tier\np-1,gold\np-2,gold\n"
	first := ids(text, at)
	if again := ids(text, at); again != first {
		t.Errorf("again:\n%s\nfirst:\n%s", again, first)
	}
	if other := ids("tier,partner_id\ngold,p-1\ngold,p-2\n", at); other != first {
		t.Errorf("the order of the columns matters:\n%s\n%s", other, first)
	}
	if other := ids(strings.ReplaceAll(text, "gold", "silver"), at); other == first {
		t.Error("another tier has the same events")
	}
	if later := ids(text, at.Add(time.Second)); later == first {
		t.Error("another time has the same events")
	}
}

// TestProblemsAreNamed: each mistake is told with line and column, and nothing is sent.
func TestProblemsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		kind, text string
		want       []string // line, column, code
	}{
		"number":      {"content", "content_id,words\nc-1,many\nc-2,-5\n", []string{"2 words value", "3 words schema"}},
		"time":        {"partners", "partner_id,joined_at\np-1,31.3.2026\n", []string{"2 joined_at value"}},
		"flag":        {"content", "content_id,retired\nc-1,perhaps\n", []string{"2 retired value"}},
		"missing":     {"users", "user_id,partner_id\nu-1,\n,p-1\n", []string{"2 partner_id missing", "3 user_id missing"}},
		"zero":        {"commitments", "partner_id,cadence_days\np-1,0\n", []string{"2 cadence_days schema"}},
		"long":        {"partners", "partner_id,name\np-1," + strings.Repeat("n", 201) + "\n", []string{"2 name schema"}},
		"whole row":   {"partners", "partner_id\n-\n", []string{"2 partner_id schema"}},
		"twice":       {"partners", "partner_id\np-1\np-2\np-1\n", []string{"4 partner_id twice"}},
		"fields":      {"partners", "partner_id,name\np-1,a,b\np-2,b\np-3\n", []string{"2  fields", "4  fields"}},
		"quotes":      {"partners", "partner_id,name\np-1,a \"b\" c\n", []string{"2  quotes"}},
		"encoding":    {"partners", "partner_id,name\np-1,\xe4\n", []string{"2 name encoding"}},
		"many lines":  {"partners", "partner_id,name\np-1,\"two\nlines\"\np-1,x\n", []string{"4 partner_id twice"}},
		"empty lines": {"content", "content_id,words\n\n,\nc-1,x\n", []string{"4 words value"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := run(t, c.kind, c.text, importer.Config{Collector: "http://nobody.invalid", Key: "k"}, importer.Deps{Transport: noNetwork{t}})
			if !errors.Is(err, importer.ErrProblems) {
				t.Fatalf("error is %v", err)
			}
			var got []string
			for _, p := range report.Problems {
				got = append(got, fmt.Sprintf("%d %s %s", p.Line, p.Column, p.Code))
				if len(p.Message) < 10 {
					t.Errorf("%s says %q", got[len(got)-1], p.Message)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\n%+v", diff, report.Problems)
			}
		})
	}
}

// noNetwork fails the test when somebody sends.
type noNetwork struct{ t *testing.T }

// RoundTrip fails the test.
func (n noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("something was sent")
	return nil, errors.New("no network")
}

// TestHeaders: a file whose first line is not right is refused as a whole.
func TestHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "empty",
		"name\nx\n":                  "partner_id is missing",
		"partner_id,tear\np,x\n":     `no column "tear"`,
		"partner_id,name,name\n,,\n": "stands twice",
	} {
		_, err := run(t, "partners", text, importer.Config{DryRun: true}, importer.Deps{})
		if !errors.Is(err, importer.ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestDryRunSendsNothing and needs neither address nor key.
func TestDryRunSendsNothing(t *testing.T) {
	report, err := run(t, "partners", "partner_id\np-1\n", importer.Config{DryRun: true}, importer.Deps{Transport: noNetwork{t}})
	if err != nil || report.Rows != 1 || report.Wrong != 0 || !report.DryRun {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestRefusals: what only the collector knows is told with its line.
func TestRefusals(t *testing.T) {
	url, log := realCollector(t)
	report, err := run(t, "partners", "partner_id\np-1\n", importer.Config{Collector: url, Key: "plain"}, importer.Deps{})
	if !errors.Is(err, importer.ErrProblems) || report.Rejected != 1 || report.Problems[0].Code != string(event.CodeForbiddenType) || report.Problems[0].Line != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	old := importer.Config{At: time.Now().AddDate(-1, 0, 0), Collector: url, Key: "directory"}
	report, err = run(t, "partners", "partner_id\np-1\n", old, importer.Deps{})
	if !errors.Is(err, importer.ErrProblems) || report.Rejected != 1 || !strings.Contains(report.Problems[0].Message, "backfill") {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err = run(t, "partners", "partner_id\np-1\n", importer.Config{Collector: url, Key: "unknown"}, importer.Deps{}); err == nil || errors.Is(err, importer.ErrProblems) {
		t.Errorf("an unknown key: %v", err)
	}
	if len(log.events) > 0 {
		t.Errorf("%d events were taken", len(log.events))
	}
}

// TestABusyCollector is asked again, and one that finds a batch too large gets less.
func TestABusyCollector(t *testing.T) {
	calls, seen := 0, map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		var events []struct {
			ID string `json:"id"`
		}
		if err := json.UnmarshalRead(r.Body, &events); err != nil {
			t.Error(err)
		}
		switch {
		case calls%2 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case len(events) > 3:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			for _, e := range events {
				if seen[e.ID] {
					t.Errorf("%s was taken twice", e.ID)
				}
				seen[e.ID] = true
			}
			fmt.Fprintf(w, `{"accepted":%d,"rejected":0,"errors":[]}`, len(events))
		}
	}))
	defer srv.Close()
	text := "partner_id\n"
	for i := range 20 {
		text += fmt.Sprintf("p-%d\n", i)
	}
	var last importer.Progress
	report, err := run(t, "partners", text, importer.Config{Collector: srv.URL, Key: "k", BatchMax: 8}, importer.Deps{Progress: func(p importer.Progress) { last = p }})
	if err != nil || report.Accepted != 20 || len(seen) != 20 {
		t.Errorf("%+v, %d events, %v", report, len(seen), err)
	}
	if last != (importer.Progress{Done: 20, Total: 20, Finished: true}) {
		t.Errorf("progress ends with %+v", last)
	}
}
