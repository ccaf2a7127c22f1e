package collector

import (
	"errors"
	"net/http"

	"partnerpulse/internal/event"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/segment"
)

// signed is what a call of an SDK says of who is signed in, where the request itself
// says nothing.
type signed struct {
	claims  *identity.Claims // nil: nothing that is believed
	problem string           // why the call's token is not believed; "": it is, or there is none
}

// segmentCall is one call as read.
type segmentCall struct {
	*segment.Call
	problem *event.Problem // it cannot be read
	signed  *signed        // nil: the request says who is signed in, or the key asks nobody
}

// readSegment reads all calls, and who is signed in: a call's own token, else that of
// the last call before that has a good one, else that of the first one after. An SDK
// that collects calls so needs it in one of them. Without any, a key that needs an
// identity refuses the request.
func (c *Collector) readSegment(r *http.Request, body *segment.Body, a *arrival) ([]segmentCall, *failure) {
	calls := make([]segmentCall, len(body.Calls))
	for i := range calls {
		calls[i].Call, calls[i].problem = body.Read(i)
	}
	if a.key.Verifier() == nil || identityToken(r) != "" {
		return calls, nil
	}
	var first *identity.Claims
	seen := false
	for i := range calls {
		token := calls[i].Identity()
		if token == "" {
			continue
		}
		seen = true
		claims, err := c.verify(token, a.key.Verifier(), a.at)
		calls[i].signed = &signed{claims: claims}
		switch {
		case errors.Is(err, identity.ErrExpired):
			c.identities.results.WithLabelValues("expired").Inc()
			calls[i].signed.problem = err.Error()
		case err != nil:
			c.identities.results.WithLabelValues("invalid").Inc()
			calls[i].signed.problem = err.Error()
		default:
			c.identities.results.WithLabelValues("verified").Inc()
			if first == nil {
				first = claims
			}
		}
	}
	if !seen && a.key.NeedsIdentity() {
		return nil, c.checkIdentity(r, a.key)
	}
	now := first
	for i := range calls {
		switch s := calls[i].signed; {
		case s == nil:
			calls[i].signed = &signed{claims: now}
		case s.claims != nil:
			now = s.claims
		}
	}
	return calls, nil
}
