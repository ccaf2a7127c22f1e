package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/embedded/enginetest"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// fakeStore answers with fixed rows, or fails.
type fakeStore struct {
	scores []Score
	alerts []Alert
	err    error
}

func (f *fakeStore) Select(_ context.Context, dest any, query string, p chstore.Params) error {
	if f.err != nil {
		return f.err
	}
	if p["tenant"] != "demo" {
		return fmt.Errorf("asked for tenant %v", p["tenant"])
	}
	switch d := dest.(type) {
	case *[]Score:
		for _, s := range f.scores {
			if query == latestScoresSQL || s.PartnerID == p["partner_id"] {
				*d = append(*d, s)
			}
		}
	case *[]Alert:
		*d = f.alerts
	default:
		return fmt.Errorf("unexpected destination %T", dest)
	}
	return nil
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.CollectorURL, cfg.BrowserKey = "http://collector.example:8080", "pp_web_demo"
	return cfg
}

func score(partner string, value float64, tier string) Score {
	return Score{
		PartnerID: partner, AsOf: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), ModelVersion: "v1", Score: &value, Tier: tier, Coverage: 0.9,
		Activity: 10, Content: 12.5, Training: 20, Pipeline: value - 50.5, Sentiment: 8, Imputed: []string{"sentiment"},
	}
}

// serve runs a console and gives a client that keeps cookies and follows redirects.
func serve(t *testing.T, store Store) (*Console, *httptest.Server, *http.Client) {
	t.Helper()
	c, err := New(testConfig(), Deps{Store: store}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(c.Handler())
	t.Cleanup(s.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, s, &http.Client{Jar: jar}
}

func get(t *testing.T, client *http.Client, address string) (*http.Response, string) {
	t.Helper()
	r, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	return r, read(t, r)
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestScoreAPI(t *testing.T) {
	unknown := score("p-3", 0, "")
	unknown.Score, unknown.Imputed = nil, nil
	c, s, client := serve(t, &fakeStore{scores: []Score{score("p-1", 61.5, "steady"), unknown}})

	r, body := get(t, client, s.URL+"/api/v1/partners/p-1/score")
	var got scoreJSON
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	value := 61.5
	want := scoreJSON{
		Tenant: "demo", PartnerID: "p-1", AsOf: "2026-11-03", ModelVersion: "v1", Score: &value, Tier: "steady", Coverage: 0.9,
		Points:  map[string]float64{"activity": 10, "content": 12.5, "training": 20, "pipeline": 11, "sentiment": 8},
		Imputed: []string{"sentiment"},
	}
	if d := cmp.Diff(want, got); d != "" || r.StatusCode != 200 || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, %s", r.StatusCode, d)
	}

	if r, body := get(t, client, s.URL+"/api/v1/partners/p-3/score"); r.StatusCode != 200 ||
		!strings.Contains(body, `"score":null`) || !strings.Contains(body, `"imputed":[]`) {
		t.Errorf("a partner without score: status %d, %s", r.StatusCode, body)
	}
	r, body = get(t, client, s.URL+"/api/v1/partners/p-2/score")
	if r.StatusCode != 404 || r.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"code":"no_score"`) {
		t.Errorf("an unknown partner: status %d, %s", r.StatusCode, body)
	}
	if n := testutil.ToFloat64(c.requests.WithLabelValues("GET /api/v1/partners/{id}/score", "404")); n != 1 {
		t.Errorf("%v requests counted as 404, want 1", n)
	}
}

func TestStoreFailures(t *testing.T) {
	c, s, client := serve(t, &fakeStore{err: errors.New("connection refused at 10.0.0.7")})
	r, body := get(t, client, s.URL+"/api/v1/partners/p-1/score")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || strings.Contains(body, "10.0.0.7") {
		t.Errorf("score: status %d, %s", r.StatusCode, body)
	}
	r, body = get(t, client, s.URL+"/")
	if r.StatusCode != 200 || !strings.Contains(body, "cannot be read at the moment") || strings.Contains(body, "10.0.0.7") {
		t.Errorf("overview: status %d, %s", r.StatusCode, body)
	}
	if n := testutil.ToFloat64(c.failures); n != 2 {
		t.Errorf("%v failures counted, want 2", n)
	}
}

func TestOverview(t *testing.T) {
	none := score("p-none", 0, "")
	none.Score = nil
	_, s, client := serve(t, &fakeStore{
		scores: []Score{score("p-1", 90, "strong"), score("<script>", 61, "steady"), score("p-9", 20, "at_risk"), none},
		alerts: []Alert{{PartnerID: "p-9", Rule: "sessions_drop", Status: "firing", Severity: "critical", BaselineRate: 4.25, CurrentRate: 0.5}},
	})
	r, body := get(t, client, s.URL+"/")
	for _, want := range []string{
		"<dt>Partners</dt><dd>4</dd>", "<dt>Average score</dt><dd>57.0</dd>", "<dt>At risk</dt><dd>1</dd>", "<dt>No score</dt><dd>1</dd>",
		"&lt;script&gt;", "sessions drop", "4.2 sessions a day before", "http://collector.example:8080/v1/events", `href="/demo/"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	policy := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self' http://collector.example:8080;", "connect-src 'self' http://collector.example:8080;", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if _, part := get(t, client, s.URL+"/overview"); strings.Contains(part, "<html") || !strings.Contains(part, "<dt>Partners</dt><dd>4</dd>") {
		t.Error("the renewed part is not the figures alone")
	}
}

func TestSummariseNothing(t *testing.T) {
	tiers, average := summarise(nil)
	for _, tier := range tiers {
		if tier.Count != 0 {
			t.Errorf("%d partners are %s", tier.Count, tier.Name)
		}
	}
	if average != nil {
		t.Errorf("average of nobody is %v", *average)
	}
}

func TestPortal(t *testing.T) {
	_, s, client := serve(t, &fakeStore{})
	if r, body := get(t, client, s.URL+"/demo/library"); r.Request.URL.Path != "/demo/" || !strings.Contains(body, `value="p-0001"`) {
		t.Errorf("not signed in: at %s", r.Request.URL)
	}
	r, err := client.PostForm(s.URL+"/demo/signin", url.Values{"partner": {"p-0042"}, "user": {"ann.b"}})
	if err != nil {
		t.Fatal(err)
	}
	body := read(t, r)
	tag := `<script src="http://collector.example:8080/tracker.js" data-key="pp_web_demo" data-partner="p-0042" data-user="ann.b" defer>`
	if r.Request.URL.Path != "/demo/home" || !strings.Contains(body, tag) || !strings.Contains(body, "data-just-signed-in") {
		t.Errorf("signed in: at %s\n%s", r.Request.URL, body)
	}
	for path, want := range map[string]string{
		"/demo/library":                       "deal-registration-handbook",
		"/demo/library/battlecard-home-grown": `data-pp-content="battlecard-home-grown" data-pp-kind="battlecard"`,
		"/demo/playbooks":                     `data-pp-pin="pb-land"`,
		"/demo/training":                      `data-course="course-sales-101"`,
		"/demo/search":                        "What are you looking for?",
		"/demo/search?q=margin":               `data-pp-search-result="pricing-margin-guide" data-pp-position="1"`,
		"/demo/search?q=Restore&kind=guide":   `data-pp-query="Restore" data-pp-count="2"`,
		"/demo/search?q=zebra":                `data-pp-query="zebra" data-pp-count="0"`,
		"/demo/search?q=%22%3E%3Cscript%3E":   `data-pp-query="&#34;&gt;&lt;script&gt;"`,
	} {
		if r, body := get(t, client, s.URL+path); r.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, lacks %s", path, r.StatusCode, want)
		}
	}
	if r, _ := get(t, client, s.URL+"/demo/library/no-such"); r.StatusCode != 404 {
		t.Errorf("an unknown document: %d", r.StatusCode)
	}
	if r, body := get(t, client, s.URL+"/demo/download/discovery-call-guide"); !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(body, "Before you dial") {
		t.Errorf("download: %v", r.Header)
	}
	if r, _ := get(t, client, s.URL+"/demo/download/no-such"); r.StatusCode != 404 {
		t.Errorf("an unknown download: %d", r.StatusCode)
	}
	if r, err = client.PostForm(s.URL+"/demo/signout", nil); err != nil {
		t.Fatal(err)
	}
	read(t, r)
	if r, _ := get(t, client, s.URL+"/demo/home"); r.Request.URL.Path != "/demo/" {
		t.Errorf("after signing out: at %s", r.Request.URL)
	}
}

