package collector

import (
	"net/http"
	"testing"

	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/segment"
	"partnerpulse/schemas"
)

// FuzzSegment feeds whole bodies of Segment calls: what is accepted satisfies its
// schema and survives the log, what is refused can be kept.
func FuzzSegment(f *testing.F) {
	for _, s := range []string{
		segmentTrack("m", ""), `{"batch":[` + segmentTrack("m", "") + `,{"type":"group","messageId":"g","userId":"u","groupId":"p\u0000","traits":{"partner_id":"q"}}]}`,
		`{"batch":[{"type":"identify","messageId":"i","userId":"-","traits":{"company":{"id":"-"}}},{"type":"page","userId":"-","properties":{"path":""}}]}`,
		`{"type":"track","event":"Content Viewed","userId":"u","messageId":"` + long(200) + `","context":{"groupId":"p"},"properties":{"id":"c","view_id":{"a":[[[]]]}}}`,
		`{"batch":[{"type":"track","event":"custom.x","userId":1e400,"context":{"groupId":"p"},"properties":{"a":{"b":` + "\"\xff\"" + `}}},7,[]]}`,
		`{"type":"screen","name":"` + long(3000) + `","anonymousId":"a","context":{"groupId":"p"}}`, `{"batch":{}}`, `[`, ``,
	} {
		for m := range segment.Methods() {
			f.Add([]byte(s), byte(m), m%2 == 0)
		}
	}
	r := newRig(f, nil)
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, method byte, custom bool) {
		key := serverKey
		if custom {
			key = otherKey
		}
		calls, fail := splitSegment(body, segment.Methods()[int(method)%len(segment.Methods())], 100)
		if fail != nil {
			if fail.status < 400 || fail.status > 499 || fail.message == "" {
				t.Fatalf("failure %+v", fail)
			}
			return
		}
		a := arrivalWith(t, r.c, key)
		req, err := http.NewRequest(http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		read, fail := r.c.readSegment(req, calls, a)
		if fail != nil {
			t.Fatalf("failure %+v", fail)
		}
		out := r.c.judgeSegment(read, a)
		for _, e := range out.accepted {
			if problems := set.CheckData(e.Type, e.Data); problems != nil {
				t.Fatalf("accepted data breaks its schema: %v", problems)
			}
		}
		for i := range out.rejected {
			if p := out.rejected[i].problem; p.Code == "" || p.Message == "" || out.rejected[i].index >= len(calls.Calls) {
				t.Fatalf("rejection %+v", out.rejected[i])
			}
		}
		for i := range out.rejected { // indices are those of calls, of which one may give two events
			out.rejected[i].index = i
		}
		holds(t, out, a)
	})
}
