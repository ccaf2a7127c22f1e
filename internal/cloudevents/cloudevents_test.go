package cloudevents

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
)

const minimal = `"specversion":"1.0","id":"i","source":"/s","type":"portal.login"`

func TestStructured(t *testing.T) {
	strip := Config{TypePrefix: "com.example."}
	for name, c := range map[string]struct {
		cfg      Config
		in, want string
	}{
		"attributes": {in: `{` + minimal + `,"time":"2026-11-03T09:15:00Z","subject":"p","userid":"u","anonymousid":"a","sessionid":"s","internal":true,"data":{"x":1}}`,
			want: `{"id":"i","type":"portal.login","time":"2026-11-03T09:15:00Z","partner_id":"p","user_id":"u","anonymous_id":"a","session_id":"s","internal":true,"data":{"x":1}}`},
		"context": {in: `{` + minimal + `,"url":"u","useragent":"ua","utmsource":"mail","screen":"1x1"}`,
			want: `{"id":"i","type":"portal.login","context":{"url":"u","user_agent":"ua","utm_source":"mail","screen":"1x1"}}`},
		"partnerid wins": {in: `{` + minimal + `,"subject":"document-7","partnerid":"p"}`, want: `{"id":"i","type":"portal.login","partner_id":"p"}`},
		"stamped and foreign extensions are left out": {in: `{` + minimal + `,"tenant":"x","receivedat":"y","via":"api","ip":"z","keyid":"k","traceparent":"00-1","dataschema":"urn:x"}`,
			want: `{"id":"i","type":"portal.login"}`},
		"tenant-wide types have no partner": {in: `{"specversion":"1.0","id":"i","source":"/s","type":"content.retired","subject":"-"}`, want: `{"id":"i","type":"content.retired"}`},
		"prefix":                            {cfg: strip, in: `{"specversion":"1.0","id":"i","source":"/s","type":"com.example.page.viewed"}`, want: `{"id":"i","type":"page.viewed"}`},
		"without prefix":                    {cfg: strip, in: `{"specversion":"1.0","id":"i","source":"/s","type":"page.viewed"}`, want: `{"id":"i","type":"page.viewed"}`},
		"source in id":                      {cfg: Config{SourceInID: true}, in: `{` + minimal + `}`, want: `{"id":"/s#i","type":"portal.login"}`},
		"base64":                            {in: `{` + minimal + `,"data_base64":"eyJ4IjoxfQ=="}`, want: `{"id":"i","type":"portal.login","data":{"x":1}}`},
		"null is absent":                    {in: `{` + minimal + `,"subject":null,"data":null}`, want: `{"id":"i","type":"portal.login"}`},
		"internal as text":                  {in: `{` + minimal + `,"internal":"false"}`, want: `{"id":"i","type":"portal.login","internal":false}`},
		"json type":                         {in: `{` + minimal + `,"datacontenttype":"application/vnd.x+json; charset=utf-8","data":{}}`, want: `{"id":"i","type":"portal.login","data":{}}`},
	} {
		m, err := c.cfg.Structured([]byte(c.in))
		if err != nil || m.Problem != nil || string(m.Envelope) != c.want {
			t.Errorf("%s: %s, want %s (%v, %v)", name, m.Envelope, c.want, m.Problem, err)
		}
		if string(m.Original) != c.in {
			t.Errorf("%s: original %s", name, m.Original)
		}
	}
}

