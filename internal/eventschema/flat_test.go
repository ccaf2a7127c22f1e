package eventschema

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// TestFlatRecognisesTheUsualForms: also with white space and every kind of scalar.
func TestFlatRecognisesTheUsualForms(t *testing.T) {
	p := newSet(t).find(event.PortalLogin).fast
	for data, want := range map[string]bool{
		`{}`: true, ` { } `: true, "{\"x\" : \"é\" ,\n\"y\":\t-0.5e+10 , \"z\":null,\"t\":true,\"f\":false}\r\n": true,
		`{"x":0}`: true, `{"x":10}`: true, `{"x":1E5}`: true,
		"": false, `[]`: false, `{`: false, `{"x"`: false, `{"x":}`: false, `{"x":1,}`: false, `{"x":1}}`: false, `{,}`: false,
		`{"x":01}`: false, `{"x":-}`: false, `{"x":1.}`: false, `{"x":1e}`: false, `{"x":.5}`: false, `{"x":+1}`: false, `{"x":truE}`: false,
		`{"x":1x}`: false, "{\"x\":\"\xff\"}": false, "{\"x\":\"\n\"}": false, "{\"x\":\"é\n\"}": false, `{"x":"é\"}`: false, `{"x":"é`: false,
		`{"x":"\u0041"}`: false, `{"x":{}}`: false, `{"x":[]}`: false, `{"x":1e999}`: false, `{x:1}`: false, `{"x" 1}`: false,
	} {
		if got := p.validFlat([]byte(data)); got != want {
			t.Errorf("%q: %v, want %v", data, got, want)
		}
	}
}

// FuzzFlat holds the scanner to the decoder: what it lets pass is JSON, and valid to
// the decoder as well.
func FuzzFlat(f *testing.F) {
	s := newSet(f)
	types := append(event.Types(), "custom.x")
	for i, typ := range event.Types() {
		f.Add(uint8(i), []byte(exampleData(f, string(typ))))
	}
	f.Add(uint8(1), []byte("{\"x\" : \"é\" ,\n\"y\":\t-0.5e+10 , \"z\":null,\"t\":true,\"f\":false}\r\n"))
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		p := s.find(types[int(i)%len(types)]).fast
		if p == nil || !p.validFlat(data) {
			return
		}
		if !jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) || !p.validNested(data) {
			t.Fatalf("the scanner takes %q, the decoder does not", data)
		}
	})
}
