package event

import (
	"bytes"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// reflected encodes through the struct that values are decoded with.
func reflected(e *Event) ([]byte, error) {
	c := &e.Context
	data := e.Data
	if len(data) == 0 {
		data = jsontext.Value("{}")
	}
	return json.Marshal(&wire{
		SpecVersion: "1.0", ID: e.ID, Source: "/" + e.Tenant + "/" + e.Portal, Type: e.Type,
		Subject: e.PartnerID, Time: e.Time.UTC().Format(timeLayout), ContentType: "application/json",
		Tenant: e.Tenant, Portal: e.Portal, UserID: e.UserID, AnonymousID: e.AnonymousID,
		SessionID: e.SessionID, Internal: e.Internal,
		ReceivedAt: e.ReceivedAt.UTC().Format(timeLayout), Via: e.Source, IP: e.IP, KeyID: e.KeyID,
		URL: c.URL, Referrer: c.Referrer, Title: c.Title, UserAgent: c.UserAgent, Locale: c.Locale,
		Timezone: c.Timezone, Screen: c.Screen, UTMSource: c.UTMSource, UTMMedium: c.UTMMedium,
		UTMCampaign: c.UTMCampaign, UTMTerm: c.UTMTerm, UTMContent: c.UTMContent,
		Data: data,
	}, json.Deterministic(true))
}

// sameBytes holds AppendCloudEvent to the reflected encoding, also in failing.
func sameBytes(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, e *Event) {
	t.Helper()
	want, wantErr := reflected(e)
	const before = "before"
	got, err := AppendCloudEvent([]byte(before), e)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("AppendCloudEvent: %v; by reflection: %v\nevent %+v", err, wantErr, e)
	}
	if err != nil {
		if string(got) != before {
			t.Fatalf("after an error %q is left", got)
		}
		return
	}
	if key := e.AppendKey([]byte(before)); string(key) != before+e.Key() {
		t.Fatalf("AppendKey %q, Key %q", key, e.Key())
	}
	got, ok := bytes.CutPrefix(got, []byte(before))
	if !ok || !bytes.Equal(got, want) {
		t.Fatalf("AppendCloudEvent %s\nby reflection %s", got, want)
	}
	// No error: so Data, if there is any, is what a strict decoder lets pass.
	if got, err := AppendDecodedCloudEvent(nil, e); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("AppendDecodedCloudEvent %s, %v\nby reflection %s", got, err, want)
	}
}

// TestAppendIsTheReflectedEncoding: any texts, any data.
func TestAppendIsTheReflectedEncoding(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~]{1,40}`), rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\u2028", "<&>", "\x7f", "\u00e9", `"\\`, "\x00", "\xff"}))
	data := rapid.SampledFrom([]string{
		"", "{}", " { } ", `{"a":1}`, `{"a" : [ 1 , 2.50 , 1e3 ] }`, `{"a":"\u0041\/\u00e9","b":null}`, `{"a":1,"a":2}`,
		"{\"a\":\"\xff\"}", `{"a":`, `[1]`, `"x"`, `{"z":1,"a":{"c":true,"b":false}}`, "{\"a\":1}\n", "{\"a\":1,\t\"b\":2}", `{"a":"b c","d":"e"}`, `{"a":"b c", "d":"e"}`, `{"a b":1 }`, `{"a":" ","b":[" "," "]}`, `{} {}`, `{"a":"\ud800"}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) time.Time {
			return time.UnixMilli(rapid.Int64Range(0, 9e12).Draw(t, name)).In(time.FixedZone("", rapid.IntRange(-43200, 43200).Draw(t, name+" zone")))
		}
		e := Event{
			Time: at("time"), ReceivedAt: at("received"), Internal: rapid.Bool().Draw(t, "internal"),
			Data: jsontext.Value(data.Draw(t, "data")),
		}
		c := &e.Context
		for _, into := range []*string{
			&e.ID, (*string)(&e.Type), &e.PartnerID, &e.UserID, &e.AnonymousID, &e.SessionID, &e.Tenant, &e.Portal,
			(*string)(&e.Source), &e.IP, &e.KeyID, &c.URL, &c.Referrer, &c.Title, &c.UserAgent, &c.Locale, &c.Timezone,
			&c.Screen, &c.UTMSource, &c.UTMMedium, &c.UTMCampaign, &c.UTMTerm, &c.UTMContent,
		} {
			if rapid.IntRange(0, 3).Draw(t, "set") > 0 {
				*into = text.Draw(t, "text")
			}
		}
		sameBytes(t, &e)
	})
}

// FuzzAppendCloudEvent does the same with texts and data that the fuzzer finds.
func FuzzAppendCloudEvent(f *testing.F) {
	for _, s := range []string{"", "a", "\xff", "\u2028\x00\"\\"} {
		f.Add(s, `{"a": "\u0041"}`, int64(0))
		f.Add(s, s, int64(1e12))
	}
	f.Fuzz(func(t *testing.T, text, data string, at int64) {
		e := Event{
			ID: text, Tenant: text, Type: Type(text), PartnerID: text, Portal: text, Time: time.UnixMilli(at % 9e12),
			Context: Context{Title: text, UTMContent: text}, Data: jsontext.Value(data),
		}
		sameBytes(t, &e)
	})
}

// BenchmarkMarshalCloudEvent compares the two ways.
func BenchmarkMarshalCloudEvent(b *testing.B) {
	e := Event{
		ID: "0197f3c2-7a5e-7c31-9d0a-000000000001", Type: ContentViewed, PartnerID: "p-0001", UserID: "u-17", SessionID: "s-99",
		Tenant: "acme", Portal: "main", Source: SourceAPI, IP: "192.0.2.0", KeyID: "server-1", Time: time.Now(), ReceivedAt: time.Now(),
		Context: Context{URL: "https://portal.example/library/battlecard-7", Title: "Battlecard Acme", Locale: "en-GB", Timezone: "Europe/Berlin"},
		Data:    jsontext.Value(`{"view_id":"v-2","content_id":"battlecard-7","kind":"pdf","pages":12,"words":3100,"entry_source":"search"}`),
	}
	for name, marshal := range map[string]func(*Event) ([]byte, error){
		"append": MarshalCloudEvent, "reflected": reflected,
		"decoded": func(e *Event) ([]byte, error) {
			return AppendDecodedCloudEvent(make([]byte, 0, CloudEventBytes(e)), e)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := marshal(&e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
