package segment_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/event"
)

// sent is one call as a script reports it.
type sent struct {
	Method string `json:"method"`
	Name   string `json:"name"`
	ID     string `json:"id"`
	Error  string `json:"error"`
}

// runScript makes the calls of calls.cjs with one SDK.
func runScript(t *testing.T, modules, script, collector, key string) []sent {
	t.Helper()
	out := npm.Node(t, modules, script, "URL_COLLECTOR="+collector, "WRITE_KEY="+key)
	var calls []sent
	if err := json.Unmarshal(out, &calls); err != nil {
		t.Fatalf("%s printed %q: %v", script, out, err)
	}
	return calls
}

// became is what calls.cjs becomes, in order: type, partner, person and data but for
// what has the call's id in it.
func became() []outcome {
	const user, device = "u-17", "device-1"
	return []outcome{
		{event.UserUpserted, user, `{"name":"Ann Lee","partner_id":"p-0001","role":"SE","user_id":"u-17"}`},
		{event.PartnerUpserted, user, `{"name":"Initech","partner_id":"p-0001","tier":"gold"}`},
		{event.UserUpserted, user, `{"user_id":"u-17"}`},
		{event.PortalLogin, user, `{"method":"saml"}`},
		{event.ContentViewed, user, `{"badge":"new","content_id":"battlecard-7","kind":"article","view_id":"ID","words":1200}`},
		{event.ContentDownloaded, user, `{"channel":"button","content_id":"guide-3"}`},
		{event.SearchPerformed, user, `{"query":"restore test","results_count":4,"search_id":"ID"}`},
		{event.TrainingCompleted, user, `{"course_id":"sales-101","progress":100}`},
		{event.DealWon, user, `{"amount":12500.50,"currency":"EUR","deal_id":"d-77"}`},
		{"custom.beta_enabled", user, `{"flag":"x"}`},
		{event.PortalLogin, user, `{}`},
		{event.PageViewed, user, `{"name":"Home","path":"/home","title":"Home","url":"https://portal.example/home","view_id":"ID"}`},
		{event.PageViewed, device, `{"name":"Deals","path":"/screen/Deals","tab":"open","title":"Deals","view_id":"ID"}`},
	}
}

type outcome struct {
	Type  event.Type
	Actor string
	Data  string
}

// outcomes gives the events in that form.
func outcomes(t *testing.T, events []*event.Event) []outcome {
	t.Helper()
	var out []outcome
	for _, e := range events {
		data := e.Data.Clone()
		if err := data.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		text := []byte(data)
		out = append(out, outcome{e.Type, e.Actor(), string(replaceID(text, e.ID))})
	}
	return out
}

// checkServerEvents holds what arrived to became().
func checkServerEvents(t *testing.T, s *stand) []*event.Event {
	t.Helper()
	events, rejects := s.taken()
	if len(rejects) != 0 {
		t.Errorf("%d rejects, the first is %+v", len(rejects), rejects[0])
	}
	want := became()
	for i := range want { // numbers as they stand in canonical JSON
		want[i].Data = canonical(t, want[i].Data)
	}
	if diff := cmp.Diff(want, outcomes(t, events)); diff != "" {
		t.Error(diff)
	}
	ids := map[string]bool{}
	for _, e := range events {
		if ids[e.ID] || e.ID == "" {
			t.Errorf("id %q is there twice", e.ID)
		}
		ids[e.ID] = true
		if e.Tenant != tenant || e.PartnerID != "p-0001" || e.Source != event.SourceSegment || e.KeyID != "srv" {
			t.Errorf("event %+v", e)
		}
		if age := e.ReceivedAt.Sub(e.Time); age < -time.Minute || age > time.Minute {
			t.Errorf("%s happened %s before it was received", e.Type, age)
		}
	}
	want1 := event.Context{
		URL: "https://portal.example/library?q=1", Referrer: "https://portal.example/", Title: "Library", UserAgent: "Mozilla/5.0 (test)",
		Locale: "de-DE", Timezone: "Europe/Berlin", Screen: "1920x1080", UTMCampaign: "spring", UTMSource: "mail", UTMMedium: "email",
	}
	if diff := cmp.Diff(want1, s.one(t, event.DealWon).Context); diff != "" {
		t.Error(diff)
	}
	return events
}

func TestAnalyticsNode(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	s := newStand(t, nil, modules, "{}")
	calls := runScript(t, modules, "analytics-node.cjs", s.collector, serverKey)
	events := checkServerEvents(t, s)
	byID := map[string]bool{}
	for _, e := range events {
		byID[e.ID] = true
	}
	for _, c := range calls {
		if c.Error != "" || !byID[c.ID] && c.Method != "alias" {
			t.Errorf("the SDK sent %+v, which is not there", c)
		}
	}
}

func TestRudderNode(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	s := newStand(t, nil, modules, "{}")
	calls := runScript(t, modules, "rudder-node.cjs", s.collector, serverKey)
	for _, c := range calls {
		if c.Error != "" {
			t.Errorf("the SDK says %+v", c)
		}
	}
	for _, e := range checkServerEvents(t, s) {
		if _, err := uuid.Parse(trimUser(e.ID)); err != nil {
			t.Errorf("id %q is not the SDK's: %v", e.ID, err)
		}
	}
}

// TestSDKsRepeatWhatWasNotDurable: a broker that does not answer at first costs a
// repetition, no event and no copy.
func TestSDKsRepeatWhatWasNotDurable(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	for _, script := range []string{"analytics-node.cjs", "rudder-node.cjs"} {
		t.Run(script, func(t *testing.T) {
			s := newStand(t, nil, modules, "{}")
			s.failures = 2
			for _, c := range runScript(t, modules, script, s.collector, serverKey) {
				if c.Error != "" {
					t.Errorf("the SDK gave up: %+v", c)
				}
			}
			checkServerEvents(t, s)
		})
	}
}

// TestSDKsDoNotRepeatWhatIsRefused: with a wrong key they stop and say so.
func TestSDKsDoNotRepeatWhatIsRefused(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	for _, script := range []string{"analytics-node.cjs", "rudder-node.cjs"} {
		s := newStand(t, nil, modules, "{}")
		for _, c := range runScript(t, modules, script, s.collector, "pp_srv_wrong") {
			if c.Error == "" {
				t.Errorf("%s: the SDK takes a refusal for success: %+v", script, c)
			}
		}
		if events, rejects := s.taken(); len(events)+len(rejects) != 0 {
			t.Errorf("%s: %d events and %d rejects of a wrong key", script, len(events), len(rejects))
		}
	}
}
