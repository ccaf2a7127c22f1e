package event

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawEvent gives any event that the collector could accept.
func drawEvent(t *rapid.T) *Event {
	text := func(name string) string { return rapid.String().Draw(t, name) }
	name := rapid.StringN(1, NameLengthMax, -1)
	instant := rapid.Int64Range(0, time.Date(2261, 12, 31, 23, 59, 59, 0, time.UTC).UnixMilli())
	data, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.Custom(func(t *rapid.T) any {
		return rapid.SampledFrom([]any{"x\n\"", 1.5, true, nil, []any{"é"}, map[string]any{}, -7e300}).Draw(t, "value")
	})).Draw(t, "data"), json.Deterministic(true))
	if err != nil {
		t.Fatalf("encoding data: %v", err)
	}
	return &Event{
		ID: name.Draw(t, "id"), Type: rapid.SampledFrom(append(Types(), "custom.x")).Draw(t, "type"),
		Time: time.UnixMilli(instant.Draw(t, "time")).UTC(), PartnerID: name.Draw(t, "partner"),
		UserID: name.Draw(t, "user"), AnonymousID: text("anonymous"), SessionID: text("session"), Internal: rapid.Bool().Draw(t, "internal"),
		Context: Context{URL: text("url"), Referrer: text("referrer"), Title: text("title"), UserAgent: text("agent"), Locale: text("locale"),
			Timezone: text("zone"), Screen: text("screen"), UTMSource: text("source"), UTMMedium: text("medium"), UTMCampaign: text("campaign"),
			UTMTerm: text("term"), UTMContent: text("content")},
		Data: data, Tenant: name.Draw(t, "tenant"), Portal: text("portal"), ReceivedAt: time.UnixMilli(instant.Draw(t, "received")).UTC(),
		Source: rapid.SampledFrom([]Source{SourceAPI, SourceTracker, SourceXAPI}).Draw(t, "source"), IP: text("ip"), KeyID: text("key"),
	}
}

func TestCloudEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b, err := MarshalCloudEvent(e)
		if err != nil {
			t.Fatalf("encoding: %v", err)
		}
		back, err := UnmarshalCloudEvent(b)
		if err != nil {
			t.Fatalf("decoding %s: %v", b, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatal(diff)
		}
		again, err := MarshalCloudEvent(back)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("equal events give\n%s and\n%s (%v)", b, again, err)
		}
	})
}

// TestWireForm fixes the bytes on the topic: consumers in other languages read them.
func TestWireForm(t *testing.T) {
	e := &Event{ID: "e-1", Type: PortalLogin, Time: time.Date(2026, 11, 3, 10, 15, 0, 7e6, time.FixedZone("", 3600)), PartnerID: "p", AnonymousID: "a",
		Internal: true, Context: Context{UTMSource: "mail"}, Tenant: "acme", Portal: "main", ReceivedAt: time.Date(2026, 11, 3, 9, 15, 1, 0, time.UTC),
		Source: SourceAPI, IP: "192.0.2.0", KeyID: "k"}
	const want = `{"specversion":"1.0","id":"e-1","source":"/acme/main","type":"portal.login","subject":"p","time":"2026-11-03T09:15:00.007Z",` +
		`"datacontenttype":"application/json","tenant":"acme","portal":"main","anonymousid":"a","internal":true,"receivedat":"2026-11-03T09:15:01.000Z",` +
		`"via":"api","ip":"192.0.2.0","keyid":"k","utmsource":"mail","data":{}}`
	b, err := MarshalCloudEvent(e)
	if err != nil || string(b) != want {
		t.Fatalf("got\n%s, want\n%s (%v)", b, want, err)
	}
	if _, err := UnmarshalCloudEvent([]byte(strings.Replace(want, `"data"`, `"later":{"x":1},"data"`, 1))); err != nil {
		t.Errorf("an attribute of a newer collector is refused: %v", err)
	}
}

