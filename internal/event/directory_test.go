package event

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func TestDirectoryKeys(t *testing.T) {
	for _, c := range []struct {
		typ           Type
		partner, data string
		want          string
	}{
		{PartnerUpserted, "p/1", `{"partner_id":"p/1"}`, "acme/p/1"},
		{UserUpserted, "p-1", `{"user_id":"u-1"}`, "acme/p-1\x1fuser\x1fu-1"},
		{ContentPublished, TenantWide, `{"content_id":"c"}`, "acme/-\x1fcontent\x1fc"},
		{ContentRetired, TenantWide, `{"content_id":"c"}`, "acme/-\x1fcontent\x1fc"},
		{CoursePublished, TenantWide, `{"course_id":"c"}`, "acme/-\x1fcourse\x1fc"},
		{CommitmentSet, "p-1", `{"cadence_days":90}`, "acme/p-1\x1fcommitment\x1f"},
	} {
		e := &Event{Type: c.typ, Tenant: "acme", PartnerID: c.partner, Data: jsontext.Value(c.data)}
		if got, err := DirectoryKey(e); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.typ, got, err, c.want)
		}
	}
	if _, err := DirectoryKey(&Event{Type: UserUpserted, Data: jsontext.Value(`{"user_id":7}`)}); err == nil {
		t.Error("a user that is a number got a key")
	}
}

func TestDescribedUser(t *testing.T) {
	for data, want := range map[string]string{`{"user_id":"u"}`: "u", `{"user_id":7}`: "", `{}`: "", ``: "", `[`: ""} {
		if got := DescribedUser(&Event{Type: UserUpserted, Data: jsontext.Value(data)}); got != want {
			t.Errorf("%s: %q", data, got)
		}
	}
	if got := DescribedUser(&Event{Type: PortalLogin, Data: jsontext.Value(`{"user_id":"u"}`)}); got != "" {
		t.Errorf("a login describes %q", got)
	}
}

// TestUserKeysReadBack: whatever the names hold, also slashes, the key tells them
// apart again, and starts with the partner's own key.
func TestUserKeysReadBack(t *testing.T) {
	name := rapid.StringMatching(`[a-z/.\-#é ]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		tenant := strings.ReplaceAll(name.Draw(t, "tenant"), "/", "")
		partner, user := name.Draw(t, "partner"), name.Draw(t, "user")
		data, err := jsontext.AppendQuote([]byte(`{"user_id":`), user)
		if err != nil {
			t.Fatal(err)
		}
		e := &Event{Type: UserUpserted, Tenant: tenant, PartnerID: partner, Data: append(data, '}')}
		key, err := DirectoryKey(e)
		if err != nil || !strings.HasPrefix(key, e.Key()+EntitySeparator) {
			t.Fatalf("key %q, %v", key, err)
		}
		if tn, p, u, ok := UserOfKey(key); !ok || tn != tenant || p != partner || u != user {
			t.Fatalf("read back %q %q %q %v of %q", tn, p, u, ok, key)
		}
	})
	for _, other := range []string{"", "acme/p-1", "acme/p-1\x1fcontent\x1fc", "acme/p-1\x1fuser\x1f", "\x1fuser\x1fu"} {
		if _, _, _, ok := UserOfKey(other); ok {
			t.Errorf("%q was taken for a user's", other)
		}
	}
}
