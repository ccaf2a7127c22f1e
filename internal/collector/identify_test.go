package collector

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

const (
	signedKey   = "pp_web_signed"   // needs an identity
	optionalKey = "pp_web_optional" // believes one, needs none
)

var (
	oldSecret = identity.Secret{ID: "old", Secret: "the-old-secret-of-32-bytes-or-more"}
	newSecret = identity.Secret{ID: "new", Secret: "the-new-secret-of-32-bytes-or-more"}
)

func identityKeys() []keys.Key {
	of := func(id, value string, required bool) keys.Key {
		return keys.Key{
			ID: id, Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: value, Origins: []string{portalPage},
			Identity: &identity.Config{Required: required, Secrets: []identity.Secret{oldSecret, newSecret}},
		}
	}
	return []keys.Key{
		of("signed", signedKey, true), of("optional", optionalKey, false),
		{ID: "srv", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(serverKey), Scopes: []keys.Scope{keys.Write, keys.Directory}},
		{ID: "web", Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: webKey, Origins: []string{portalPage}},
	}
}

// rigOf is a rig with other keys and a directory; ring is what may be replaced.
func rigOf(t testing.TB, ks []keys.Key, dir Directory, change func(*Config)) (r *rig, ring *keys.Ring) {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	ring, err := keys.NewRing(ks)
	if err != nil {
		t.Fatal(err)
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	r = &rig{t: t, log: &memoryLog{}, reg: prometheus.NewRegistry()}
	r.c, err = New(cfg, Deps{Publisher: r.log, Keys: ring, Schemas: set, Directory: dir}, zap.NewNop(), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	r.h = r.c.Handler()
	return r, ring
}

func token(t testing.TB, s identity.Secret, user, partner string, lives time.Duration) string {
	t.Helper()
	tok, err := identity.Sign(s, identity.Claims{User: user, Partner: partner, Expires: time.Now().Add(lives)}, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// page sends a body as a page does: the key, and the identity if there is one, in
// the address.
func (r *rig) page(path, key, tok, body string) {
	r.t.Helper()
	q := url.Values{"key": {key}}
	if tok != "" {
		q.Set("identity", tok)
	}
	r.call(http.MethodPost, path+"?"+q.Encode(), strings.NewReader(body), func(q *http.Request) { q.Header.Set("Origin", portalPage) })
	if r.last.Header().Get("Access-Control-Allow-Origin") != portalPage {
		r.t.Error("the page cannot read the answer")
	}
}

const bare = `{"id":"b-1","type":"portal.login","anonymous_id":"x"}`

func TestIdentityFillsIn(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), nil, nil)
	for _, key := range []string{signedKey, optionalKey} {
		for _, secret := range []identity.Secret{oldSecret, newSecret} { // both of a rotation
			for _, body := range []string{bare, login("a", "")} {
				r.page("/v1/events", key, token(t, secret, "u-1", "p-1", time.Hour), body)
				r.answered(http.StatusAccepted)
				events, _, _ := r.log.take()
				if e := events[0]; e.PartnerID != "p-1" || e.UserID != "u-1" {
					t.Errorf("the event belongs to %q, %q", e.PartnerID, e.UserID)
				}
			}
		}
	}
	// In a header as well; it wins over the address.
	r.call(http.MethodPost, "/v1/events?key="+signedKey+"&identity=nonsense", strings.NewReader(bare), func(q *http.Request) {
		q.Header.Set("X-PartnerPulse-Identity", token(t, newSecret, "u-2", "p-2", time.Hour))
	})
	r.answered(http.StatusAccepted)
	if events, _, _ := r.log.take(); events[0].PartnerID != "p-2" {
		t.Errorf("partner %q", events[0].PartnerID)
	}
	// Keys that believe no identity ignore it; an optional one may be absent.
	for _, key := range []string{webKey, optionalKey} {
		tok := ""
		if key == webKey {
			tok = "nonsense"
		}
		r.page("/v1/events", key, tok, login("a", ""))
		r.answered(http.StatusAccepted)
	}
}

// TestForgedClaims: with signed identity on, a page cannot claim another partner.
func TestForgedClaims(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), nil, nil)
	tok := token(t, newSecret, "u-1", "p-1", time.Hour)
	forgedPartner := `{"id":"f-1","type":"portal.login","partner_id":"p-2","user_id":"u-1"}`
	forgedUser := `{"id":"f-2","type":"portal.login","partner_id":"p-1","user_id":"u-2"}`
	for body, pointer := range map[string]string{forgedPartner: "/partner_id", forgedUser: "/user_id"} {
		for _, key := range []string{signedKey, optionalKey} {
			r.page("/v1/events", key, tok, body)
			if got := r.answered(http.StatusForbidden); got.Rejected != 1 || got.Errors[0].Code != event.CodeForbiddenPartner || got.Errors[0].Pointer != pointer {
				t.Errorf("answer %+v", got)
			}
			events, rejects, _ := r.log.take()
			if len(events) != 0 || len(rejects) != 1 || rejects[0].Code != event.CodeForbiddenPartner || rejects[0].Original != body {
				t.Errorf("%d events, rejects %+v", len(events), rejects)
			}
		}
	}
	if n := r.count("partnerpulse_collector_identity_total", "forged"); n != 4 {
		t.Errorf("%v forged claims counted", n)
	}
	if n := r.count("partnerpulse_collector_events_rejected_total", "forbidden_partner"); n != 4 {
		t.Errorf("%v rejects counted", n)
	}
	if n := r.count("partnerpulse_collector_requests_total", "events", "403"); n != 4 {
		t.Errorf("%v refused requests counted", n)
	}
	// One forged event does not stop the others.
	r.page("/v1/events", signedKey, tok, "["+forgedPartner+","+login("a", "")+"]")
	if got := r.answered(http.StatusAccepted); got.Accepted != 1 || got.Errors[0].Index != 0 {
		t.Errorf("answer %+v", got)
	}
	r.log.take()
	r.page("/v1/beacon", signedKey, tok, forgedPartner)
	if r.last.Code != http.StatusForbidden {
		t.Errorf("a beacon is answered %d", r.last.Code)
	}
	r.page("/v1/beacon", signedKey, tok, bare)
	if r.last.Code != http.StatusNoContent {
		t.Errorf("a good beacon is answered %d", r.last.Code)
	}
}