func TestIncompleteEventsAreRefused(t *testing.T) {
	base := map[string]any{"specversion": "1.0", "id": "i", "type": "portal.login", "subject": "p", "time": "2026-01-01T00:00:00Z",
		"tenant": "t", "userid": "u", "receivedat": "2026-01-01T00:00:00Z", "data": map[string]any{}}
	encode := func(change map[string]any) []byte {
		doc := map[string]any{}
		for k, v := range base {
			doc[k] = v
		}
		for k, v := range change {
			if v == nil {
				delete(doc, k)
				continue
			}
			doc[k] = v
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := UnmarshalCloudEvent(encode(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := UnmarshalCloudEvent(encode(map[string]any{"userid": nil, "type": "content.published"})); err != nil {
		t.Errorf("a directory event needs no user: %v", err)
	}
	for name, change := range map[string]map[string]any{
		"no id": {"id": nil}, "no type": {"type": nil}, "no tenant": {"tenant": nil}, "no partner": {"subject": nil}, "nobody": {"userid": nil},
		"before 1970": {"time": "1969-12-31T23:59:59Z"}, "after 2261": {"time": "2262-01-01T00:00:00Z"}, "no data": {"data": nil},
		"data is a list": {"data": []any{}}, "another version": {"specversion": "0.3"},
	} {
		if _, err := UnmarshalCloudEvent(encode(change)); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]map[string]any{"no time": {"time": nil}, "bad time": {"time": "now"}, "no arrival": {"receivedat": nil}, "id is a number": {"id": 1}} {
		if _, err := UnmarshalCloudEvent(encode(change)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzUnmarshalCloudEvent(f *testing.F) {
	e := &Event{ID: "e", Type: ContentViewed, Time: time.UnixMilli(0), PartnerID: "p", UserID: "u", Tenant: "t", Source: SourceAPI,
		Data: jsontext.Value(`{"a":[1.50,"\u00e9"]}`)}
	b, err := MarshalCloudEvent(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"specversion":"1.0"}`))
	f.Add(bytes.Replace(b, []byte("1970"), []byte("0000"), 1))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := UnmarshalCloudEvent(b)
		if err != nil {
			return
		}
		first, err := MarshalCloudEvent(e)
		if err != nil {
			t.Fatalf("encoding what was decoded: %v", err)
		}
		back, err := UnmarshalCloudEvent(first)
		if err != nil {
			// Only an arrival out of range can be decoded and not written again.
			if e.ReceivedAt.Year() >= 0 && e.ReceivedAt.Year() <= 9999 {
				t.Fatalf("decoding what was encoded, %s: %v", first, err)
			}
			return
		}
		second, err := MarshalCloudEvent(back)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("not stable:\n%s\n%s (%v)", first, second, err)
		}
	})
}

func TestRejectKeepsTheOriginalBytes(t *testing.T) {
	at := time.Date(2026, 11, 3, 10, 0, 0, 999999, time.FixedZone("", 3600))
	rapid.Check(t, func(t *rapid.T) {
		original := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "original")
		p := &Problem{Code: CodeSchema, Pointer: "/data/x", Message: "wrong"}
		b, err := NewReject(at, "collector", p, original).Marshal()
		if err != nil {
			t.Fatalf("encoding: %v", err)
		}
		var r Reject
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatalf("decoding %s: %v", b, err)
		}
		got, err := r.Bytes()
		if err != nil || !bytes.Equal(got, original) {
			t.Fatalf("%x came back as %x (%v)", original, got, err)
		}
		if r.RejectedAt != "2026-11-03T09:00:00.000Z" || r.Stage != "collector" || r.Code != CodeSchema || r.Pointer != "/data/x" || r.Message != "wrong" {
			t.Fatalf("reject %+v", r)
		}
	})
}

func TestRejectEncoding(t *testing.T) {
	p := &Problem{Code: CodeMalformed}
	for original, want := range map[string]string{"{}": "utf-8", "é\x00": "utf-8", "": "utf-8", "\xff{}": "base64", "\xed\xa0\x80": "base64"} {
		if got := NewReject(time.Now(), "enricher", p, []byte(original)).Encoding; got != want {
			t.Errorf("%q is kept as %s, not %s", original, got, want)
		}
	}
	if _, err := (&Reject{Encoding: "base64", Original: "%"}).Bytes(); err == nil {
		t.Error("broken base64 was decoded")
	}
	if p.Error() != `malformed_json at "": ` {
		t.Errorf("error text %q", p.Error())
	}
}

func TestTypes(t *testing.T) {
	seen := map[Type]bool{}
	directory, wide, interactive := 0, 0, 0
	for _, typ := range Types() {
		if seen[typ] || typ.IsCustom() {
			t.Errorf("%s is listed twice or custom", typ)
		}
		seen[typ] = true
		if typ.IsTenantWide() && !typ.IsDirectory() || typ.IsDirectory() && typ.IsInteractive() {
			t.Errorf("%s: tenant-wide types are directory types, and those make no sessions", typ)
		}
		for _, n := range []struct {
			is bool
			n  *int
		}{{typ.IsDirectory(), &directory}, {typ.IsTenantWide(), &wide}, {typ.IsInteractive(), &interactive}} {
			if n.is {
				*n.n++
			}
		}
	}
	if len(seen) != 35 || directory != 6 || wide != 3 || interactive != 10 {
		t.Errorf("%d types, %d directory, %d tenant-wide, %d interactive", len(seen), directory, wide, interactive)
	}
	for typ, want := range map[Type]bool{"custom.x": true, "custom.": false, "custom": false, "customs.x": false} {
		if typ.IsCustom() != want {
			t.Errorf("%s custom: %v", typ, !want)
		}
	}
}

func TestKeyAndActor(t *testing.T) {
	e := &Event{Tenant: "acme", PartnerID: "p-1", AnonymousID: "a"}
	if e.Key() != "acme/p-1" || e.Actor() != "a" {
		t.Errorf("key %s, actor %s", e.Key(), e.Actor())
	}
	e.UserID = "u"
	if e.Actor() != "u" {
		t.Errorf("actor %s of a known user", e.Actor())
	}
}
