package enrich_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
)

func ptr[T any](v T) *T { return &v }

func extract(t event.Type, data string) enrich.Fields {
	return enrich.NewExtractor().Extract(t, []byte(data))
}

var compareDecimals = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })

func TestExtractReadsEveryField(t *testing.T) {
	data := `{"view_id":"v","path":"/p","title":"T","content_id":"c","kind":"pdf","words":1,"pages":2,"duration_s":3.9,
	"playbook_id":"pb","entry_source":"search","engaged_ms":4,"max_scroll_pct":87.5,"pages_seen":5,"media_pct":100,
	"channel":"mail","search_id":"s","query":"q \"x\" é","results_count":6,"position":7,"course_id":"co","progress":50,
	"score_scaled":-0.5,"due_at":"2026-05-01T10:00:00.1239+02:00","expires_at":"2027-05-01T00:00:00Z","lead_id":"l",
	"deal_id":"d","stage":"won","prev_stage":"open","amount":12345.67895,"currency":"EUR","margin_pct":22.5,
	"influence":"sourced","phase":"after","response_s":0,"survey_id":"su","score":9,"other":{"view_id":["x"]}}`
	want := enrich.Fields{
		ViewID: "v", Path: "/p", Title: "T", ContentID: "c", ContentKind: "pdf", Words: 1, Pages: 2, DurationS: 3,
		PlaybookID: "pb", EntrySource: "search", EngagedMS: 4, MaxScrollPct: 87, PagesSeen: 5, MediaPct: 100,
		Channel: "mail", SearchID: "s", Query: `q "x" é`, ResultsCount: 6, Position: 7, CourseID: "co", Progress: 0.5,
		ScoreScaled: ptr(float32(-0.5)), DueAt: ptr(time.Date(2026, 5, 1, 8, 0, 0, 123e6, time.UTC)),
		ExpiresAt: ptr(time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)), LeadID: "l", DealID: "d", Stage: "won", PrevStage: "open",
		Amount: decimal.RequireFromString("12345.679"), Currency: "EUR", MarginPct: ptr(float32(22.5)),
		Influence: "sourced", Phase: "after", ResponseS: ptr(uint32(0)), SurveyID: "su",
	}
	if diff := cmp.Diff(want, extract(event.ContentViewed, data), compareDecimals); diff != "" {
		t.Error(diff)
	}
	if got := extract(event.SurveyNPSAnswered, data); got.NPS == nil || *got.NPS != 9 || got.ContentKind != "" {
		t.Errorf("answered survey: nps %v, kind %q", got.NPS, got.ContentKind)
	}
}