func TestIdentityIsMissingOrWrong(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), nil, nil)
	other := identity.Secret{ID: "new", Secret: "somebody-elses-secret-of-32-bytes-x"}
	for name, c := range map[string]struct {
		key, tok, code, says string
	}{
		"missing":            {signedKey, "", "identity_missing", "back end"},
		"expired":            {signedKey, token(t, newSecret, "u-1", "p-1", -time.Minute), "identity_expired", "sign a new one"},
		"expired, optional":  {optionalKey, token(t, newSecret, "u-1", "p-1", -time.Minute), "identity_expired", "sign a new one"},
		"another's":          {signedKey, token(t, other, "u-1", "p-1", time.Hour), "identity_invalid", "signature"},
		"nonsense":           {signedKey, "nonsense", "identity_invalid", "JSON Web Token"},
		"nonsense, optional": {optionalKey, "a.b", "identity_invalid", "base64url"},
		"too long":           {signedKey, strings.Repeat("x", identity.TokenBytesMax+1), "identity_invalid", "4096"},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			for _, path := range []string{"/v1/events", "/v1/beacon"} {
				r.page(path, c.key, c.tok, login("a", ""))
				if e := r.refused(http.StatusUnauthorized, c.code); !strings.Contains(e.Message, c.says) {
					t.Errorf("message %q does not say %q", e.Message, c.says)
				}
			}
			if len(r.log.msgs) != 0 {
				t.Error("something was published")
			}
			if r.count("partnerpulse_collector_identity_total", strings.TrimPrefix(c.code, "identity_")) == 0 {
				t.Error("not counted")
			}
		})
	}
}

