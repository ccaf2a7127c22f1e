package keys

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"partnerpulse/internal/identity"
)

// Reasons for turning a request away.
var (
	// ErrNoKey says that the request carries no key.
	ErrNoKey = errors.New("no write key: send it as \"Authorization: Bearer KEY\", as Basic authentication with the key as user name and an empty password, or, for a browser key, as ?key=KEY")
	// ErrUnknownKey says that there is no such key.
	ErrUnknownKey = errors.New("this write key is not known here: check for a truncated or a revoked key, and that it belongs to this server")
	// ErrServerKeyInURL says that a secret key came in the address, where logs keep it.
	ErrServerKeyInURL = errors.New("a server key must not be sent in the URL, where logs and proxies keep it: send it as \"Authorization: Bearer KEY\", and replace this key, since it is no longer secret")
	// ErrExpiredKey says that the key's life has ended (not_after).
	ErrExpiredKey = errors.New("this write key is no longer valid: its life ended as planned, use the key that replaced it")
	// ErrMalformedAuthorization says that the Authorization header cannot be read.
	ErrMalformedAuthorization = errors.New("the Authorization header is neither \"Bearer KEY\" nor \"Basic\" with base64 of \"KEY:\"")
)

// Ring is the set of valid keys. It is safe for concurrent use; Replace swaps the
// whole set at once.
type Ring struct {
	set atomic.Pointer[set]
}

type set struct {
	byDigest map[[sha256.Size]byte]*Key
	origins  []*Key // the browser keys
}

// NewRing checks the keys and makes a ring of them.
func NewRing(ks []Key) (*Ring, error) {
	r := new(Ring)
	return r, r.Replace(ks)
}

// Replace checks the keys and makes them the valid ones. On error the old set stays.
func (r *Ring) Replace(ks []Key) error {
	s := &set{byDigest: make(map[[sha256.Size]byte]*Key, len(ks))}
	ids := make(map[string]bool, len(ks))
	for _, k := range ks {
		if err := k.Validate(); err != nil {
			return err
		}
		d, err := k.digest()
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		if ids[k.ID] {
			return fmt.Errorf("key %s is configured twice", k.ID)
		}
		if other := s.byDigest[d]; other != nil {
			return fmt.Errorf("keys %s and %s have the same secret", other.ID, k.ID)
		}
		if k.Identity != nil {
			if k.verifier, err = identity.New(*k.Identity); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
		ids[k.ID], s.byDigest[d] = true, &k
		if k.Kind == Browser {
			s.origins = append(s.origins, &k)
		}
	}
	r.set.Store(s)
	return nil
}

// Lookup finds a valid key by its secret or public value. It compares hashes only,
// so its time tells nothing about how much of a guess was right.
func (r *Ring) Lookup(secret string) (*Key, bool) {
	k, ok := r.find(secret)
	if !ok || k.Expired(time.Now()) {
		return nil, false
	}
	return k, true
}

// find finds a key, also one whose life has ended.
func (r *Ring) find(secret string) (*Key, bool) {
	s := r.set.Load()
	if s == nil || secret == "" || len(secret) > lengthMax {
		return nil, false
	}
	d := sha256.Sum256([]byte(secret))
	k, ok := s.byDigest[d]
	if !ok {
		return nil, false
	}
	stored, err := k.digest()
	return k, err == nil && subtle.ConstantTimeCompare(stored[:], d[:]) == 1
}

// Authenticate finds the key that the request carries. Its errors are the Err
// values of this package. The Authorization header wins over ?key=.
func (r *Ring) Authenticate(req *http.Request) (*Key, error) {
	secret, inURL, err := presented(req)
	if err != nil {
		return nil, err
	}
	k, ok := r.find(secret)
	switch {
	case !ok && inURL && strings.HasPrefix(secret, ServerPrefix), ok && inURL && k.Kind == Server:
		return nil, ErrServerKeyInURL
	case !ok:
		return nil, ErrUnknownKey
	case k.Expired(time.Now()):
		return nil, ErrExpiredKey
	}
	return k, nil
}

// presented reads the key from the request.
func presented(req *http.Request) (secret string, inURL bool, err error) {
	header := req.Header.Get("Authorization")
	if header == "" {
		if req.URL.RawQuery != "" {
			secret = req.URL.Query().Get("key")
		}
		if secret == "" {
			return "", false, ErrNoKey
		}
		return secret, true, nil
	}
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "":
		return "", false, ErrMalformedAuthorization
	case strings.EqualFold(scheme, "Bearer"):
		return rest, false, nil
	case strings.EqualFold(scheme, "Basic"):
		b, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "", false, ErrMalformedAuthorization
		}
		user, _, _ := strings.Cut(string(b), ":")
		if user == "" {
			return "", false, ErrNoKey
		}
		return user, false, nil
	}
	return "", false, ErrMalformedAuthorization
}

// AllowsOrigin tells whether any browser key may be used by pages of the origin:
// all that can be known of a preflight request whose key will come in a header.
func (r *Ring) AllowsOrigin(origin string) bool {
	if s := r.set.Load(); s != nil {
		for _, k := range s.origins {
			if k.AllowsOrigin(origin) {
				return true
			}
		}
	}
	return false
}
