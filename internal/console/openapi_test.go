package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/zap/zaptest"
	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/scoring"
	"partnerpulse/schemas"
)

const contractURL = "https://schemas.partnerpulse.dev/openapi.yaml"

// contract is openapi.yaml, read.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

func readContract(t *testing.T) *contract {
	t.Helper()
	c := &contract{compiler: jsonschema.NewCompiler()}
	if err := yaml.Unmarshal(schemas.OpenAPI, &c.doc); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.doc)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractURL, doc); err != nil {
		t.Fatal(err)
	}
	return c
}

func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// at follows names, and references on the way, and gives where they lead.
func (c *contract) at(t *testing.T, pointer string) (map[string]any, string) {
	t.Helper()
	value, place := c.doc, ""
	for _, name := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		next, ok := value[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)].(map[string]any)
		if !ok {
			return nil, pointer
		}
		value, place = next, place+"/"+name
		if ref, ok := value["$ref"].(string); ok {
			value, place = c.at(t, strings.TrimPrefix(ref, "#"))
		}
	}
	return value, place
}

// check holds an answer to what is described.
func (c *contract) check(t *testing.T, path, method string, res *httptest.ResponseRecorder) {
	t.Helper()
	described, place := c.at(t, "/paths/"+escaped(path)+"/"+strings.ToLower(method)+"/responses/"+fmt.Sprint(res.Code))
	if described == nil {
		t.Errorf("%s %s answered %d %s, which is not described", method, path, res.Code, res.Body)
		return
	}
	if kind, _, err := mime.ParseMediaType(res.Header().Get("Content-Type")); err != nil || kind != "application/json" {
		t.Errorf("%s %s answered as %q", method, path, res.Header().Get("Content-Type"))
	}
	schema, err := c.compiler.Compile(contractURL + "#" + place + "/content/application~1json/schema")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(res.Body.Bytes()))
	if err != nil {
		t.Fatalf("%s: %v", res.Body, err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s answered %d %s: %v", method, path, res.Code, res.Body, err)
	}
}

// fullDesk answers with every field of alerts.
type fullDesk struct{ fakeDesk }

func (fullDesk) view() alert.View {
	return alert.View{
		ID: "a1", Partner: "p-1", Subject: "p-1", Rule: "ghosting", Status: "snoozed", Reason: "command", Severity: "critical", Owner: "kim",
		Day: "2026-11-03", StartsAt: "2026-11-01", ChangeAt: "2026-10-28", SnoozedUntil: "2026-11-20", Actor: "kim", InhibitedBy: []string{"a2"},
		BaselineRate: 3.5, CurrentRate: .1, DropPct: 97, Sequence: 2, RecordedAt: time.Date(2026, 11, 4, 1, 2, 3, 0, time.UTC),
	}
}

func (f *fullDesk) List(_ context.Context, _ string, filter alert.Filter) ([]alert.View, error) {
	switch filter.Status {
	case "broken":
		return nil, errors.New("the store is away")
	case "pending":
		return []alert.View{{ID: "a1", Partner: "p-1", Subject: "p-1", Rule: "ghosting", Status: "pending"}}, nil
	case "nothing":
		return nil, nil
	}
	return []alert.View{f.view()}, nil
}

func (f *fullDesk) Show(ctx context.Context, tenant, id string) (*alert.Detail, error) {
	if _, err := f.fakeDesk.Show(ctx, tenant, id); err != nil {
		return nil, err
	}
	at := time.Date(2026, 11, 4, 1, 2, 3, 4e6, time.UTC)
	return &alert.Detail{
		View:  f.view(),
		Steps: []alert.Step{{Transition: "t1", Sequence: 1, Status: "firing", Reason: "fired", Day: "2026-11-01", Published: true, RecordedAt: at}},
		Commands: []alert.Request{
			{ID: "c1", Tenant: "demo", Alert: "a1", Partner: "p-1", Action: "snooze", Until: "2026-11-20", Actor: "kim", Note: "holiday", IssuedAt: at},
		},
	}, nil
}

// fullExplainer answers with every field of a report.
type fullExplainer struct{ fakeExplainer }

func (f *fullExplainer) Explain(ctx context.Context, partner string, asOf int32) (*scoring.Report, error) {
	if _, err := f.fakeExplainer.Explain(ctx, partner, asOf); err != nil {
		return nil, err
	}
	if partner == "p-null" {
		return &scoring.Report{Tenant: "demo", PartnerID: partner, AsOf: "2026-11-03"}, nil
	}
	score, bar := scoring.Millionths(55_000_001), 12.5
	return &scoring.Report{
		Tenant: "demo", PartnerID: partner, AsOf: "2026-11-03", ModelVersion: "v1", Segment: "gold", Score: &score, Tier: "steady", Coverage: .9,
		Components: []scoring.ComponentReport{{Name: "activity", Points: 10_000_000, SubScore: 50, Weight: .2, Sum: 4.2, Bar: &bar}, {Name: "sentiment", Imputed: true}},
		Change: &scoring.ChangeReport{
			Since: "2026-10-27", Before: 56_000_000, Total: -999_999, DecayLoss: -1_500_000, NewActivity: 500_001,
			Components: []scoring.ChangePartReport{{Name: "activity", DecayLoss: -1_500_000, NewActivity: 500_001}},
		},
		Actions:   []scoring.ActionReport{{Kind: "certification", Component: "training", Adds: 6_100_000}},
		TopEvents: []scoring.EventReport{{ID: "e1", Type: "deal.won", Day: "2026-11-01", Component: "pipeline", Value: 4_000_000, Points: 2_500_000}},
		Stored:    true,
	}, nil
}

