package collector

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/event"
)

// signedTrack is a call that carries a token where an SDK can put one.
func signedTrack(id, where, tok string) string {
	carry := map[string]string{
		"":             "",
		"integrations": `,"integrations":{"All":true,"PartnerPulse":{"identity":"` + tok + `"}}`,
		"context":      `,"context":{"partnerpulse_identity":"` + tok + `"}`,
		"context.traits": `,"context":{"traits":{"partnerpulse_identity":"` + tok +
			`"}}`,
	}[where]
	return `{"type":"track","event":"Signed In","messageId":"` + id + `","anonymousId":"x"` + carry + `}`
}

func TestIdentityInCalls(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), newDirectory(t), nil)
	tok := token(t, newSecret, "u-1", "p-1", time.Hour)
	for _, where := range []string{"integrations", "context", "context.traits"} {
		r.page("/v1/track", signedKey, "", signedTrack("m-"+where, where, tok))
		events, rejects, _ := r.log.take()
		if len(events) != 1 || len(rejects) != 0 || events[0].UserID != "u-1" || events[0].PartnerID != "p-1" {
			t.Errorf("%s: %d %s, %+v %+v", where, r.last.Code, r.last.Body, events, rejects)
		}
	}
	// One call of a batch tells for those beside it, and the batch for all of its calls.
	identify := `{"type":"identify","messageId":"i","userId":"u-1","traits":{"partnerpulse_identity":"` + tok + `"}}`
	r.page("/v1/batch", signedKey, "", `{"batch":[`+signedTrack("a", "", "")+","+identify+","+signedTrack("b", "", "")+`]}`)
	if events, rejects, _ := r.log.take(); len(events) != 2 || len(rejects) != 0 || events[0].UserID != "u-1" || events[1].PartnerID != "p-1" {
		t.Errorf("%s, %+v %+v", r.last.Body, events, rejects)
	}
	r.page("/v1/batch", signedKey, "", `{"integrations":{"PartnerPulse":{"identity":"`+tok+`"}},"batch":[`+signedTrack("c", "", "")+`]}`)
	if events, _, _ := r.log.take(); len(events) != 1 || events[0].UserID != "u-1" {
		t.Errorf("%s, %+v", r.last.Body, events)
	}
	// The user may change within a batch.
	other := token(t, oldSecret, "u-2", "p-2", time.Hour)
	r.page("/v1/batch", signedKey, "", `{"batch":[`+signedTrack("d", "context", tok)+","+signedTrack("e", "context", other)+","+signedTrack("f", "", "")+`]}`)
	events, _, _ := r.log.take()
	if len(events) != 3 || events[0].PartnerID != "p-1" || events[1].PartnerID != "p-2" || events[2].UserID != "u-2" {
		t.Errorf("%s, %+v", r.last.Body, events)
	}
}

// TestIdentityInCallsIsChecked: claims that contradict it, wrong and old tokens are
// refused, call by call; what is kept does not hold the token.
func TestIdentityInCallsIsChecked(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), newDirectory(t), nil)
	good, expired := token(t, newSecret, "u-1", "p-1", time.Hour), token(t, newSecret, "u-1", "p-1", -time.Minute)
	r.page("/v1/track", signedKey, "", signedTrack("none", "", ""))
	r.refused(http.StatusUnauthorized, "identity_missing")
	forged := strings.Replace(signedTrack("forged", "context", good), `{"partnerpulse`, `{"groupId":"p-9","partnerpulse`, 1)
	for name, call := range map[string]string{"forged": forged, "expired": signedTrack("m", "context", expired), "nonsense": signedTrack("m", "integrations", "nonsense-of-some-length")} {
		for _, key := range []string{signedKey, optionalKey} {
			r.page("/v1/track", key, "", call)
			events, rejects, _ := r.log.take()
			if r.last.Code != http.StatusForbidden || len(events) != 0 || len(rejects) != 1 || rejects[0].Code != event.CodeForbiddenPartner {
				t.Errorf("%s: %d %s, %+v %+v", name, r.last.Code, r.last.Body, events, rejects)
				continue
			}
			if kept := rejects[0].Original; strings.Contains(kept, good) || strings.Contains(kept, expired) || !strings.Contains(kept, "[identity]") {
				t.Errorf("%s: kept %s", name, kept)
			}
		}
	}
	// One bad call costs no other.
	r.page("/v1/batch", signedKey, "", fmt.Sprintf(`{"batch":[%s,%s]}`, signedTrack("old", "context", expired), signedTrack("new", "context", good)))
	if events, rejects, _ := r.log.take(); r.last.Code != http.StatusOK || len(events) != 1 || events[0].ID != "new" || len(rejects) != 1 {
		t.Errorf("%s: %+v %+v", r.last.Body, events, rejects)
	}
	if r.count("partnerpulse_collector_identity_total") == 0 {
		t.Error("nothing is counted")
	}
}

// TestTheTokenIsNotStored: what a server key says of a person leaves it out.
func TestTheTokenIsNotStored(t *testing.T) {
	r := newRig(t, nil)
	r.call(http.MethodPost, "/v1/identify", strings.NewReader(`{"messageId":"i","userId":"u-1","traits":{"partner_id":"p-1","name":"Ann","partnerpulse_identity":"eyJhbGciOiJIUzI1NiJ9.e30.x"}}`),
		func(q *http.Request) { q.SetBasicAuth(serverKey, "") })
	events, _, _ := r.log.take()
	if len(events) != 1 || strings.Contains(string(events[0].Data), "eyJ") {
		t.Errorf("%d %s %+v", r.last.Code, r.last.Body, events)
	}
}

func TestRudderStackConfig(t *testing.T) {
	r := newRig(t, nil)
	get := func(target, user string) int {
		return r.call(http.MethodGet, target, nil, func(q *http.Request) {
			q.Header.Set("Origin", portalPage)
			if user != "" {
				q.SetBasicAuth(user, "")
			}
		}).Code
	}
	if code := get("/sourceConfig/?v=3&writeKey="+webKey, webKey); code != http.StatusOK || !strings.Contains(r.last.Body.String(), `"destinations":[]`) ||
		r.last.Header().Get("Access-Control-Allow-Origin") != portalPage {
		t.Errorf("%d %s %v", code, r.last.Body, r.last.Header())
	}
	if code := get("/sourceConfig/?writeKey="+webKey, ""); code != http.StatusOK {
		t.Errorf("key in the address: %d", code)
	}
	for _, key := range []string{"nonsense", serverKey} {
		if code := get("/sourceConfig/?writeKey="+key, key); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", key, code)
		}
	}
}