func TestSignInRefusesOddNames(t *testing.T) {
	_, s, client := serve(t, &fakeStore{})
	for _, name := range []string{"", " ", "a b", `"><script>`, strings.Repeat("x", 65), "ü", "a\nb"} {
		for _, form := range []url.Values{{"partner": {name}, "user": {"u"}}, {"partner": {"p"}, "user": {name}}} {
			r, err := client.PostForm(s.URL+"/demo/signin", form)
			if err != nil {
				t.Fatal(err)
			}
			if body := read(t, r); r.StatusCode != 422 || len(r.Cookies()) > 0 || !strings.Contains(body, `role="alert"`) {
				t.Errorf("%v: status %d", form, r.StatusCode)
			}
		}
	}
}

func TestPortalCanBeOff(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Demo = false
	c, err := New(cfg, Deps{Store: &fakeStore{}}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/demo/": 404, "/": 200, "/static/style.css": 200, "/static/no.css": 404, "/elsewhere": 404} {
		w := httptest.NewRecorder()
		c.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"tenant": func(c *Config) { c.Tenant = "" }, "key": func(c *Config) { c.BrowserKey = "" },
		"address": func(c *Config) { c.CollectorURL = "localhost:8080" }, "scheme": func(c *Config) { c.CollectorURL = "ftp://x/" },
		"rows": func(c *Config) { c.RowsMax = 0 }, "timeout": func(c *Config) { c.QueryTimeout = 0 },
	} {
		cfg := testConfig()
		spoil(&cfg)
		if _, err := New(cfg, Deps{Store: &fakeStore{}}, zaptest.NewLogger(t), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