func TestExtractGivesZeroForWhatDoesNotFit(t *testing.T) {
	for _, data := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{`, `{"view_id"`, `{"view_id":`, `{"other":1}`,
		`{"view_id":1,"words":"2","engaged_ms":-1,"max_scroll_pct":101,"media_pct":true,"amount":"5"}`,
		`{"words":4294967296,"pages":1e99,"progress":101,"score_scaled":1.01,"margin_pct":-101}`,
		`{"amount":1e14,"response_s":-0.5,"due_at":"tomorrow","expires_at":"2300-01-01T00:00:00Z"}`,
		`{"amount":1e999999999}`, `{"amount":1e-999999999}`, `{"amount":99999999999999.99999}`,
		`{"score":10.5}`, `{"score":11}`, `{"score":-1}`, `{"score":"9"}`, `{"score":null}`,
		`{"view_id":{"content_id":"c"},"path":["a"],"title":null}`,
	} {
		if diff := cmp.Diff(enrich.Fields{}, extract(event.SurveyNPSAnswered, data), compareDecimals); diff != "" {
			t.Errorf("%s: %s", data, diff)
		}
	}
}

func TestExtractReadsEscapedNames(t *testing.T) {
	if got := extract(event.ContentViewed, `{"\u0076iew_id":"v"}`); got.ViewID != "v" {
		t.Errorf("view_id is %q", got.ViewID)
	}
}

func TestExtractKeepsNothingBetweenCalls(t *testing.T) {
	x := enrich.NewExtractor()
	x.Extract(event.ContentViewed, []byte(`{"view_id":"v","amount":5`)) // cut short
	got := x.Extract(event.ContentViewed, []byte(`{"content_id":"c"}`))
	if diff := cmp.Diff(enrich.Fields{ContentID: "c"}, got, compareDecimals); diff != "" {
		t.Error(diff)
	}
}

// Whatever is sent, numbers keep the bounds of their columns.
func TestExtractStaysInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "v")
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err) // finite numbers are drawn, and JSON has all of them
		}
		data := `{"words":N,"max_scroll_pct":N,"progress":N,"score_scaled":N,"amount":N,"score":N,"response_s":N}`
		f := extract(event.SurveyNPSAnswered, strings.ReplaceAll(data, "N", string(raw)))
		if v >= 0 && v <= math.MaxUint32 && f.Words != uint32(v) || (v < 0 || v > math.MaxUint32) && f.Words != 0 {
			t.Errorf("words of %s is %d", raw, f.Words)
		}
		if (f.ResponseS != nil) != (v >= 0 && v <= math.MaxUint32) {
			t.Errorf("response_s of %s is %v", raw, f.ResponseS)
		}
		if f.MaxScrollPct > 100 || f.Progress < 0 || f.Progress > 1 || f.NPS != nil && *f.NPS > 10 {
			t.Errorf("out of range for %s: %+v", raw, f)
		}
		if (f.ScoreScaled != nil) != (v >= -1 && v <= 1) {
			t.Errorf("score_scaled of %s is %v", raw, f.ScoreScaled)
		}
		exact, _ := decimal.NewFromString(string(raw))
		if math.Abs(v) < 1e13 && f.Amount.Sub(exact).Abs().Cmp(decimal.New(5, -5)) > 0 {
			t.Errorf("amount of %s is %s", raw, f.Amount)
		}
		if f.Amount.Exponent() < -4 || f.Amount.Abs().Cmp(decimal.New(1, 14)) >= 0 {
			t.Errorf("amount of %s is %s: not a Decimal(18, 4)", raw, f.Amount)
		}
	})
}

// Strings arrive as encoding/json would read them.
func TestExtractReadsStringsAsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strings.ToValidUTF8(rapid.String().Draw(t, "s"), "?")
		raw, err := json.Marshal(map[string]any{"a": []any{want}, "query": want, "z": map[string]any{"query": "no"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := extract(event.SearchPerformed, string(raw)).Query; got != want {
			t.Errorf("query is %q, want %q", got, want)
		}
	})
}

func FuzzExtract(f *testing.F) {
	f.Add(`{"view_id":"v","words":12,"amount":1.5,"due_at":"2026-05-01T10:00:00Z","kind":"pdf","score":3}`)
	f.Add(`{"view_id":"\ud800","amount":1e400,"words":-0}`)
	x := enrich.NewExtractor()
	f.Fuzz(func(t *testing.T, data string) {
		first := x.Extract(event.ContentEngaged, []byte(data))
		fresh := enrich.NewExtractor().Extract(event.ContentEngaged, []byte(data))
		if diff := cmp.Diff(first, fresh, compareDecimals); diff != "" {
			t.Errorf("a used extractor reads differently: %s", diff)
		}
		var members map[string]any
		if json.Unmarshal([]byte(data), &members) != nil {
			return
		}
		if s, ok := members["view_id"].(string); ok && first.ViewID != s && strings.Count(data, "view_id") == 1 &&
			!strings.Contains(data, `\`) && strings.ToValidUTF8(data, "") == data {
			t.Errorf("view_id is %q, want %q", first.ViewID, s)
		}
	})
}

func TestAgents(t *testing.T) {
	for s, want := range map[string]enrich.Agent{
		"": {},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36":                         {Device: "desktop", OS: "Windows", Browser: "Chrome"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":                      {Device: "desktop", OS: "macOS", Browser: "Safari"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": {Device: "mobile", OS: "iOS", Browser: "Safari"},
		"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1":          {Device: "tablet", OS: "iOS", Browser: "Safari"},
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                                                {Device: "bot", Browser: "Googlebot", Bot: true},
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                  {Device: "desktop", OS: "Linux", Browser: "Firefox"},
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36":                           {Device: "bot", OS: "Linux", Browser: "Headless Chrome", Bot: true},
	} {
		if got := enrich.ParseAgent(s); s != "" && got != want {
			t.Errorf("%s: %+v, want %+v", s, got, want)
		}
	}
}

func TestAgentParserRemembersWhatParseAgentSays(t *testing.T) {
	parser := enrich.NewAgentParser(3)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom([]string{"", "curl/8.0", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
			"Mozilla/5.0 (compatible; bingbot/2.0)", "x", strings.Repeat("Mozilla ", 500)}).Draw(t, "s")
		want := enrich.Agent{}
		if s != "" {
			want = enrich.ParseAgent(s[:min(len(s), 512)])
		}
		if got, _ := parser.Parse(s); got != want {
			t.Errorf("%q: %+v, want %+v", s, got, want)
		}
	})
	if got, _ := enrich.NewAgentParser(0).Parse("curl/8.0"); got != enrich.ParseAgent("curl/8.0") {
		t.Errorf("a parser of size 0 says %+v", got)
	}
}

// FuzzExtractFlat holds the short way through flat data to the decoder, which a space
// sends the same data to.
func FuzzExtractFlat(f *testing.F) {
	for _, data := range []string{
		`{"view_id":"v","kind":"pdf","words":1,"amount":12.5,"score":9,"other":true,"title":null}`, `{"path":"/p","path":2}`,
		`{"due_at":"2026-05-01T10:00:00Z","response_s":5,"query":"é\"","x":{"path":"y"}}`, `{"path":"a","words":[1]}`, `{"path":"a" ,"words":3}`,
		`{"path":"}","title":"\u0041"}`, `{"margin_pct":-0.5e1}`, `{"":1,"stage":""}`,
	} {
		f.Add(data, true)
		f.Add(data, false)
	}
	x := enrich.NewExtractor()
	f.Fuzz(func(t *testing.T, data string, survey bool) {
		if !jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) || data[0] != '{' {
			return // only valid objects get there
		}
		kind := event.ContentEngaged
		if survey {
			kind = event.SurveyNPSAnswered
		}
		if diff := cmp.Diff(x.Extract(kind, []byte("{ "+data[1:])), x.Extract(kind, []byte(data)), compareDecimals); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	data := []byte(`{"view_id":"0197f3c2-7a5e-7c31-9d0a-000000000004","content_id":"c-17","engaged_ms":45000,"max_scroll_pct":87,"pages_seen":4,"playbook_id":"pb-3"}`)
	x := enrich.NewExtractor()
	b.ReportAllocs()
	for b.Loop() {
		x.Extract(event.ContentEngaged, data)
	}
}