func describedConsole(t *testing.T) *Console {
	t.Helper()
	ring, err := keys.NewRing([]keys.Key{
		{ID: "desk", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(goodKey), Scopes: []keys.Scope{keys.Alerts}},
		{ID: "write", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(writeKey)},
	})
	if err != nil {
		t.Fatal(err)
	}
	unknown := score("p-3", 60, "")
	unknown.Score, unknown.Imputed = nil, nil
	deps := Deps{
		Store: &fakeStore{scores: []Score{score("p-1", 61.5, "steady"), unknown}}, Explainer: new(fullExplainer), Alerts: new(fullDesk), Keys: ring,
	}
	c, err := New(testConfig(), deps, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryAddressOfTheAPIIsDescribed: the same methods and paths below /api in the
// handler and in openapi.yaml.
func TestEveryAddressOfTheAPIIsDescribed(t *testing.T) {
	c := readContract(t)
	var want, got []string
	describedConsole(t).routes(func(pattern string, _ http.HandlerFunc) {
		if _, path, _ := strings.Cut(pattern, " "); strings.HasPrefix(path, "/api/") {
			want = append(want, pattern)
		}
	})
	paths, _ := c.at(t, "/paths")
	for path := range paths {
		if !strings.HasPrefix(path, "/api/") {
			continue
		}
		item, _ := c.at(t, "/paths/"+escaped(path))
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if item[method] != nil {
				got = append(got, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("the document's addresses are not the handler's: %s", diff)
	}
}

// TestAnswersOfTheAPIAreAsDescribed asks as clients do, right and wrong.
func TestAnswersOfTheAPIAreAsDescribed(t *testing.T) {
	c, h := readContract(t), describedConsole(t).Handler()
	broken, err := New(testConfig(), Deps{Store: &fakeStore{err: errors.New("away")}}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	const score, explanation = "/api/v1/partners/{id}/score", "/api/v1/partners/{id}/explanation"
	const list, one, command = "/api/v1/alerts", "/api/v1/alerts/{id}", "/api/v1/alerts/{id}/{action}"
	for _, call := range []struct {
		described, method, path, key, body string
		status                             int
	}{
		{score, "GET", "/api/v1/partners/p-1/score", "", "", 200},
		{score, "GET", "/api/v1/partners/p-3/score", "", "", 200},
		{score, "GET", "/api/v1/partners/nobody/score", "", "", 404},
		{explanation, "GET", "/api/v1/partners/p-1/explanation", "", "", 200},
		{explanation, "GET", "/api/partners/p-null/explanation?as_of=2026-11-03", "", "", 200},
		{explanation, "GET", "/api/v1/partners/p-1/explanation?as_of=yesterday", "", "", 400},
		{explanation, "GET", "/api/v1/partners/p-none/explanation", "", "", 404},
		{explanation, "GET", "/api/v1/partners/p-broken/explanation", "", "", 503},
		{list, "GET", "/api/v1/alerts?open=true", "", "", 200},
		{list, "GET", "/api/v1/alerts?status=pending", "", "", 200},
		{list, "GET", "/api/v1/alerts?status=nothing", "", "", 200},
		{list, "GET", "/api/v1/alerts?status=broken", "", "", 503},
		{one, "GET", "/api/v1/alerts/a1", "", "", 200},
		{one, "GET", "/api/v1/alerts/a2", "", "", 404},
		{command, "POST", "/api/v1/alerts/a1/acknowledge", goodKey, "", 202},
		{command, "POST", "/api/v1/alerts/a1/snooze", goodKey, `{"until":"2026-12-01","actor":"kim","note":"holiday"}`, 202},
		{command, "POST", "/api/v1/alerts/a1/snooze", goodKey, `[]`, 400},
		{command, "POST", "/api/v1/alerts/a1/forget", goodKey, "", 400},
		{command, "POST", "/api/v1/alerts/a1/acknowledge", "", "", 401},
		{command, "POST", "/api/v1/alerts/a1/acknowledge", "pp_srv_nobody", "", 401},
		{command, "POST", "/api/v1/alerts/a1/acknowledge", writeKey, "", 403},
		{command, "POST", "/api/v1/alerts/a2/acknowledge", goodKey, "", 404},
		{command, "POST", "/api/v1/alerts/over/acknowledge", goodKey, "", 409},
	} {
		req := httptest.NewRequest(call.method, call.path, strings.NewReader(call.body))
		if call.key != "" {
			req.Header.Set("Authorization", "Bearer "+call.key)
		}
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if res.Code != call.status {
			t.Errorf("%s %s: %d %s, want %d", call.method, call.path, res.Code, res.Body, call.status)
		}
		c.check(t, call.described, call.method, res)
	}
	res := httptest.NewRecorder()
	broken.Handler().ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/api/v1/partners/p-1/score", nil))
	c.check(t, score, http.MethodGet, res)
}