func TestStructuredProblems(t *testing.T) {
	for in, want := range map[string]event.Problem{
		`[]`:                      {Code: event.CodeMalformed},
		`{"id":"i","id":"j"}`:     {Code: event.CodeMalformed},
		`{"id":"` + "\xff" + `"}`: {Code: event.CodeMalformed},
		`{"specversion":"1.0"}`:   {Code: event.CodeMissing, Pointer: "/id"},
		`{"specversion":"1.0","id":"","source":"s","type":"t"}`:  {Code: event.CodeMissing, Pointer: "/id"},
		`{"specversion":"1.0","id":1,"source":"s","type":"t"}`:   {Code: event.CodeSchema, Pointer: "/id"},
		`{"specversion":"0.3","id":"i","source":"s","type":"t"}`: {Code: event.CodeSchema, Pointer: "/specversion"},
		`{` + minimal + `,"datacontenttype":"text/xml"}`:         {Code: event.CodeSchema, Pointer: "/datacontenttype"},
		`{` + minimal + `,"data":{},"data_base64":"e30="}`:       {Code: event.CodeSchema, Pointer: "/data_base64"},
		`{` + minimal + `,"data_base64":"bm8="}`:                 {Code: event.CodeSchema, Pointer: "/data_base64"},
		`{` + minimal + `,"data_base64":7}`:                      {Code: event.CodeSchema, Pointer: "/data_base64"},
	} {
		m, err := new(Config).Structured([]byte(in))
		if err != nil || m.Problem == nil || m.Problem.Code != want.Code || m.Problem.Pointer != want.Pointer || m.Envelope != nil {
			t.Errorf("%s: %v %s (%v)", in, m.Problem, m.Envelope, err)
		}
	}
	for _, in := range []string{``, `{`, `{} {}`, `nope`, strings.Repeat("[", 20_000)} {
		if _, err := new(Config).Structured([]byte(in)); err == nil {
			t.Errorf("%.20s: no error", in)
		}
	}
}

func TestBatch(t *testing.T) {
	ms, err := new(Config).Batch([]byte(` [{`+minimal+`}, 1, {"id":"x","id":"y"} ] `), 3)
	if err != nil || len(ms) != 3 || ms[0].Problem != nil || ms[1].Problem == nil || ms[2].Problem == nil || string(ms[2].Original) != `{"id":"x","id":"y"}` {
		t.Errorf("%+v, %v", ms, err)
	}
	if _, err := new(Config).Batch([]byte(`[1,2,3,4]`), 3); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	if _, err := new(Config).Batch([]byte(`{}`), 3); err == nil {
		t.Error("an object is no batch")
	}
	if ms, err := new(Config).Batch([]byte(`[]`), 3); err != nil || len(ms) != 0 {
		t.Errorf("empty: %v, %v", ms, err)
	}
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func binaryBase(more ...string) http.Header {
	return headers(append([]string{"ce-specversion", "1.0", "ce-id", "i", "ce-source", "/s", "ce-type", "portal.login"}, more...)...)
}

func TestBinary(t *testing.T) {
	for name, c := range map[string]struct {
		h              http.Header
		body           string
		want, original string
	}{
		"no data": {h: binaryBase(), want: `{"id":"i","type":"portal.login"}`,
			original: `{"id":"i","source":"/s","specversion":"1.0","type":"portal.login"}`},
		"data": {h: binaryBase("content-type", "application/json", "ce-userid", "u", "ce-internal", "true"), body: ` {"x":1} `,
			want:     `{"id":"i","internal":true,"type":"portal.login","user_id":"u","data":{"x":1}}`,
			original: `{"id":"i","internal":"true","source":"/s","specversion":"1.0","type":"portal.login","userid":"u","datacontenttype":"application/json","data":{"x":1}}`},
		"percent": {h: binaryBase("ce-title", "Euro%20%E2%82%AC%20%F0%9F%98%80 100%"), want: `{"id":"i","type":"portal.login","context":{"title":"Euro € 😀 100%"}}`},
		"quoted":  {h: binaryBase("ce-title", `"a \"b\" %25"`), want: `{"id":"i","type":"portal.login","context":{"title":"a \"b\" %"}}`},
		"raw":     {h: binaryBase("ce-title", "Überblick"), want: `{"id":"i","type":"portal.login","context":{"title":"Überblick"}}`},
		"once":    {h: binaryBase("ce-title", "%2541"), want: `{"id":"i","type":"portal.login","context":{"title":"%41"}}`},
	} {
		m := new(Config).Binary(c.h, []byte(c.body))
		if m.Problem != nil || string(m.Envelope) != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, m.Envelope, c.want, m.Problem)
		}
		if c.original != "" && string(m.Original) != c.original {
			t.Errorf("%s: original %s", name, m.Original)
		}
		again, err := new(Config).Structured(m.Original)
		if err != nil || again.Problem != nil {
			t.Errorf("%s: the original cannot be sent again: %v %v", name, err, again.Problem)
		}
	}
	for name, c := range map[string]struct {
		h    http.Header
		body string
		want string
	}{
		"broken UTF-8": {h: binaryBase("ce-title", "%ff"), want: "/title"},
		"twice":        {h: binaryBase("ce-userid", "a", "ce-userid", "b"), want: "/userid"},
		"ce-data":      {h: binaryBase("ce-data", "x"), want: "/data"},
		"not JSON":     {h: binaryBase("content-type", "text/plain"), body: "x", want: "/datacontenttype"},
		"broken JSON":  {h: binaryBase("content-type", "application/json"), body: "{", want: "/data"},
		"no id":        {h: headers("ce-specversion", "1.0"), want: "/id"},
	} {
		m := new(Config).Binary(c.h, []byte(c.body))
		if m.Problem == nil || m.Problem.Pointer != c.want || m.Envelope != nil || !jsontext.Value(m.Original).IsValid() {
			t.Errorf("%s: %v, %s, %s", name, m.Problem, m.Envelope, m.Original)
		}
	}
}

