package xapi

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenCase is one statement of testdata/mapping.json.
type goldenCase struct {
	Name      string         `json:"name"`
	Statement jsontext.Value `json:"statement"`
}

// goldenResult is what became of it, without the statement.
type goldenResult struct {
	Name     string         `json:"name"`
	Unmapped string         `json:"unmapped,omitzero"`
	Event    jsontext.Value `json:"event"`
}

func testMapper(t testing.TB, change func(*Config)) *Mapper {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Partners.HomePages = map[string]string{"https://one.example": "p-one"}
	cfg.Partners.HomePagePattern = `^https://(?P<partner>[a-z]+)\.lms\.example$`
	cfg.Partners.AccountPattern = `^(?P<partner>p-\d+)/(?P<user>.+)$`
	cfg.ActivityPrefix = "https://lms.example/"
	cfg.Verbs = map[string]Verb{
		"http://example.com/verbs/graduated":         {Training: event.TrainingCertified},
		"http://adlnet.gov/expapi/verbs/experienced": {},
	}
	if change != nil {
		change(&cfg)
	}
	m, err := NewMapper(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// arrival is when the tests' statements come.
func arrival() time.Time { return time.Date(2026, 11, 3, 10, 0, 0, 5e6, time.UTC) }

// TestGoldenMapping fixes what statements of the usual vocabularies become.
func TestGoldenMapping(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "mapping.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	m := testMapper(t, nil)
	var results []goldenResult
	for _, c := range cases {
		items, err := Split(c.Statement, 1)
		if err != nil || items[0].Invalid != nil {
			t.Fatalf("%s: %v %v", c.Name, err, items[0].Invalid)
		}
		got, err := m.Map(items[0].Statement, items[0].Raw, "00000000-0000-7000-8000-000000000000", arrival())
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		results = append(results, goldenResult{c.Name, got.Unmapped, withoutStatement(t, got.Envelope, items[0].Raw)})
	}
	got, err := json.Marshal(results, jsontext.Multiline(true), json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "mapping.golden.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("the mapping changed; look at it, then run with -update:\n%s", got)
	}
}

// withoutStatement takes the statement out of an event, after comparing it.
func withoutStatement(t testing.TB, envelope, raw []byte) jsontext.Value {
	t.Helper()
	var e, data map[string]jsontext.Value
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e["data"], &data); err != nil {
		t.Fatal(err)
	}
	same, want := data["statement"].Clone(), jsontext.Value(raw).Clone()
	if same.Compact() != nil || want.Compact() != nil || string(same) != string(want) {
		t.Fatalf("statement %s, want %s", same, raw)
	}
	delete(data, "statement")
	var err error
	if e["data"], err = json.Marshal(data, json.Deterministic(true)); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPartsOwn(t *testing.T) {
	m := testMapper(t, func(c *Config) { c.Parts = PartsOwn })
	raw := []byte(`{"actor":{"mbox":"mailto:a@b.example"},"verb":{"id":"http://adlnet.gov/expapi/verbs/passed"},
		"object":{"id":"https://lms.example/quiz","definition":{"type":"http://adlnet.gov/expapi/activities/assessment"}},
		"context":{"contextActivities":{"parent":{"id":"https://lms.example/course","definition":{"type":"http://adlnet.gov/expapi/activities/course"}}}}}`)
	items, err := Split(raw, 1)
	if err != nil || items[0].Invalid != nil {
		t.Fatal(err, items[0].Invalid)
	}
	got, err := m.Map(items[0].Statement, raw, "x", arrival())
	if err != nil || got.Type != event.TrainingPassed || !strings.Contains(string(got.Envelope), `"course_id":"quiz"`) {
		t.Errorf("%s (%v)", got.Envelope, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"class":           func(c *Config) { c.DefaultClass = "x" },
		"parts":           func(c *Config) { c.Parts = "" },
		"activity type":   func(c *Config) { c.ActivityTypes = map[string]Class{"x": "y"} },
		"training type":   func(c *Config) { c.Verbs = map[string]Verb{"x": {Training: event.ContentViewed}} },
		"content type":    func(c *Config) { c.Verbs = map[string]Verb{"x": {Content: "content.nope"}} },
		"directory type":  func(c *Config) { c.Verbs = map[string]Verb{"x": {Training: event.CommitmentSet}} },
		"pattern":         func(c *Config) { c.Partners.AccountPattern = "(" },
		"pattern's group": func(c *Config) { c.Partners.HomePagePattern = "(.*)" },
		"bounds":          func(c *Config) { c.DocumentsBytesMax = 1 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if cfg.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for iri, v := range DefaultVerbs() {
		if !isIRI(iri) || v.Training == "" && v.Content == "" || v.Training != "" && !isGroup(v.Training, "training.") || v.Content != "" && !isGroup(v.Content, "content.") {
			t.Errorf("%s: %+v", iri, v)
		}
	}
	for iri := range DefaultActivityTypes() {
		if !isIRI(iri) {
			t.Error(iri)
		}
	}
}
