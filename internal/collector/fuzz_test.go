package collector

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/schemas"
)

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// judged parses a body and judges its events, as one request does.
func judged(t fataler, c *Collector, body []byte, key string) *outcome {
	t.Helper()
	p := c.parsers.get()
	defer c.parsers.put(p)
	drafts, fail := p.parse(body)
	if fail != nil {
		if len(drafts) != 0 || fail.status < 400 || fail.message == "" {
			t.Fatalf("failure %+v with %d drafts", fail, len(drafts))
		}
		return &outcome{}
	}
	for i := range drafts {
		if !bytes.Contains(body, drafts[i].original) || len(drafts[i].original) == 0 {
			t.Fatalf("original %q is not of the body", drafts[i].original)
		}
	}
	return c.judge(drafts, arrivalWith(t, c, key))
}

// holds checks what must be true of every outcome: accepted events survive the log
// unchanged, rejects say why and can be encoded.
func holds(t fataler, out *outcome, a *arrival) {
	t.Helper()
	for _, e := range out.accepted {
		value, err := event.MarshalCloudEvent(e)
		if err != nil {
			t.Fatalf("encoding an accepted event: %v", err)
		}
		back, err := event.UnmarshalCloudEvent(value)
		if err != nil {
			t.Fatalf("decoding an accepted event %s: %v", value, err)
		}
		want := *e
		want.Data, back.Data = plain(t, e.Data), plain(t, back.Data)
		if diff := cmp.Diff(&want, back); diff != "" {
			t.Fatalf("the log changes an event: %s", diff)
		}
	}
	if _, err := records(out, a); err != nil {
		t.Fatalf("encoding records: %v", err)
	}
	for i, r := range out.rejected {
		if r.problem.Code == "" || r.problem.Message == "" || i > 0 && r.index <= out.rejected[i-1].index {
			t.Fatalf("rejection %+v", r)
		}
	}
}

// plain writes JSON without white space and needless escapes; numbers stay as they are.
func plain(t fataler, v jsontext.Value) jsontext.Value {
	t.Helper()
	b, err := jsontext.AppendFormat(nil, v)
	if err != nil {
		t.Fatalf("formatting: %v", err)
	}
	return b
}

func seeds() []string {
	a := login("a", "")
	return []string{
		a, "[" + a + "," + a + "]", a + "\n" + a, "[]", "{}", "[{}]", " ", "\xef\xbb\xbf" + a, a + a, "[1,null,\"x\"]",
		`{"id":"x","id":"y"}`, login("\xff", ""), login(`\ud800`, ""), strings.Repeat("[", 50), login("a", `,"data":{"a":1e999}`),
		login("a", `,"time":"2026-11-03T09:15:00+23:59","context":{"url":"u","utm_term":"\u0000"},"internal":true`),
		login("a", `,"time":"0000-01-01T00:00:00Z"`), login("a", `,"time":"9999-12-31T23:59:60Z"`),
		`{"id":"a","type":"content.viewed","partner_id":"p","anonymous_id":"x","session_id":"s","data":{"view_id":"v","content_id":"c","words":3}}`,
		`{"id":"a","type":"custom.a","partner_id":"p","user_id":"u","data":{"\u0061":[{}," \\\" "]}}`,
		"{\"id\":\n" + a, "{\n\"id\":\"a\"\n}", a + "\r\n\r\n{",
	}
}

// FuzzBody feeds whole bodies.
func FuzzBody(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	r := newRig(f, nil)
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, custom bool) {
		key := backfillKey
		if custom {
			key = otherKey
		}
		out := judged(t, r.c, body, key)
		holds(t, out, arrivalWith(t, r.c, key))
		for _, e := range out.accepted {
			if problems := set.CheckData(e.Type, e.Data); problems != nil {
				t.Fatalf("accepted data breaks its schema: %v", problems)
			}
		}
	})
}

// arrivalWith gives the arrival of a request with the key.
func arrivalWith(t fataler, c *Collector, key string) *arrival {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "/v1/events", nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	k, err := c.deps.Keys.Authenticate(req)
	if err != nil {
		t.Fatalf("finding the key: %v", err)
	}
	return c.arrivalOf(req, k)
}

