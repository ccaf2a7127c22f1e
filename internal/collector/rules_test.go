package collector

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/schemas"
)

// now formats an instant relative to now.
func now(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }

func long(n int) string { return strings.Repeat("é", n) }

// TestRules checks each rule of the contract, at its edge on both sides.
func TestRules(t *testing.T) {
	const day = 24 * time.Hour
	ok := event.Code("")
	for name, c := range map[string]struct {
		key     string
		body    string
		code    event.Code
		pointer string
		says    string
	}{
		"valid":                      {serverKey, login("a", ""), ok, "", ""},
		"id missing":                 {serverKey, `{"type":"portal.login","partner_id":"p","user_id":"u"}`, event.CodeMissing, "/id", "required"},
		"id empty":                   {serverKey, login("", ""), event.CodeMissing, "/id", "empty"},
		"id 100":                     {serverKey, login(long(100), ""), ok, "", ""},
		"id 101":                     {serverKey, login(long(101), ""), event.CodeTooLong, "/id", "at most 100 characters, not 101"},
		"id number":                  {serverKey, `{"id":1,"type":"portal.login","partner_id":"p","user_id":"u"}`, event.CodeSchema, "/id", "must be a string, not a number"},
		"id null":                    {serverKey, `{"id":null,"type":"portal.login"}`, event.CodeSchema, "/id", "leave the field out"},
		"id with line break":         {serverKey, login(`a\nb`, ""), event.CodeSchema, "/id", "control characters"},
		"type missing":               {serverKey, `{"id":"a","partner_id":"p","user_id":"u"}`, event.CodeMissing, "/type", "required"},
		"type unknown":               {serverKey, `{"id":"a","type":"portal.lgoin","partner_id":"p","user_id":"u"}`, event.CodeUnknownType, "/type", "did you mean portal.login?"},
		"type far off":               {serverKey, `{"id":"a","type":"whatever.it.is","partner_id":"p","user_id":"u"}`, event.CodeUnknownType, "/type", `"whatever.it.is"`},
		"type over-long":             {serverKey, `{"id":"a","type":"` + long(101) + `"}`, event.CodeTooLong, "/type", "100"},
		"type array":                 {serverKey, `{"id":"a","type":[]}`, event.CodeSchema, "/type", "must be a string, not an array"},
		"custom not allowed":         {serverKey, `{"id":"a","type":"custom.x","partner_id":"p","user_id":"u"}`, event.CodeUnknownType, "/type", "allow_custom"},
		"custom allowed":             {otherKey, `{"id":"a","type":"custom.x","partner_id":"p","user_id":"u"}`, ok, "", ""},
		"custom without a name":      {otherKey, `{"id":"a","type":"custom.","partner_id":"p","user_id":"u"}`, event.CodeUnknownType, "/type", "no event type"},
		"custom with a space":        {otherKey, `{"id":"a","type":"custom.a b","partner_id":"p","user_id":"u"}`, event.CodeUnknownType, "/type", "letters"},
		"time missing":               {serverKey, login("a", ""), ok, "", ""},
		"time with offset":           {serverKey, login("a", `,"time":"`+time.Now().In(time.FixedZone("", 9000)).Format(time.RFC3339)+`"`), ok, "", ""},
		"time without zone":          {serverKey, login("a", `,"time":"2026-01-01T00:00:00"`), event.CodeSchema, "/time", "zone"},
		"time empty":                 {serverKey, login("a", `,"time":""`), event.CodeSchema, "/time", "RFC 3339"},
		"time number":                {serverKey, login("a", `,"time":1767225600`), event.CodeSchema, "/time", "must be a string, not a number"},
		"time null":                  {serverKey, login("a", `,"time":null`), event.CodeSchema, "/time", "not null"},
		"time impossible":            {serverKey, login("a", `,"time":"2026-02-30T00:00:00Z"`), event.CodeSchema, "/time", "RFC 3339"},
		"time 4 min ahead":           {serverKey, login("a", `,"time":"`+now(4*time.Minute)+`"`), ok, "", ""},
		"time 6 min ahead":           {serverKey, login("a", `,"time":"`+now(6*time.Minute)+`"`), event.CodeInFuture, "/time", "clock"},
		"time 6 min ahead, backfill": {backfillKey, login("a", `,"time":"`+now(6*time.Minute)+`"`), event.CodeInFuture, "/time", "after now"},
		"time 29 d ago":              {serverKey, login("a", `,"time":"`+now(-29*day)+`"`), ok, "", ""},
		"time 31 d ago":              {serverKey, login("a", `,"time":"`+now(-31*day)+`"`), event.CodeTooOld, "/time", "backfill"},
		"time 31 d ago, backfill":    {backfillKey, login("a", `,"time":"`+now(-31*day)+`"`), ok, "", ""},
		"time 1970, backfill":        {backfillKey, login("a", `,"time":"1970-01-01T00:00:00Z"`), ok, "", ""},
		"time 1969, backfill":        {backfillKey, login("a", `,"time":"1969-12-31T23:59:59Z"`), event.CodeTooOld, "/time", "1970"},
		"tenant's limit kept":        {otherKey, login("a", `,"time":"`+now(-47*time.Hour)+`"`), ok, "", ""},
		"tenant's limit broken":      {otherKey, login("a", `,"time":"`+now(-49*time.Hour)+`"`), event.CodeTooOld, "/time", "at most 2 days"},
		"partner missing":            {serverKey, `{"id":"a","type":"portal.login","user_id":"u"}`, event.CodeUnresolvedPartner, "/partner_id", "required"},
		"partner empty":              {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":""}`, event.CodeUnresolvedPartner, "/partner_id", "empty"},
		"partner reserved":           {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":"-"}`, event.CodeSchema, "/partner_id", "reserved"},
		"partner with tab":           {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":"a\tb"}`, event.CodeSchema, "/partner_id", "control"},
		"partner with C1 control":    {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":"a\u0085b"}`, event.CodeSchema, "/partner_id", "control"},
		"partner 200":                {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":"` + long(200) + `"}`, ok, "", ""},
		"partner 201":                {serverKey, `{"id":"a","type":"portal.login","user_id":"u","partner_id":"` + long(201) + `"}`, event.CodeTooLong, "/partner_id", "200"},
		"nobody":                     {serverKey, `{"id":"a","type":"portal.login","partner_id":"p"}`, event.CodeMissing, "/user_id", "anonymous_id"},
		"anonymous":                  {serverKey, `{"id":"a","type":"portal.login","partner_id":"p","anonymous_id":"x"}`, ok, "", ""},
		"user empty":                 {serverKey, `{"id":"a","type":"portal.login","partner_id":"p","user_id":""}`, event.CodeSchema, "/user_id", "empty"},
		"internal text":              {serverKey, login("a", `,"internal":"yes"`), event.CodeSchema, "/internal", "true or false"},
		"internal":                   {serverKey, login("a", `,"internal":true`), ok, "", ""},
		"unknown field":              {serverKey, login("a", `,"a/b~c":{"x":[1]}`), event.CodeSchema, "/a~1b~0c", "put fields of your own into data"},
		"stamped field":              {serverKey, login("a", `,"tenant":"evil"`), event.CodeSchema, "/tenant", "not a field"},
		"context text":               {serverKey, login("a", `,"context":"x"`), event.CodeSchema, "/context", "must be an object"},
		"context unknown":            {serverKey, login("a", `,"context":{"ip":"x"}`), event.CodeSchema, "/context/ip", "not a field of context"},
		"context number":             {serverKey, login("a", `,"context":{"url":1}`), event.CodeSchema, "/context/url", "must be a string"},
		"context 2048":               {serverKey, login("a", `,"context":{"url":"`+long(2048)+`"}`), ok, "", ""},
		"context 2049":               {serverKey, login("a", `,"context":{"url":"`+long(2049)+`"}`), event.CodeTooLong, "/context/url", "2048"},
		"data null":                  {serverKey, login("a", `,"data":null`), event.CodeSchema, "/data", "must be an object, not null"},
		"data array":                 {serverKey, login("a", `,"data":[]`), event.CodeSchema, "/data", "must be an object"},
		"data 33 KiB":                {serverKey, login("a", `,"data":{"x":"`+strings.Repeat("x", 33<<10)+`"}`), event.CodeTooLong, "/data", "32768"},
		"data 32 deep":               {serverKey, login("a", `,"data":{"x":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)+`}`), ok, "", ""},
		"data 33 deep":               {serverKey, login("a", `,"data":{"x":`+strings.Repeat("[", 31)+strings.Repeat("]", 31)+`}`), event.CodeTooLong, "/data", "32 levels"},
		"brackets in text":           {serverKey, login("a", `,"data":{"x":"`+strings.Repeat(`[\"{`, 90)+`"}`), ok, "", ""},
		"huge number":                {serverKey, login("a", `,"data":{"x":[1e999]}`), event.CodeSchema, "/data/x/0", "out of range"},
		"event 65 KiB":               {serverKey, login("a", `,"context":{"title":"`+strings.Repeat("x", 66<<10)+`"}`), event.CodeTooLong, "", "65536"},
		"required data missing":      {serverKey, `{"id":"a","type":"page.viewed","partner_id":"p","user_id":"u"}`, event.CodeSchema, "/data/path", "also /data/view_id"},
		"many problems":              {serverKey, `{"id":"a","type":"content.viewed","partner_id":"p","user_id":"u","data":{"view_id":1,"content_id":2,"version":3,"kind":4,"words":"5"}}`, event.CodeSchema, "/data/content_id", "and 2 more"},
		"directory with server key":  {serverKey, `{"id":"a","type":"content.published","data":{"content_id":"c"}}`, ok, "", ""},
		"directory without scope":    {backfillKey, `{"id":"a","type":"content.published","data":{"content_id":"c"}}`, event.CodeForbiddenType, "/type", "directory"},
		"directory, browser key":     {webKey, `{"id":"a","type":"partner.upserted","data":{"partner_id":"p"}}`, event.CodeForbiddenType, "/type", "server key"},
		"tenant-wide with partner":   {serverKey, `{"id":"a","type":"content.retired","partner_id":"p","data":{"content_id":"c"}}`, event.CodeSchema, "/partner_id", "absent"},
		"partner described":          {serverKey, `{"id":"a","type":"partner.upserted","data":{"partner_id":"p-7"}}`, ok, "", ""},
		"partner repeated":           {serverKey, `{"id":"a","type":"partner.upserted","partner_id":"p-7","data":{"partner_id":"p-7"}}`, ok, "", ""},
		"partner contradicted":       {serverKey, `{"id":"a","type":"partner.upserted","partner_id":"p-8","data":{"partner_id":"p-7"}}`, event.CodeSchema, "/partner_id", "p-7"},
		"partner described as -":     {serverKey, `{"id":"a","type":"partner.upserted","data":{"partner_id":"-"}}`, event.CodeSchema, "/data/partner_id", "not allowed"},
		"partner described not":      {serverKey, `{"id":"a","type":"partner.upserted","partner_id":"p"}`, event.CodeSchema, "/data/partner_id", "required"},
		"user without partner":       {serverKey, `{"id":"a","type":"user.upserted","data":{"user_id":"u"}}`, event.CodeUnresolvedPartner, "/partner_id", "required"},
		"user with partner":          {serverKey, `{"id":"a","type":"user.upserted","partner_id":"p","data":{"user_id":"u"}}`, ok, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.post(c.key, c.body)
			if c.code == ok {
				if got := r.answered(http.StatusAccepted); got.Accepted != 1 || got.Rejected != 0 {
					t.Fatalf("answer %+v", got)
				}
				return
			}
			got := r.answered(http.StatusBadRequest) // all rejected
			if got.Accepted != 0 || got.Rejected != 1 || len(got.Errors) != 1 {
				t.Fatalf("answer %+v", got)
			}
			e := got.Errors[0]
			if e.Code != c.code || e.Pointer != c.pointer || !strings.Contains(e.Message, c.says) {
				t.Errorf("error %+v, want %s at %s saying %q", e, c.code, c.pointer, c.says)
			}
			events, rejects, keysOf := r.log.take()
			if len(events) != 0 || len(rejects) != 1 || !strings.HasPrefix(keysOf[0], "acme/") && !strings.HasPrefix(keysOf[0], "custom/") {
				t.Fatalf("published %d events, %d rejects, keys %v", len(events), len(rejects), keysOf)
			}
			original, err := rejects[0].Bytes()
			if err != nil || rejects[0].Truncated == (string(original) == c.body) || !strings.HasPrefix(c.body, string(original)) {
				t.Errorf("the reject does not hold the original (%v, truncated %v)", err, rejects[0].Truncated)
			}
			if r.count("partnerpulse_collector_events_rejected_total", string(c.code)) != 1 {
				t.Errorf("no metric counts the reject with code %s", c.code)
			}
		})
	}
}

// TestStampedTime: events without a time get that of arrival, all the same one.
func TestStampedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		time.Sleep(90*time.Minute + 1500*time.Microsecond)
		at := time.Now().UTC()
		r.post(serverKey, "["+login("a", "")+","+login("b", `,"time":"`+now(-time.Hour)+`"`)+","+login("c", "")+"]")
		r.answered(http.StatusAccepted)
		events, _, _ := r.log.take()
		want := at.Truncate(time.Millisecond)
		for i, w := range []time.Time{want, at.Add(-time.Hour).Truncate(time.Millisecond), want} {
			if !events[i].Time.Equal(w) || !events[i].ReceivedAt.Equal(want) {
				t.Errorf("event %d: time %s, received %s, want %s and %s", i, events[i].Time, events[i].ReceivedAt, w, want)
			}
		}
	})
}

func TestStampsOfBrowserKeys(t *testing.T) {
	r := newRig(t, func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
	body := login("a", "") + "\n" + login("b", `,"context":{"user_agent":"Own/1"}`)
	r.call(http.MethodPost, "/v1/events?key="+webKey, strings.NewReader(body), func(q *http.Request) {
		q.Header.Set("User-Agent", "Browser/1\xff"+strings.Repeat("x", 3000))
		q.Header.Set("Content-Type", "text/plain")
		q.Header.Set("Origin", portalPage)
		q.RemoteAddr = "10.1.1.1:99"
		q.Header.Add("X-Forwarded-For", "203.0.113.1, 2001:db8:1:2::3")
		q.Header.Add("X-Forwarded-For", "10.9.9.9")
	})
	r.answered(http.StatusAccepted)
	events, _, _ := r.log.take()
	a, b := events[0], events[1]
	if a.Source != event.SourceTracker || a.KeyID != "web" || a.IP != "2001:db8:1::" {
		t.Errorf("source %s, key %s, ip %s", a.Source, a.KeyID, a.IP)
	}
	if !strings.HasPrefix(a.Context.UserAgent, "Browser/1�xx") || len([]rune(a.Context.UserAgent)) != event.ContextLengthMax {
		t.Errorf("user agent %.20q of %d characters", a.Context.UserAgent, len([]rune(a.Context.UserAgent)))
	}
	if b.Context.UserAgent != "Own/1" {
		t.Errorf("the event's own user agent became %q", b.Context.UserAgent)
	}
}

func TestClientAddress(t *testing.T) {
	cfg := Config{TrustedProxies: []string{"10.0.0.0/8", "fd00::/8"}}
	proxies, err := cfg.proxies()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ remote, forwarded, want string }{
		"direct":                     {"192.0.2.77:1", "", "192.0.2.0"},
		"direct, header is a lie":    {"192.0.2.77:1", "198.51.100.1", "192.0.2.0"},
		"direct IPv6":                {"[2001:db8:aa:bb::1]:1", "", "2001:db8:aa::"},
		"IPv6 with zone":             {"[fe80::1%eth0]:1", "", "fe80::"},
		"mapped IPv4":                {"[::ffff:192.0.2.77]:1", "", "192.0.2.0"},
		"proxy":                      {"10.0.0.1:1", "198.51.100.7", "198.51.100.0"},
		"two proxies":                {"10.0.0.1:1", "198.51.100.7, 10.0.0.2", "198.51.100.0"},
		"forged left part":           {"10.0.0.1:1", "8.8.8.8, 198.51.100.7", "198.51.100.0"},
		"garbage":                    {"10.0.0.1:1", "8.8.8.8, unknown", "10.0.0.0"},
		"proxy without header":       {"10.0.0.1:1", "", "10.0.0.0"},
		"proxies all the way":        {"10.0.0.1:1", "10.0.0.3, 10.0.0.2", "10.0.0.0"},
		"no address (a Unix socket)": {"@", "198.51.100.7", ""},
	} {
		req, err := http.NewRequest(http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.RemoteAddr = c.remote
		if c.forwarded != "" {
			req.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := truncatedIP(clientIP(req, proxies)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestEveryType sends each type's example and its invalid examples.
func TestEveryType(t *testing.T) {
	for _, typ := range event.Types() {
		t.Run(string(typ), func(t *testing.T) {
			b, err := schemas.Events.ReadFile("events/" + string(typ) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var schema struct {
				Examples []map[string]jsontext.Value `json:"examples"`
			}
			if err := json.Unmarshal(b, &schema); err != nil || len(schema.Examples) == 0 {
				t.Fatalf("%d examples, %v", len(schema.Examples), err)
			}
			r := newRig(t, nil)
			for _, ex := range schema.Examples {
				ex["time"] = jsontext.Value(`"` + now(0) + `"`)
				body, err := json.Marshal(ex)
				if err != nil {
					t.Fatal(err)
				}
				r.post(serverKey, string(body))
				r.answered(http.StatusAccepted)
			}
			events, _, _ := r.log.take()
			if len(events) != len(schema.Examples) || events[0].Type != typ {
				t.Fatalf("published %v", events)
			}
			b, err = os.ReadFile(filepath.Join("..", "eventschema", "testdata", "invalid", string(typ)+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var bad []struct {
				Pointer string                    `json:"pointer"`
				Event   map[string]jsontext.Value `json:"event"`
			}
			if err := json.Unmarshal(b, &bad); err != nil || len(bad) == 0 {
				t.Fatal(err)
			}
			for _, c := range bad {
				c.Event["time"] = jsontext.Value(`"` + now(0) + `"`)
				body, err := json.Marshal(c.Event)
				if err != nil {
					t.Fatal(err)
				}
				r.post(serverKey, string(body))
				got := r.answered(http.StatusBadRequest)
				if len(got.Errors) != 1 || got.Errors[0].Pointer != c.Pointer {
					t.Errorf("%s: %+v, want a problem at %s", body, got.Errors, c.Pointer)
				}
			}
		})
	}
}

func TestSuggestion(t *testing.T) {
	for given, want := range map[string]string{
		"portal_login": "portal.login", "Content.Viewed": "content.viewed", "deal.stage-changed": "deal.stage_changed",
		"page.view": "page.viewed", "x": "", "": "",
	} {
		got := suggestion(given)
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("suggestion for %q is %q, want %q", given, got, want)
		}
	}
	if d := editDistance("kitten", "sitting"); d != 3 {
		t.Errorf("distance %d", d)
	}
	if age(30*24*time.Hour) != "30 days" || age(90*time.Second) != "1m30s" {
		t.Error("ages are not worded as wanted")
	}
}
