package forgotten_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"partnerpulse/internal/event"
	"partnerpulse/internal/forgotten"
)

var until = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func list(t testing.TB, kind forgotten.Kind, id string) *forgotten.List {
	t.Helper()
	l, err := forgotten.NewList([]forgotten.Entry{{Tenant: "demo", Kind: kind, Hash: forgotten.Hash("demo", kind, id), Until: until}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAnEventIsHeldAgainstTheList(t *testing.T) {
	anna, visitor, partner := list(t, forgotten.User, "anna"), list(t, forgotten.Visitor, "v-1"), list(t, forgotten.Partner, "p-1")
	for name, c := range map[string]struct {
		l    *forgotten.List
		e    event.Event
		want bool
	}{
		"her event":                  {anna, event.Event{UserID: "anna"}, true},
		"at the very moment":         {anna, event.Event{UserID: "anna", ReceivedAt: until}, true},
		"received later":             {anna, event.Event{UserID: "anna", ReceivedAt: until.Add(time.Millisecond)}, false},
		"another's":                  {anna, event.Event{UserID: "anna2"}, false},
		"another tenant's":           {anna, event.Event{Tenant: "other", UserID: "anna"}, false},
		"a partner of the same name": {anna, event.Event{PartnerID: "anna", UserID: "bob"}, false},
		"a visitor of the same name": {anna, event.Event{AnonymousID: "anna"}, false},
		"her description by another": {anna, event.Event{UserID: "admin", Type: event.UserUpserted, Data: []byte(`{"user_id":"anna"}`)}, true},
		"no description":             {anna, event.Event{UserID: "admin", Type: event.DealWon, Data: []byte(`{"user_id":"anna"}`)}, false},
		"the visitor":                {visitor, event.Event{AnonymousID: "v-1"}, true},
		"the visitor as another":     {visitor, event.Event{AnonymousID: "v-1", UserID: "bob"}, false},
		"the partner":                {partner, event.Event{PartnerID: "p-1", UserID: "bob"}, true},
		"another partner":            {partner, event.Event{PartnerID: "p-10", UserID: "bob"}, false},
		"nobody is on it":            {nil, event.Event{UserID: "anna"}, false},
	} {
		if c.e.Tenant == "" {
			c.e.Tenant = "demo"
		}
		if c.e.ReceivedAt.IsZero() {
			c.e.ReceivedAt = until.Add(-time.Hour)
		}
		if got := c.l.Holds(&c.e); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, err := forgotten.NewList([]forgotten.Entry{{Tenant: "demo", Hash: "anna"}}); err == nil {
		t.Error("a name in clear was taken for a hash")
	}
}

func TestTextsNameSomebodyAsAWhole(t *testing.T) {
	for text, want := range map[string]bool{
		`{"user_id":"anna@partner.example"}`:               true,
		`{"actor":{"mbox":"mailto:anna@partner.example"}}`: true,
		`uid=anna%40partner.example&t=1`:                   true,
		`the user anna@partner.example.`:                   true,
		`{"user_id":"joanna@partner.example"}`:             false,
		`{"user_id":"anna@partner.example.com"}`:           false,
		`{"a":"b\"","user_id":"anna\u0040partner.example"`: true,
		``:                                     false,
		`"`:                                    false,
		`{"broken":"\x, "anna@partner.example`: true,
	} {
		if got := forgotten.Names(text, "anna@partner.example"); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if got := list(t, forgotten.User, "anna@partner.example").HoldsText("demo", text, until); got != want {
			t.Errorf("%s held against the list: %v", text, got)
		}
	}
	if forgotten.Names(`{"n":7}`, "7") || !forgotten.Names(`{"n":"7"}`, "7") {
		t.Error("a number counts as an id, or an id does not")
	}
	if list(t, forgotten.User, "anna").HoldsText("demo", `"anna"`, until.Add(time.Second)) {
		t.Error("what came later is held against the list")
	}
}

// Whatever an id looks like, JSON and query strings that carry it name it.
func TestEveryIDIsFoundWhereItStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Za-z0-9äé@._/:|+ -]{4,30}`).Draw(t, "id")
		raw, err := json.Marshal(map[string]any{"a": 1, "user_id": id, "z": []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		if !forgotten.Names(string(raw), id) {
			t.Errorf("%s does not name %q", raw, id)
		}
		if trimmed := strings.Trim(id, ".-"); len(trimmed) >= 4 && trimmed == id {
			if q := "u=" + url.QueryEscape(id) + "&b=1"; !forgotten.Names(q, id) {
				t.Errorf("%s does not name %q", q, id)
			}
		}
	})
}
