package segment

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
)

// FuzzBody feeds whole bodies. Whatever they are: events are valid JSON objects with
// an id and a type, what is kept holds no write key, and what is kept, sent again
// alone in a batch, gives the same events.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{"type":"track","event":"Article Viewed","messageId":"m","userId":1,"writeKey":"k","properties":{"article_id":null,"id":[1],"wordCount":"07"}}`,
		`{"writeKey":"k","sentAt":"2026-11-03T08:15:00Z","context":{"groupId":"p","page":{"url":"/x"}},"batch":[{"type":"page","context":{"page":7}},{"type":"group","groupId":"g","userId":"u","traits":{"id":"\ud83d\ude00"}},{"type":"identify","userId":"u","traits":{"firstName":"a"}},{"type":"screen","name":"S"},{"type":"alias"},3]}`,
		`{"batch":[{"type":"track","event":"Deal Won","timestamp":"2026-11-03","originalTimestamp":"x","properties":{"amount":"1e999","currency":7}}]}`,
		`{"batch":[{"a":1,"a":2,"writeKey":"k"},{"event":"` + "\xff" + `"}]}`, `{"batch":[]}`, `[]`, `{`, `{"context":{"a":1,"a":2},"batch":[{}]}`,
		`{"event":"search","properties":{"results":[1,{"a":"]"}],"query":"q","query":2}}`, `{"type":"GROUP","event":"custom.a b"}`, `{"batch":[{"context":null,"sentAt":null}],"context":{},"sentAt":5}`,
		`{"event":"guide opened","properties":{"guide":{"key":{"a":1}},"guide":1}}`, `{"event":"login","context":{"screen":{"width":1e3,"height":"x"}},"timestamp":"9999-12-31T23:59:59Z","sentAt":"0001-01-01T00:00:00Z"}`,
	} {
		for i := range Methods() {
			f.Add([]byte(s), byte(i), i%2 == 0)
		}
	}
	mappers, err := New(Config{Mapping: Mapping{Events: map[string]Rule{
		"guide opened": {Type: event.ContentViewed, Fields: map[string][]string{"content_id": {"guide.key"}}, Set: map[string]any{"kind": "guide"}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, method byte, directory bool) {
		m := Methods()[int(method)%len(Methods())]
		e := env()
		e.Directory, e.AllowCustom = directory, directory
		b, err := Split(body, m, 50)
		if err != nil {
			return
		}
		for i := range b.Calls {
			call, problem := b.Read(i)
			if problem != nil {
				if problem.Code == "" || problem.Message == "" {
					t.Fatalf("problem %+v", problem)
				}
				continue
			}
			result := mappers.For("").Map(call, e)
			check(t, call, &result)
			if m == Import {
				continue // the times of an import are final, those of a batch are not
			}
			again, err := Split([]byte(`{"batch":[`+string(call.Original)+`]}`), Batch, 1)
			if err != nil {
				t.Fatalf("what is kept cannot be sent again: %v: %s", err, call.Original)
			}
			second, problem := again.Read(0)
			if problem != nil && problem.Code == event.CodeTooLong {
				continue // what it took from its batch made it longer
			}
			if problem != nil {
				t.Fatalf("sent again: %v", problem)
			}
			if diff := cmp.Diff(result.Events, mappers.For("").Map(second, e).Events); diff != "" {
				t.Fatalf("sent again, %s: %s", call.Original, diff)
			}
		}
	})
}

func check(t *testing.T, call *Call, result *Result) {
	t.Helper()
	if result.Ignored == (len(result.Events) > 0) && result.Problem == nil {
		t.Fatalf("neither an event nor ignored nor refused: %+v", result)
	}
	kept, err := readObject(call.Original)
	if err != nil || kept.get("writeKey") != nil {
		t.Fatalf("kept as %s (%v)", call.Original, err)
	}
	for _, e := range result.Events {
		o, err := readObject(e)
		if err != nil || !jsontext.Value(e).IsValid() || o.text("id") == "" || o.text("type") == "" || o.get("data").Kind() != '{' {
			t.Fatalf("event %s (%v)", e, err)
		}
		if bytes.Contains(e, []byte(`"writeKey"`)) && !bytes.Contains(call.members.without("writeKey").append(nil), []byte(`"writeKey"`)) {
			t.Fatalf("the write key is in the event %s", e)
		}
	}
	if p := result.Pointer("/data/content_id/x"); p == "" {
		t.Fatal("no pointer")
	}
}
