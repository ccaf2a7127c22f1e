package segment

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
)

var received = time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)

func env() Env {
	return Env{ReceivedAt: received, NewID: func() string { return "new-id" }}
}

// mapped reads and maps every call of a body.
func mapped(t *testing.T, cfg Config, m Method, body string, env Env) []Result {
	t.Helper()
	mappers, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Split([]byte(body), m, 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []Result
	for i := range b.Calls {
		call, problem := b.Read(i)
		if problem != nil {
			out = append(out, Result{Problem: problem})
			continue
		}
		out = append(out, mappers.For("acme").Map(call, env))
	}
	return out
}

func decoded(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func TestTrackNames(t *testing.T) {
	for _, c := range []struct {
		name, properties string
		want             event.Type
		data             string
	}{
		{"Signed In", `{"provider":"saml"}`, event.PortalLogin, `{"method":"saml"}`},
		{"user_logged_in", `{}`, event.PortalLogin, `{}`},
		{"SignedIn", `{}`, event.PortalLogin, `{}`},
		{"portal.login", `{"success":"true"}`, event.PortalLogin, `{"success":true}`},
		{"Article Viewed", `{"articleId":7,"wordCount":"1200"}`, event.ContentViewed, `{"view_id":"m","content_id":"7","words":1200,"kind":"article"}`},
		{"Article Viewed", `{"id":"a","kind":"blog","type":"x"}`, event.ContentViewed, `{"view_id":"m","content_id":"a","kind":"blog","type":"x"}`},
		{"Content Viewed", `{"content_id":"c","view_id":"v","extra":{"a":[1]},"title":null,"words":null}`, event.ContentViewed,
			`{"view_id":"v","content_id":"c","extra":{"a":[1]},"title":null}`},
		{"Document Downloaded", `{"file_name":"guide.pdf","method":"button"}`, event.ContentDownloaded, `{"content_id":"guide.pdf","channel":"button"}`},
		{"Video Playback Started", `{"content_asset_id":"v1","total_length":90}`, event.ContentViewed, `{"view_id":"m","content_id":"v1","duration_s":90,"kind":"video"}`},
		{"Product Shared", `{"product_id":"p","share_via":"email"}`, event.ContentShared, `{"content_id":"p","channel":"email"}`},
		{"Products Searched", `{"query":"nas","number_of_results":12}`, event.SearchPerformed, `{"search_id":"m","query":"nas","results_count":12}`},
		{"Products Searched", `{"query":"nas","products":[{"a":"]"},[],3]}`, event.SearchPerformed,
			`{"search_id":"m","query":"nas","results_count":3,"products":[{"a":"]"},[],3]}`},
		{"Search Result Clicked", `{"query_id":"s","document_id":"d","rank":2}`, event.SearchClicked, `{"search_id":"s","content_id":"d","position":2}`},
		{"Course Completed", `{"course_id":"c","percentComplete":100,"duration":60}`, event.TrainingCompleted, `{"course_id":"c","progress":100,"duration_s":60}`},
		{"Certificate Earned", `{"certificate_id":"c","valid_until":"2027-01-01"}`, event.TrainingCertified, `{"course_id":"c","expires_at":"2027-01-01T00:00:00.000Z"}`},
		{"Deal Won", `{"opportunityId":"o","value":"1234.50","currency":"eur","stage":"closed"}`, event.DealWon, `{"deal_id":"o","amount":1234.50,"currency":"EUR","stage":"closed"}`},
		{"Opportunity Stage Changed", `{"id":1,"from_stage":"a","to_stage":"b"}`, event.DealStageChanged, `{"deal_id":"1","stage":"b","prev_stage":"a"}`},
		{"Lead Created", `{"id":"l","amount":12345678901234567890}`, event.LeadReferred, `{"lead_id":"l","amount":12345678901234567890}`},
		{"NPS Survey Submitted", `{"survey_id":"n","nps":"9","feedback":"ok"}`, event.SurveyNPSAnswered, `{"survey_id":"n","score":9,"comment":"ok"}`},
		{"Support Ticket Solved", `{"ticket_id":4}`, event.SupportResolved, `{"ticket_id":"4"}`},
		{"custom.beta", `{"a":1}`, "custom.beta", `{"a":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := `{"messageId":"m","userId":"u","event":"` + c.name + `","properties":` + c.properties + `}`
			r := mapped(t, Config{}, Track, body, env())[0]
			if r.Problem != nil || r.Ignored || len(r.Events) != 1 {
				t.Fatalf("%+v", r)
			}
			got := decoded(t, r.Events[0])
			if got["type"] != string(c.want) || got["id"] != "m" || got["user_id"] != "u" {
				t.Errorf("event %v", got)
			}
			if diff := cmp.Diff(decoded(t, []byte(c.data)), got["data"]); diff != "" {
				t.Errorf("data: %s", diff)
			}
			if strings.Contains(c.properties, "12345678901234567890") && !strings.Contains(string(r.Events[0]), "12345678901234567890") {
				t.Error("a number lost digits")
			}
		})
	}
}

func TestDefaultNamesReachTheirTypes(t *testing.T) {
	m, err := newMapper(&Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	owner := map[string]event.Type{}
	for _, row := range defaultNames() {
		for _, name := range row.list {
			if name != normal(name) {
				t.Errorf("%q is not in normal form (%q)", name, normal(name))
			}
			if other, ok := owner[name]; ok {
				t.Errorf("%q stands for %s and %s", name, other, row.typ)
			}
			owner[name] = row.typ
			if m.rules[name].typ != row.typ {
				t.Errorf("%q gives %s, not %s", name, m.rules[name].typ, row.typ)
			}
		}
	}
	for _, typ := range event.Types() {
		if r := m.rules[normal(string(typ))]; r == nil || r.typ != typ {
			t.Errorf("%s is not known by its own name", typ)
		}
		if len(fieldsOf(typ)) == 0 {
			t.Errorf("%s has no fields", typ)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	r := mapped(t, Config{}, Track, `{"messageId":"m","userId":"u","event":"Trial Started!","properties":{"a":1}}`, env())[0]
	if r.Problem == nil || r.Problem.Code != event.CodeUnknownType || r.Problem.Pointer != "/event" || !strings.Contains(r.Problem.Message, "Trial Started!") {
		t.Fatalf("problem %+v", r.Problem)
	}
	if decoded(t, r.Events[0])["type"] != "custom.trial_started" {
		t.Errorf("the reject does not name the type: %s", r.Events[0])
	}
	e := env()
	e.AllowCustom = true
	if r := mapped(t, Config{}, Track, `{"messageId":"m","userId":"u","event":"Trial Started!"}`, e)[0]; r.Problem != nil {
		t.Errorf("problem %+v", r.Problem)
	}
	for body, code := range map[string]event.Code{
		`{"event":"日本"}`: event.CodeUnknownType, `{"event":""}`: event.CodeMissing, `{}`: event.CodeMissing, `{"event":{}}`: event.CodeMissing,
	} {
		if r := mapped(t, Config{}, Track, body, e)[0]; r.Problem == nil || r.Problem.Code != code || r.Problem.Pointer != "/event" {
			t.Errorf("%s: %+v", body, r.Problem)
		}
	}
	if r := mapped(t, Config{}, Batch, `{"batch":[{"type":"audience"}]}`, e)[0]; r.Problem == nil || r.Problem.Pointer != "/type" {
		t.Errorf("%+v", r.Problem)
	}
}

func TestConfiguredNames(t *testing.T) {
	cfg := Config{Mapping: Mapping{
		Events: map[string]Rule{
			"Guide Opened":   {Type: event.ContentViewed, Fields: map[string][]string{"content_id": {"guide.key"}, "guide_rank": {"rank"}}, Set: map[string]any{"kind": "guide", "words": 300}},
			"Heartbeat":      {Type: Ignore},
			"Article Viewed": {Type: "custom.article"},
		},
		PartnerFrom: []string{"properties.reseller.no"},
	}}
	r := mapped(t, cfg, Track, `{"messageId":"m","userId":"u","event":"guide_opened","properties":{"guide":{"key":"g1"},"rank":4,"reseller":{"no":17}}}`, env())[0]
	got := decoded(t, r.Events[0])
	want := map[string]any{"id": "m", "type": "content.viewed", "partner_id": "17", "user_id": "u", "data": map[string]any{
		"view_id": "m", "content_id": "g1", "kind": "guide", "words": 300.0, "position": 4.0, "guide": map[string]any{"key": "g1"}, "reseller": map[string]any{"no": 17.0},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := r.Pointer("/data/content_id"); p != "/properties/guide/key" {
		t.Errorf("pointer %s", p)
	}
	if r := mapped(t, cfg, Track, `{"event":"heartbeat"}`, env())[0]; !r.Ignored {
		t.Error("ignore does not ignore")
	}
	if r := mapped(t, cfg, Track, `{"messageId":"m","event":"Article Viewed"}`, env())[0]; decoded(t, r.Events[0])["type"] != "custom.article" {
		t.Error("configuration does not win over the default")
	}
	tenant := Config{Mapping: cfg.Mapping, Tenants: map[string]Mapping{"acme": {}}}
	if r := mapped(t, tenant, Track, `{"event":"heartbeat"}`, env())[0]; r.Ignored {
		t.Error("the tenant's own mapping does not count")
	}
	for _, bad := range []Config{
		{Mapping: Mapping{Events: map[string]Rule{"x": {Type: "content.vieved"}}}}, {Mapping: Mapping{Events: map[string]Rule{"x": {}}}},
		{Mapping: Mapping{Events: map[string]Rule{"!": {Type: Ignore}}}}, {BatchCallsMax: -1}, {PublicURL: "collect.example"},
		{Tenants: map[string]Mapping{"a": {Events: map[string]Rule{"x": {Type: "no"}}}}},
		{Mapping: Mapping{Events: map[string]Rule{"x": {Type: event.DealWon, Set: map[string]any{"a": func() {}}}}}},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestPageAndContext(t *testing.T) {
	call := `"messageId":"m","anonymousId":"a","userId":null,"timestamp":"2026-11-03T09:14:00.123Z","sentAt":"2026-11-03T09:14:59Z",
	 "context":{"page":{"url":"https://p.example/lib?x=1","path":"/lib","referrer":"https://g.example/","title":"Library"},
	 "userAgent":"UA","locale":"de-DE","timezone":"Europe/Berlin","campaign":{"name":"spring","source":"mail","medium":"email","term":"t","content":"c"},
	 "screen":{"width":1920,"height":1080,"density":2},"sessionId":1699000000000,"groupId":"p-1","internal":true,"library":{"name":"x"}}`
	want := map[string]any{
		"id": "m", "type": "page.viewed", "time": "2026-11-03T09:14:00.123Z", "partner_id": "p-1", "anonymous_id": "a",
		"session_id": "1699000000000", "internal": true,
		"context": map[string]any{
			"url": "https://p.example/lib?x=1", "referrer": "https://g.example/", "title": "Library", "user_agent": "UA", "locale": "de-DE",
			"timezone": "Europe/Berlin", "utm_source": "mail", "utm_medium": "email", "utm_campaign": "spring", "utm_term": "t", "utm_content": "c", "screen": "1920x1080",
		},
		"data": map[string]any{"view_id": "m", "path": "/lib", "title": "Library", "name": "Home", "category": "Docs"},
	}
	for name, body := range map[string]string{
		"from context":    `{"name":"Home","category":"Docs",` + call + `}`,
		"from properties": `{"name":"Home","category":"Docs","properties":{"path":"/lib","title":"Library"},` + call + `}`,
	} {
		if diff := cmp.Diff(want, decoded(t, mapped(t, Config{}, Page, body, env())[0].Events[0])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for body, path := range map[string]string{
		`{"properties":{"url":"https://x.example/a%20b?q"}}`: "/a%20b", `{}`: "/", `{"name":"Home"}`: "/Home", `{"properties":{"path":"/own"}}`: "/own",
	} {
		data, _ := decoded(t, mapped(t, Config{}, Page, body, env())[0].Events[0])["data"].(map[string]any)
		if data["path"] != path {
			t.Errorf("%s has path %v, not %s", body, data["path"], path)
		}
	}
	got := decoded(t, mapped(t, Config{}, Screen, `{"messageId":"s","name":"Deals"}`, env())[0].Events[0])
	if diff := cmp.Diff(map[string]any{"view_id": "s", "path": "/screen/Deals", "title": "Deals", "name": "Deals"}, got["data"]); diff != "" {
		t.Error(diff)
	}
	long := mapped(t, Config{}, Page, `{"context":{"page":{"title":"`+strings.Repeat("ü", 3000)+`"},"locale":{}}}`, env())[0]
	context, _ := decoded(t, long.Events[0])["context"].(map[string]any)
	if n := len([]rune(context["title"].(string))); n != event.ContextLengthMax || len(context) != 1 {
		t.Errorf("context %v with a title of %d characters", context, n)
	}
}

func TestPartnerOrder(t *testing.T) {
	full := map[string]string{
		"properties":   `{"partnerId":"1"}`,
		"traits":       `{"partner_id":"2","company":{"id":"7"}}`,
		"context":      `{"partner_id":"3","groupId":"4","traits":{"partner_id":"6","company":{"id":8}}}`,
		"groupId":      `"5"`,
		"integrations": `{"All":true,"PartnerPulse":{"partner_id":"9"}}`,
	}
	build := func(members map[string]string) string {
		var parts []string
		for k, v := range members {
			parts = append(parts, `"`+k+`":`+v)
		}
		return `{"event":"login",` + strings.Join(parts, ",") + `}`
	}
	partner := func(members map[string]string) any {
		return decoded(t, mapped(t, Config{}, Track, build(members), env())[0].Events[0])["partner_id"]
	}
	steps := []struct{ want, member, next string }{
		{"1", "properties", `{"partner_id":null}`},
		{"2", "traits", `{"company":{"id":"7"}}`},
		{"3", "context", `{"groupId":"4","traits":{"partner_id":"6","company":{"id":8}}}`},
		{"4", "context", `{"traits":{"partner_id":"6","company":{"id":8}}}`},
		{"5", "groupId", `""`},
		{"6", "context", `{"traits":{"company":{"id":8}}}`},
		{"7", "traits", `{"company":"x"}`},
		{"8", "context", `{}`},
		{"9", "integrations", `{"PartnerPulse":true}`},
	}
	for _, s := range steps {
		if got := partner(full); got != s.want {
			t.Errorf("partner %v, want %s, of %v", got, s.want, full)
		}
		full[s.member] = s.next
	}
	if got := partner(full); got != nil {
		t.Errorf("partner %v out of nothing", got)
	}
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		method Method
		times  string
		want   any
	}{
		"clock right":         {Batch, `"timestamp":"2026-11-03T09:00:00.5Z","sentAt":"2026-11-03T09:14:40Z"`, "2026-11-03T09:00:00.500Z"},
		"an hour behind":      {Batch, `"timestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:14:58Z"`, "2026-11-03T09:00:00.000Z"},
		"sent again":          {Batch, `"timestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:15:11Z"`, "2026-11-03T09:00:00.000Z"},
		"a day ahead":         {Batch, `"originalTimestamp":"2026-11-04T09:00:00Z","sentAt":"2026-11-04T09:15:00Z"`, "2026-11-03T09:00:00.000Z"},
		"both: already right": {Batch, `"timestamp":"2026-11-01T00:00:00Z","originalTimestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:15:00Z"`, "2026-11-01T00:00:00.000Z"},
		"no sentAt":           {Batch, `"timestamp":"2026-11-03T08:00:00Z"`, "2026-11-03T08:00:00.000Z"},
		"bad sentAt":          {Batch, `"timestamp":"2026-11-03T08:00:00Z","sentAt":"soon"`, "2026-11-03T08:00:00.000Z"},
		"import":              {Import, `"timestamp":"2026-10-03T08:00:00Z","sentAt":"2026-11-03T08:15:00Z"`, "2026-10-03T08:00:00.000Z"},
		"no zone is UTC":      {Batch, `"timestamp":"2026-11-03T08:00:00.25"`, "2026-11-03T08:00:00.250Z"},
		"zone without colon":  {Batch, `"timestamp":"2026-11-03T08:00:00+0200"`, "2026-11-03T06:00:00.000Z"},
		"no time":             {Batch, `"sentAt":"2026-11-03T08:15:00Z"`, nil},
		"not a time":          {Batch, `"timestamp":"yesterday"`, "yesterday"},
		"not even a text":     {Batch, `"timestamp":{}`, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"batch":[{"type":"track","event":"login",` + c.times + `}]}`
			r := mapped(t, Config{}, c.method, body, env())[0]
			if got := decoded(t, r.Events[0])["time"]; got != c.want {
				t.Errorf("time %v, want %v", got, c.want)
			}
		})
	}
	shared := mapped(t, Config{}, Batch, `{"sentAt":"2026-11-03T08:15:00Z","batch":[{"type":"track","event":"login","timestamp":"2026-11-03T08:00:00Z"}]}`, env())[0]
	if got := decoded(t, shared.Events[0])["time"]; got != "2026-11-03T09:00:00.000Z" {
		t.Errorf("the batch's sentAt does not count: %v", got)
	}
	if p := shared.Pointer("/time"); p != "/timestamp" {
		t.Errorf("pointer %s", p)
	}
}

func TestIDs(t *testing.T) {
	id := func(body string) string {
		s, _ := decoded(t, mapped(t, Config{}, Track, body, env())[0].Events[0])["id"].(string)
		return s
	}
	if got := id(`{"event":"login","messageId":12}`); got != "12" {
		t.Errorf("id %q", got)
	}
	if got := id(`{"event":"login"}`); got != "new-id" {
		t.Errorf("id %q", got)
	}
	a := id(`{"event":"login","timestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:00:01Z","writeKey":"k"}`)
	b := id(`{"event":"login","timestamp":"2026-11-03T08:00:00Z","sentAt":"2026-11-03T08:00:09Z"}`)
	c := id(`{"event":"login","timestamp":"2026-11-03T08:00:02Z"}`)
	if a != b || a == c || !strings.HasPrefix(a, "seg-") {
		t.Errorf("ids %q, %q, %q", a, b, c)
	}
}

func TestDirectoryCalls(t *testing.T) {
	e := env()
	identify := `{"messageId":"m","userId":"u-1","traits":{"firstName":"Ann","lastName":"Lee","email":"a@x.example","title":"SE","createdAt":"2026-01-02","company":{"id":"p-1"},"quota":5}}`
	group := `{"messageId":"g","userId":"u-1","groupId":"p-1","traits":{"name":"Initech","plan":"gold","industry":"msp","phone":"1","employees":329}}`
	for method, body := range map[Method]string{Identify: identify, Group: group, Alias: `{"previousId":"a","userId":"b"}`} {
		if r := mapped(t, Config{}, method, body, e)[0]; !r.Ignored || r.Events != nil {
			t.Errorf("%s without the scope: %+v", method, r)
		}
	}
	e.Directory = true
	want := map[string]any{"id": "m", "type": "user.upserted", "partner_id": "p-1", "user_id": "u-1", "data": map[string]any{
		"user_id": "u-1", "name": "Ann Lee", "role": "SE", "joined_at": "2026-01-02T00:00:00.000Z", "company": map[string]any{"id": "p-1"}, "quota": 5.0,
	}}
	if diff := cmp.Diff(want, decoded(t, mapped(t, Config{}, Identify, identify, e)[0].Events[0])); diff != "" {
		t.Error(diff)
	}
	if r := mapped(t, Config{}, Identify, `{"anonymousId":"a","traits":{}}`, e)[0]; !r.Ignored {
		t.Error("an anonymous identify describes nobody")
	}
	both := mapped(t, Config{}, Group, group, e)[0].Events
	if len(both) != 2 {
		t.Fatalf("%d events", len(both))
	}
	partner := map[string]any{"id": "g", "type": "partner.upserted", "partner_id": "p-1", "user_id": "u-1", "data": map[string]any{
		"partner_id": "p-1", "name": "Initech", "tier": "gold", "segment": "msp", "employees": 329.0,
	}}
	user := map[string]any{"id": "g:user", "type": "user.upserted", "partner_id": "p-1", "user_id": "u-1", "data": map[string]any{"user_id": "u-1"}}
	if diff := cmp.Diff([]map[string]any{partner, user}, []map[string]any{decoded(t, both[0]), decoded(t, both[1])}); diff != "" {
		t.Error(diff)
	}
	if r := mapped(t, Config{}, Group, `{"userId":"u"}`, e)[0]; r.Problem == nil || r.Problem.Code != event.CodeUnresolvedPartner {
		t.Errorf("%+v", r.Problem)
	}
	keep := Config{Mapping: Mapping{DropTraits: []string{"none"}}}
	if got := string(mapped(t, keep, Identify, identify, e)[0].Events[0]); !strings.Contains(got, "a@x.example") {
		t.Errorf("the e-mail address is dropped against the configuration: %s", got)
	}
}

func TestNormal(t *testing.T) {
	for name, want := range map[string]string{
		"Signed In": "signed in", "signed_in": "signed in", "SignedIn": "signed in", " Signed-In! ": "signed in", "dealID": "deal id",
		"HTMLPage": "html page", "URL": "url", "Ünïcode": "ünïcode", "v2Page": "v2 page", "__": "",
	} {
		if got := normal(name); got != want {
			t.Errorf("normal(%q) = %q, want %q", name, got, want)
		}
	}
	if got := slug("Trial – Éxtended 2"); got != "trial_xtended_2" {
		t.Errorf("slug %q", got)
	}
}