// TestDecoderAgreesWithTheSchema draws events near the envelope's edges: what the
// collector accepts satisfies the JSON Schema of the whole event, and what the
// schema accepts is refused only by the rules that a schema cannot express.
func TestDecoderAgreesWithTheSchema(t *testing.T) {
	r := newRig(t, nil)
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	values := []string{`"x"`, `""`, `"-"`, `"a\u0000"`, `"` + long(100) + `"`, `"` + long(101) + `"`, `"` + long(200) + `"`, `"` + long(201) + `"`,
		`1`, `null`, `true`, `{}`, `[]`, `{"view_id":"v","path":"/"}`, `{"content_id":"c"}`, `{"url":"u"}`, `{"url":1}`, `{"ip":"x"}`,
		`{"partner_id":"p"}`, `{"user_id":"u"}`, `{"cadence_days":30}`,
		`"2026-11-03T09:15:00Z"`, `"2026-11-03T09:15:00+01:00"`, `"2026-11-03t09:15:00z"`, `"2026-11-03T9:15:00Z"`, `"2026-11-03T09:15:60Z"`,
		`"2026-11-03T09:15:00,5Z"`, `"2026-11-03T09:15:00+24:00"`, `"2026-02-29T00:00:00Z"`, `"2026-11-03"`,
		`"2026-11-03T09:15:00.` + strings.Repeat("1", 30) + `Z"`, `"2026-11-03T09:15:00-00:00"`, `"2026-11-03T24:00:00Z"`}
	types := append(event.Types(), "custom.x", "custom.a b", "custom.", "nope")
	names := []string{"id", "time", "partner_id", "user_id", "anonymous_id", "session_id", "internal", "context", "data", "extra"}
	beyond := map[event.Code]bool{event.CodeUnresolvedPartner: true, event.CodeTooOld: true, event.CodeInFuture: true,
		event.CodeForbiddenType: true, event.CodeUnknownType: true}
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(types).Draw(t, "type")
		members := map[string]string{"type": `"` + string(typ) + `"`, "id": `"i"`, "user_id": `"u"`, "partner_id": `"p"`}
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			if rapid.Bool().Draw(t, "drop") {
				delete(members, name)
				continue
			}
			members[name] = rapid.SampledFrom(values).Draw(t, "value")
		}
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + name + `":` + members[name])
		}
		raw := []byte("{" + b.String() + "}")
		key := serverKey
		if typ.IsCustom() {
			key = otherKey
		}
		out := judged(t, r.c, raw, key)
		problems := set.Check(typ, raw)
		switch {
		case len(out.accepted) == 1:
			accepted++
			if len(problems) > 0 {
				t.Fatalf("accepted, but the schema says %v: %s", problems, raw)
			}
		case len(out.rejected) == 1:
			refused++
			p := out.rejected[0].problem
			if len(problems) == 0 && !beyond[p.Code] && !strings.HasPrefix(p.Pointer, "/time") {
				t.Fatalf("the schema accepts it, the collector says %v: %s", p, raw)
			}
		default:
			t.Fatalf("neither accepted nor rejected: %s", raw)
		}
	})
	if accepted == 0 || refused == 0 {
		t.Fatalf("%d accepted, %d refused: the property was not exercised", accepted, refused)
	}
}

// TestBatchesKeepTheirEvents: however a body is written, each event is judged as if
// it were alone.
func TestBatchesKeepTheirEvents(t *testing.T) {
	r := newRig(t, nil)
	parts := []string{login("a", ""), login("b", `,"data":{"x":[1,2]}`), `{}`, `{"id":1}`, `{"id":"x","id":"x"}`, login("\xff", ""), login("c", `,"nope":1`)}
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOfN(rapid.SampledFrom(parts), 2, 8).Draw(t, "events")
		var accepted []string
		for _, p := range chosen {
			for _, e := range judged(t, r.c, []byte(p), serverKey).accepted {
				accepted = append(accepted, e.ID)
			}
		}
		for _, body := range []string{"[" + strings.Join(chosen, ",") + "]", strings.Join(chosen, "\n"), "[\n" + strings.Join(chosen, " ,\t") + "\n]\n"} {
			out := judged(t, r.c, []byte(body), serverKey)
			var got []string
			for _, e := range out.accepted {
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(accepted, got); diff != "" || len(out.accepted)+len(out.rejected) != len(chosen) {
				t.Fatalf("%s: %s; %d rejected", body, diff, len(out.rejected))
			}
		}
	})
}

func TestNesting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depth := rapid.IntRange(0, 60).Draw(t, "depth")
		v := rapid.SampledFrom([]string{`1`, `"[{\"[\\"`, `null`}).Draw(t, "leaf")
		for range depth {
			if rapid.Bool().Draw(t, "array") {
				v = `[0,` + v + `]`
				continue
			}
			v = `{"[":` + v + `}`
		}
		if !jsontext.Value(v).IsValid() {
			t.Fatalf("%s is not JSON", v)
		}
		if got := nesting([]byte(v)); got != depth {
			t.Fatalf("%s has depth %d, not %d", v, depth, got)
		}
	})
}
