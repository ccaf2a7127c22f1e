package collector

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"partnerpulse/internal/directory"
	"partnerpulse/internal/event"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/keys"
)

// authenticate finds the key and applies its scope, its origin allow-list, its rate
// and its signed identity. It sets the CORS headers, so that a page can read the
// refusals that follow.
func (c *Collector) authenticate(w http.ResponseWriter, r *http.Request) (*keys.Key, *failure) {
	key, fail := c.authenticateKey(w, r)
	if fail == nil {
		fail = c.checkIdentity(r, key)
	}
	if fail != nil {
		return nil, fail
	}
	return key, nil
}

// authenticateKey is authenticate for a request whose body may have the identity.
func (c *Collector) authenticateKey(w http.ResponseWriter, r *http.Request) (*keys.Key, *failure) {
	origin := r.Header.Get("Origin")
	key, err := c.deps.Keys.Authenticate(r)
	if err != nil {
		if origin != "" && c.deps.Keys.AllowsOrigin(origin) {
			allowOrigin(w, origin, false)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="PartnerPulse write key"`)
		return nil, &failure{http.StatusUnauthorized, authCode(err), err.Error(), 0}
	}
	if key.Kind == keys.Browser && origin != "" {
		if !key.AllowsOrigin(origin) {
			return nil, originRefused(origin)
		}
		allowOrigin(w, origin, key.AnyOrigin())
	}
	if !key.Has(keys.Write) {
		return nil, &failure{http.StatusForbidden, "missing_scope", "this key lacks the scope \"write\", which sending events needs", 0}
	}
	if fail := c.limits.check(key); fail != nil {
		return nil, fail
	}
	return key, nil
}

func authCode(err error) string {
	switch {
	case errors.Is(err, keys.ErrNoKey):
		return "no_key"
	case errors.Is(err, keys.ErrServerKeyInURL):
		return "server_key_in_url"
	case errors.Is(err, keys.ErrMalformedAuthorization):
		return "malformed_authorization"
	case errors.Is(err, keys.ErrExpiredKey):
		return "expired_key"
	}
	return "unknown_key"
}

func originRefused(origin string) *failure {
	if len(origin) > 200 {
		origin = origin[:200]
	}
	return &failure{http.StatusForbidden, "origin_not_allowed", "pages of " + strings.ToValidUTF8(origin, "?") +
		" may not use this key: add the origin to the key's origins", 0}
}

// allowOrigin lets a page read the answer. Credentials are never allowed: keys
// travel in the address or a header, cookies play no part.
func allowOrigin(w http.ResponseWriter, origin string, anyOrigin bool) {
	h := w.Header()
	if anyOrigin {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	}
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// preflightHeaders are what browsers may send; the second line is Segment's and
// RudderStack's.
const preflightHeaders = "Authorization, Content-Type, Content-Encoding, " + identityHeader +
	", X-Retry-Count, AnonymousId, SentAt, Rsa-Recovered, Rsa-Retry-Attempt, Rsa-Since-Last-Attempt, Rsa-Since-First-Attempt, Rsa-Retry-Reason"

// preflight answers a browser that asks before sending. The key is known only when
// it is in the address; else it is enough that some browser key has the origin.
func (c *Collector) preflight(w http.ResponseWriter, r *http.Request, name string) {
	c.preflightFor(w, r, name, "POST", preflightHeaders)
}

// preflightFor is preflight for other methods and headers.
func (c *Collector) preflightFor(w http.ResponseWriter, r *http.Request, name, methods, headers string) {
	h := w.Header()
	origin := r.Header.Get("Origin")
	if origin == "" {
		h.Set("Allow", methods+", OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		c.metrics.requests.WithLabelValues(name, "204", "").Inc()
		return
	}
	allowed, anyOrigin := c.deps.Keys.AllowsOrigin(origin), false
	if r.URL.Query().Has("key") {
		key, err := c.deps.Keys.Authenticate(r)
		if err != nil {
			c.refuse(w, name, &failure{http.StatusUnauthorized, authCode(err), err.Error(), 0})
			return
		}
		allowed, anyOrigin = key.AllowsOrigin(origin), key.AnyOrigin()
	}
	if !allowed {
		c.refuse(w, name, originRefused(origin))
		return
	}
	allowOrigin(w, origin, anyOrigin)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	c.metrics.requests.WithLabelValues(name, "204", "").Inc()
}

// arrival is what a request says about all of its events.
type arrival struct {
	key       *keys.Key
	at        time.Time // UTC, milliseconds
	source    event.Source
	ip        string // truncated
	userAgent string // for events of browser keys that name none
	tenant    Tenant

	identity   *identity.Claims       // verified; nil: none
	learnt     []directory.Membership // what the request has said so far, to be taught to the directory
	unresolved bool                   // the directory did not know the partner of some event
}

func (c *Collector) arrivalOf(r *http.Request, key *keys.Key) *arrival {
	a := &arrival{
		key: key, at: time.Now().UTC().Truncate(time.Millisecond), source: event.SourceAPI,
		ip: truncatedIP(clientIP(r, c.proxies)), tenant: c.cfg.Tenants[key.Tenant],
	}
	// What is wrong with it was told by authenticate; a nil one fails closed in checkClaim.
	a.identity, _ = c.identityOf(r, key, a.at)
	if key.Kind == keys.Browser {
		a.source = event.SourceTracker
		a.userAgent = limit(strings.ToValidUTF8(r.UserAgent(), "�"), event.ContextLengthMax)
	}
	return a
}

// clientIP is the address of the client: the connection's, or, when that is a
// trusted proxy, the last address in X-Forwarded-For that is not one. Whatever
// stands left of it is the client's own claim.
func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := port.Addr().Unmap()
	if !contains(trusted, ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return ip
		}
		ip = hop.Unmap()
		if !contains(trusted, ip) {
			return ip
		}
	}
	return ip
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// truncatedIP keeps the network only: /24 of IPv4, /48 of IPv6.
func truncatedIP(ip netip.Addr) string {
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil || !ip.IsValid() {
		return "" // no address, for example on a Unix socket
	}
	return p.Addr().String()
}

// limit cuts s to at most n characters.
func limit(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
