package collector

import (
	"context"
	"net/http"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
)

// Resolver finds the partner of an event that names none, before the log: the
// partner is part of the primary key and nothing may change it later.
type Resolver interface {
	// Partner gives the partner that a user belongs to; userID wins over
	// anonymousID, and either may be empty. It must not block.
	Partner(tenant, userID, anonymousID string) (partnerID string, ok bool)
}

// Directory is a Resolver that also learns.
type Directory interface {
	Resolver
	// Learn takes in what a durable event or call said.
	Learn(m directory.Membership)
	// Ready fails while not all is known that could be.
	Ready(ctx context.Context) error
}

// noDirectory knows nobody: events then need their own partner_id.
type noDirectory struct{}

// Partner finds nothing.
func (noDirectory) Partner(_, _, _ string) (string, bool) { return "", false }

// Learn forgets at once.
func (noDirectory) Learn(directory.Membership) {}

// Ready is always.
func (noDirectory) Ready(context.Context) error { return nil }

// resolve finds the partner of an event that names none: from what the same request
// said before, else from the directory.
func (c *Collector) resolve(e *event.Event, a *arrival) (partner string, ok bool) {
	user, visitor := e.UserID, e.AnonymousID
	if e.Type == event.UserUpserted {
		user, visitor = event.DescribedUser(e), "" // not who sent it, but whom it describes
	}
	for i := len(a.learnt) - 1; i >= 0; i-- {
		if m := &a.learnt[i]; user != "" && m.UserID == user || visitor != "" && m.UserID == "" && m.AnonymousID == visitor {
			return m.PartnerID, true
		}
	}
	if partner, ok = c.deps.Directory.Partner(a.key.Tenant, user, visitor); !ok {
		a.unresolved = true
	}
	return partner, ok
}

// learn notes for the rest of the request, and for the directory once the request
// is durable, whose a user or visitor is. What a page says with a public key is
// believed less than what a back end says.
func (a *arrival) learn(userID, anonymousID, partnerID string) {
	trust := directory.Vouched
	if a.key.Kind == keys.Browser && a.identity == nil {
		trust = directory.Claimed
	}
	a.learnt = append(a.learnt, directory.Membership{
		Tenant: a.key.Tenant, UserID: userID, AnonymousID: anonymousID, PartnerID: partnerID, At: a.at, Trust: trust,
	})
}

// learnFrom notes what an accepted event of the directory says.
func (a *arrival) learnFrom(e *event.Event) {
	if user := event.DescribedUser(e); user != "" {
		a.learnt = append(a.learnt, directory.Membership{
			Tenant: e.Tenant, UserID: user, PartnerID: e.PartnerID, At: e.Time, Trust: directory.Described,
		})
	}
}

// teach tells the directory what a request said that is durable now.
func (c *Collector) teach(a *arrival) {
	for _, m := range a.learnt {
		c.deps.Directory.Learn(m)
	}
	if a.identity == nil {
		return
	}
	if _, known := c.deps.Directory.Partner(a.key.Tenant, a.identity.User, ""); !known {
		c.deps.Directory.Learn(directory.Membership{
			Tenant: a.key.Tenant, UserID: a.identity.User, PartnerID: a.identity.Partner, At: a.at, Trust: directory.Vouched,
		})
	}
}

// stillLoading refuses a request of which an event could not be resolved while the
// directory is not complete: it may be resolved a moment later.
func (c *Collector) stillLoading(ctx context.Context, a *arrival) *failure {
	if !a.unresolved {
		return nil
	}
	if err := c.deps.Directory.Ready(ctx); err != nil {
		return &failure{http.StatusServiceUnavailable, "directory_loading",
			err.Error() + ": nothing of this request was taken, send it again with the same ids, or send partner_id with every event", c.cfg.RetryAfter}
	}
	return nil
}