// TestIdentityEndsWithItsTimeAndItsSecret: what was verified once is remembered, but
// not longer than the token lives and the key is valid.
func TestIdentityEndsWithItsTimeAndItsSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ring := rigOf(t, identityKeys(), nil, nil)
		short, long := token(t, oldSecret, "u-1", "p-1", time.Minute), token(t, oldSecret, "u-1", "p-1", time.Hour)
		for range 2 {
			for _, tok := range []string{short, long} {
				r.page("/v1/events", signedKey, tok, bare)
				r.answered(http.StatusAccepted)
			}
		}
		time.Sleep(2 * time.Minute)
		r.page("/v1/events", signedKey, short, bare)
		r.refused(http.StatusUnauthorized, "identity_expired")
		r.page("/v1/events", signedKey, long, bare)
		r.answered(http.StatusAccepted)
		without := identityKeys()
		without[0].Identity.Secrets = []identity.Secret{newSecret}
		if err := ring.Replace(without); err != nil {
			t.Fatal(err)
		}
		r.page("/v1/events", signedKey, long, bare)
		r.refused(http.StatusUnauthorized, "identity_invalid")
	})
}

// TestAWayInThatForgetsTheIdentityFailsClosed: the rules refuse by themselves.
func TestAWayInThatForgetsTheIdentityFailsClosed(t *testing.T) {
	r, ring := rigOf(t, identityKeys(), nil, nil)
	key, _ := ring.Lookup(signedKey)
	drafts := []draft{{event: event.Event{ID: "a", Type: event.PortalLogin, PartnerID: "p-1", UserID: "u-1"}}}
	out := r.c.judge(drafts, &arrival{key: key, at: time.Now()})
	if len(out.accepted) != 0 || out.rejected[0].problem.Code != event.CodeForbiddenPartner || !out.allForbidden() {
		t.Errorf("outcome %+v", out)
	}
}

func TestIdentityHeaderPassesPreflight(t *testing.T) {
	r, _ := rigOf(t, identityKeys(), nil, nil)
	r.call(http.MethodOptions, "/v1/events?key="+signedKey, nil, func(q *http.Request) {
		q.Header.Set("Origin", portalPage)
		q.Header.Set("Access-Control-Request-Headers", "x-partnerpulse-identity")
	})
	if h := r.last.Header().Get("Access-Control-Allow-Headers"); r.last.Code != http.StatusNoContent || !strings.Contains(h, "X-PartnerPulse-Identity") {
		t.Errorf("%d, allowed headers %q", r.last.Code, h)
	}
}

// TestIdentityTeachesTheDirectory: a back end's event of the same user needs no partner.
func TestIdentityTeachesTheDirectory(t *testing.T) {
	dir := newDirectory(t)
	dir.MarkLoaded()
	r, _ := rigOf(t, identityKeys(), dir, nil)
	r.page("/v1/events", signedKey, token(t, newSecret, "u-1", "p-1", time.Hour), bare)
	r.answered(http.StatusAccepted)
	r.post(serverKey, `{"id":"s","type":"portal.login","user_id":"u-1"}`)
	r.answered(http.StatusAccepted)
	if events, _, _ := r.log.take(); len(events) != 2 || events[1].PartnerID != "p-1" {
		t.Errorf("events %+v", events)
	}
	// What the directory was told otherwise wins, and stays.
	dir.Learn(directory.Membership{Tenant: "acme", UserID: "u-1", PartnerID: "p-9", At: time.Now(), Trust: directory.Described})
	r.page("/v1/events", signedKey, token(t, newSecret, "u-1", "p-1", time.Hour), bare)
	if p, _ := dir.Partner("acme", "u-1", ""); p != "p-9" {
		t.Errorf("the directory says %q", p)
	}
}

func newDirectory(t testing.TB) *directory.Directory {
	t.Helper()
	dir, err := directory.New(directory.DefaultConfig(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The directory is what the collector runs with.
var _ Directory = (*directory.Directory)(nil)