func TestPointer(t *testing.T) {
	got := []string{}
	for _, p := range []string{"/partner_id", "/user_id", "/context/utm_source", "/data/view_id", "/time", ""} {
		got = append(got, Pointer(p))
	}
	if diff := cmp.Diff([]string{"/partnerid", "/userid", "/utmsource", "/data/view_id", "/time", ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSourceIDFits(t *testing.T) {
	if id := sourceID(strings.Repeat("é", 60), strings.Repeat("x", 60)); len(id) != 64 {
		t.Errorf("id %q", id)
	}
}

// sound checks what must be true of every message.
func sound(t *testing.T, m Message) {
	t.Helper()
	if (m.Problem == nil) != (m.Envelope != nil) {
		t.Fatalf("problem %v with envelope %s", m.Problem, m.Envelope)
	}
	if m.Problem != nil && (m.Problem.Code == "" || m.Problem.Message == "") {
		t.Fatalf("problem %+v", m.Problem)
	}
	if m.Envelope != nil && !jsontext.Value(m.Envelope).IsValid() {
		t.Fatalf("envelope %s of %s", m.Envelope, m.Original)
	}
}

func FuzzStructured(f *testing.F) {
	for _, s := range []string{`{` + minimal + `,"data":{"a":[1]},"subject":"p"}`, `[{` + minimal + `},{}]`, `{"data_base64":"e30=",` + minimal + `}`, `[`, "{\"\xff\":1}", `{"id":"\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := Config{TypePrefix: "x.", SourceInID: len(b)%2 == 0}
		if m, err := cfg.Structured(b); err == nil {
			sound(t, m)
		}
		if ms, err := cfg.Batch(b, 10); err == nil {
			for _, m := range ms {
				sound(t, m)
			}
		}
	})
}

func FuzzBinary(f *testing.F) {
	f.Add("title", "%E2%82%AC", "application/json", []byte(`{}`))
	f.Add("Partnerid", `"\"`, "", []byte(`[`))
	f.Add("data", "\xff%", "text/plain", []byte("\xff"))
	f.Fuzz(func(t *testing.T, name, value, contentType string, body []byte) {
		h := binaryBase("content-type", contentType)
		h.Set("ce-"+name, value)
		m := new(Config).Binary(h, body)
		sound(t, m)
		if !jsontext.Value(m.Original).IsValid() && m.Problem == nil {
			t.Fatalf("original %s", m.Original)
		}
	})
}
