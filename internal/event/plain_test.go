package event

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plainSample has every attribute, and data of every kind of value.
func plainSample() *Event {
	return &Event{
		ID: "0197f3c2-7a5e-7c31-9d0a-000000000001", Type: ContentEngaged, Time: time.UnixMilli(1_795_000_000_123).UTC(), PartnerID: "p-1",
		UserID: "u-1", AnonymousID: "a-1", SessionID: "s-1", Internal: true,
		Context: Context{URL: "https://portal.example/é?q=1", Referrer: "https://example.org/", Title: "Größe", UserAgent: "Mozilla/5.0 (X11)",
			Locale: "de-DE", Timezone: "Europe/Berlin", Screen: "1920x1080", UTMSource: "a", UTMMedium: "b", UTMCampaign: "c", UTMTerm: "d", UTMContent: "e"},
		Data:   jsontext.Value(`{"view_id":"v","engaged_ms":1234,"ratio":-0.5e+7,"zero":0,"yes":true,"no":false,"none":null,"":"日本"}`),
		Tenant: "acme", Portal: "main", ReceivedAt: time.UnixMilli(1_795_000_000_456).UTC(), Source: SourceTracker, IP: "203.0.113.0", KeyID: "k",
	}
}

// samePlain checks that what decodePlain takes, the general decoder takes likewise.
func samePlain(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, b []byte,
) (plain bool) {
	t.Helper()
	var got, want Event
	before := bytes.Clone(b)
	plain = decodePlain(b, &got)
	if !bytes.Equal(b, before) {
		t.Fatalf("decoding changed %q to %q", before, b)
	}
	if !plain {
		return false
	}
	if err := decodeAny(b, &want); err != nil {
		t.Fatalf("taken for plain: %q, which is wrong: %v", b, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q: %s", b, diff)
	}
	return true
}

// TestPlainFormIsTakenWhole: the usual event needs no general decoder.
func TestPlainFormIsTakenWhole(t *testing.T) {
	least := &Event{ID: "e", Type: PortalLogin, Time: time.UnixMilli(0).UTC(), PartnerID: "p", UserID: "u", Tenant: "t", ReceivedAt: time.UnixMilli(0).UTC(), Source: SourceAPI}
	for _, e := range []*Event{plainSample(), least} {
		b, err := MarshalCloudEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if !samePlain(t, b) {
			t.Errorf("not plain: %s", b)
		}
	}
}

// TestPlainDecodingIsTheGeneralOne, for any event, and for its bytes with a change
// anywhere: cut, doubled, replaced, with an insertion.
func TestPlainDecodingIsTheGeneralOne(t *testing.T) {
	fixed, err := MarshalCloudEvent(plainSample())
	if err != nil {
		t.Fatal(err)
	}
	drawn, taken := 0, 0
	insertions := []string{`"`, `\`, `\"`, " ", "\n", ",", "{", "}", "0", "-", "1e5", ".", "\x00", "\x1f", "\x7f", "\xff", "é", "\u2028", "null", "[1]", `,"id":"x"`, `"a":1,`}
	rapid.Check(t, func(t *rapid.T) {
		b := fixed
		if rapid.Bool().Draw(t, "any event") {
			if b, err = MarshalCloudEvent(drawEvent(t)); err != nil {
				t.Fatalf("encoding: %v", err)
			}
		}
		b = bytes.Clone(b)
		drawn++
		if samePlain(t, b) {
			taken++
		}
		from := rapid.IntRange(0, len(b)).Draw(t, "from")
		to := rapid.IntRange(from, min(len(b), from+8)).Draw(t, "to")
		insert := rapid.SampledFrom(append(insertions, string(b[from:to])+string(b[from:to]), "")).Draw(t, "insert")
		samePlain(t, append(append(bytes.Clone(b[:from]), insert...), b[to:]...))
	})
	if taken*4 < drawn {
		t.Errorf("%d of %d events were taken for plain", taken, drawn)
	}
}

// TestPlainFormIsRefused where it only looks plain.
func TestPlainFormIsRefused(t *testing.T) {
	b, err := MarshalCloudEvent(plainSample())
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		`"tenant":"acme"`: `"tenant":"acme","tenant":"acme"`, `"internal":true`: `"internal":"true"`, `"id":"`: `"id": "`,
		`"view_id":"v"`: `"view_id":"v","view_id":"v"`, `1234`: `01234`, `-0.5e+7`: `-.5`, `"zero":0`: `"zero":+0`, `"none":null`: `"none":nil`,
		`"v"`: `["v"]`, `p-1`: `p\u002d1`, `"portal":"main"`: `"portal":null`, `"ip":`: `"unknown":"x","ip":`, `日本`: "\xe6\x97",
		`"userid"`: `"UserID"`, `T`: `t`, `"data":{`: `"data":{"a":{},`,
	} {
		changed := []byte(strings.Replace(string(b), from, to, 1))
		if bytes.Equal(changed, b) {
			t.Fatalf("%s is not there", from)
		}
		if decodePlain(changed, new(Event)) {
			t.Errorf("%s for %s is taken for plain", to, from)
		}
	}
	many := strings.Replace(string(b), `"data":{`, `"data":{`+strings.Repeat(`"x":1,`, plainFieldsMax), 1)
	if decodePlain([]byte(many), new(Event)) {
		t.Error("more fields than are compared")
	}
}

func FuzzDecodePlain(f *testing.F) {
	b, err := MarshalCloudEvent(plainSample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(bytes.Replace(b, []byte(`"v"`), []byte(`"\""`), 1))
	f.Add(bytes.Replace(b, []byte(`1234`), []byte(`1234.5E-2`), 1))
	f.Add(append(bytes.Clone(b), ' '))
	f.Fuzz(func(t *testing.T, b []byte) { samePlain(t, b) })
}

func BenchmarkDecodeCloudEvent(b *testing.B) {
	value, err := MarshalCloudEvent(plainSample())
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte, *Event) error{"plain": DecodeCloudEvent, "any": decodeAny} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			var e Event
			for b.Loop() {
				if err := decode(value, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
