package collector

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"partnerpulse/internal/event"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/keys"
)

// identityHeader and identityParameter carry the signed identity; the header wins.
// A beacon, and a request that must do without preflight, has only the address.
const (
	identityHeader    = "X-PartnerPulse-Identity"
	identityParameter = "identity"
)

// verifiedMax is how many verified tokens are remembered, so that a page's token is
// verified once and not with each of its requests. About 200 bytes each.
const verifiedMax = 20_000

// verifying is one token as checked by one verifier. Changed keys come with another
// verifier, so nothing is believed longer than its key.
type verifying struct {
	by    *identity.Verifier
	token [sha256.Size]byte
}

// identities checks signed identities and remembers those that are good.
type identities struct {
	good    *lru.Cache[verifying, identity.Claims]
	results *prometheus.CounterVec
}

func newIdentities(reg prometheus.Registerer) (*identities, error) {
	good, err := lru.New[verifying, identity.Claims](verifiedMax)
	if err != nil {
		return nil, fmt.Errorf("making the memory of identities: %w", err)
	}
	return &identities{good: good, results: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "partnerpulse_collector_identity_total",
		Help: "Signed identities by result: requests with one that is verified, expired or invalid, or missing where it is required; events whose claim contradicts it (forged).",
	}, []string{"result"})}, nil
}

// identityOf gives what the signed identity of a request says; nil when there is
// none, or the key believes none.
func (c *Collector) identityOf(r *http.Request, key *keys.Key, now time.Time) (*identity.Claims, error) {
	by := key.Verifier()
	if by == nil {
		return nil, nil
	}
	token := identityToken(r)
	if token == "" {
		return nil, nil
	}
	return c.verify(token, by, now)
}

// verify checks one token.
func (c *Collector) verify(token string, by *identity.Verifier, now time.Time) (*identity.Claims, error) {
	id := verifying{by: by, token: sha256.Sum256([]byte(token))}
	if known, ok := c.identities.good.Get(id); ok && now.Before(known.Expires) {
		return &known, nil
	}
	claims, err := by.Verify(token, now)
	if err != nil {
		return nil, err
	}
	c.identities.good.Add(id, claims)
	return &claims, nil
}

func identityToken(r *http.Request) string {
	if token := r.Header.Get(identityHeader); token != "" {
		return token
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get(identityParameter)
}

// checkIdentity refuses a request whose signed identity is wrong or is missing.
func (c *Collector) checkIdentity(r *http.Request, key *keys.Key) *failure {
	if key.Verifier() == nil {
		return nil
	}
	claims, err := c.identityOf(r, key, time.Now())
	refuse := func(result, message string) *failure {
		c.identities.results.WithLabelValues(result).Inc()
		return &failure{http.StatusUnauthorized, "identity_" + result, message, 0}
	}
	switch {
	case errors.Is(err, identity.ErrExpired):
		return refuse("expired", err.Error())
	case err != nil:
		return refuse("invalid", err.Error())
	case claims != nil:
		c.identities.results.WithLabelValues("verified").Inc()
	// What is fetched with GET, such as settings, brings no events of its own; a
	// pixel's event is refused by the rules.
	case key.NeedsIdentity() && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return refuse("missing", "this key takes events with a signed identity only: let the portal's back end sign who is signed in, and send the token as "+
			identityHeader+" or ?"+identityParameter+"=")
	}
	return nil
}

// checkClaim holds an event to the signed identity of its request, and fills in what
// the event leaves out. Without an identity, a key that needs one is refused here as
// well, whichever way the event came in.
func (c *Collector) checkClaim(d *draft, a *arrival) *event.Problem {
	e := &d.event
	refuse := func(result, pointer, message string) *event.Problem {
		c.identities.results.WithLabelValues(result).Inc()
		d.forged = true
		return &event.Problem{Code: event.CodeForbiddenPartner, Pointer: pointer, Message: message}
	}
	says := a.identity
	if d.signed != nil {
		says = d.signed.claims
		if d.signed.problem != "" {
			d.forged = true
			return &event.Problem{Code: event.CodeForbiddenPartner, Message: d.signed.problem}
		}
	}
	switch {
	case says == nil && a.key.NeedsIdentity():
		return refuse("missing", "", "this key takes events with a signed identity only")
	case says == nil:
		return nil
	case e.PartnerID != "" && e.PartnerID != says.Partner:
		return refuse("forged", "/partner_id", "is not the partner of the signed identity: leave partner_id out, or send the identity of this partner's user")
	case e.UserID != "" && e.UserID != says.User:
		return refuse("forged", "/user_id", "is not the user of the signed identity: leave user_id out, or send the identity of this user")
	}
	e.PartnerID, e.UserID = says.Partner, says.User
	return nil
}

// allForbidden tells that nothing was accepted and some of it because it contradicts
// the signed identity.
func (out *outcome) allForbidden() bool {
	if len(out.accepted) > 0 {
		return false
	}
	for i := range out.rejected {
		if out.rejected[i].draft.forged {
			return true
		}
	}
	return false
}
