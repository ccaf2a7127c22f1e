// Package keys knows the write keys: what each may do, how a request carries one,
// and how a new one is made. Secrets of server keys are kept as hashes only.
package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/identity"
)

// Kind tells public keys from secret ones.
type Kind string

// The kinds.
const (
	Browser Kind = "browser" // public, in web pages: an origin allow-list goes with it
	Server  Kind = "server"  // secret, in back ends
)

// Scope is one thing that a key may do.
type Scope string

// The scopes.
const (
	Write     Scope = "write"     // send events
	Backfill  Scope = "backfill"  // send events older than the tenant's late limit; server keys only
	Directory Scope = "directory" // describe partners, users, content and courses; server keys only
	Alerts    Scope = "alerts"    // acknowledge, snooze and rebaseline alerts; server keys only
)

// Prefixes of generated keys, so that people and secret scanners recognise them.
const (
	ServerPrefix  = "pp_srv_"
	BrowserPrefix = "pp_web_"
)

// lengthMax bounds a presented key, in bytes; longer ones are not even hashed.
const lengthMax = 256

// Key is one write key. Several keys of one portal may be valid at once: that is
// how a key is rotated.
type Key struct {
	// ID names the key in events, logs and metrics; it is not secret.
	ID     string `yaml:"id"`
	Tenant string `yaml:"tenant"`
	Portal string `yaml:"portal"`
	Kind   Kind   `yaml:"kind"`
	// Hash is the hex SHA-256 of a server key's secret (see Hash).
	Hash string `yaml:"hash,omitempty"`
	// Value is a browser key itself; it is public.
	Value string `yaml:"value,omitempty"`
	// Scopes is what the key may do; empty means write.
	Scopes []Scope `yaml:"scopes,omitempty"`
	// Origins lists the web origins that may use a browser key: "https://portal.example",
	// "https://*.example" (any one or more labels in place of the star), or "*".
	Origins []string `yaml:"origins,omitempty"`
	// NotAfter ends the key's life, for a planned rotation; zero is no end.
	NotAfter time.Time `yaml:"not_after,omitempty"`
	// Rate bounds the key's events; zero values take the default of its kind.
	Rate Rate `yaml:"rate,omitempty"`
	// Identity says which signed identities a browser key believes; nil: none.
	Identity *identity.Config `yaml:"identity,omitempty"`

	verifier *identity.Verifier // of Identity, once the key is in a ring
}

// Rate bounds the events that come with one key.
type Rate struct {
	// EventsPerSecond is the sustained rate; 0 is the default of the key's kind,
	// negative is no limit.
	EventsPerSecond float64 `yaml:"events_per_second,omitempty"`
	// Burst is how many events may come at once; 0 is ten seconds' worth.
	Burst int `yaml:"burst,omitempty"`
}

// Or gives r with its zero values taken from otherwise.
func (r Rate) Or(otherwise Rate) Rate {
	if r.EventsPerSecond == 0 {
		r.EventsPerSecond = otherwise.EventsPerSecond
		if r.Burst == 0 {
			r.Burst = otherwise.Burst
		}
	}
	if r.Burst == 0 {
		r.Burst = int(min(max(1, burstSeconds*r.EventsPerSecond), math.MaxInt32))
	}
	return r
}

// burstSeconds is how much of the rate may come at once, unless configured.
const burstSeconds = 10

// Validate checks the values.
func (r Rate) Validate() error {
	if r.Burst < 0 || math.IsNaN(r.EventsPerSecond) || math.IsInf(r.EventsPerSecond, 0) {
		return errors.New("rate: burst must not be negative and events_per_second a finite number")
	}
	return nil
}

// Expired tells whether the key's life has ended.
func (k *Key) Expired(now time.Time) bool { return !k.NotAfter.IsZero() && !now.Before(k.NotAfter) }

// Verifier verifies the signed identities of requests with this key; nil when the
// key believes none. It is set on keys that come from a Ring.
func (k *Key) Verifier() *identity.Verifier { return k.verifier }

// NeedsIdentity tells whether events of this key need a signed identity.
func (k *Key) NeedsIdentity() bool { return k.Identity != nil && k.Identity.Required }

// Has tells whether the key has the scope.
func (k *Key) Has(s Scope) bool {
	if len(k.Scopes) == 0 {
		return s == Write
	}
	return slices.Contains(k.Scopes, s)
}

// AllowsOrigin tells whether a page of this origin (an Origin header) may use the key.
func (k *Key) AllowsOrigin(origin string) bool {
	for _, allowed := range k.Origins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
		scheme, domain, ok := strings.Cut(strings.ToLower(allowed), "://*.")
		if !ok {
			continue
		}
		host, ok := strings.CutPrefix(strings.ToLower(origin), scheme+"://")
		if ok && len(host) > len(domain)+1 && strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// AnyOrigin tells whether every origin may use the key.
func (k *Key) AnyOrigin() bool { return slices.Contains(k.Origins, "*") }

// digest gives the SHA-256 that the key is found by.
func (k *Key) digest() ([sha256.Size]byte, error) {
	if k.Kind == Browser {
		return sha256.Sum256([]byte(k.Value)), nil
	}
	var d [sha256.Size]byte
	b, err := hex.DecodeString(k.Hash)
	if err != nil || len(b) != len(d) {
		return d, errors.New("hash is not the 64 hexadecimal digits of a SHA-256")
	}
	return [sha256.Size]byte(b), nil
}

// Validate checks the key's fields.
func (k *Key) Validate() error {
	switch {
	case k.ID == "":
		return errors.New("id is missing")
	case k.Tenant == "" || strings.ContainsAny(k.Tenant, "/\x00\n\r"):
		return fmt.Errorf("key %s: tenant is missing or contains a slash or control character", k.ID)
	case k.Kind != Browser && k.Kind != Server:
		return fmt.Errorf("key %s: kind %q is neither %s nor %s", k.ID, k.Kind, Browser, Server)
	case k.Kind == Server && k.Value != "":
		return fmt.Errorf("key %s: a server key is configured by its hash, never by its value", k.ID)
	case k.Kind == Browser && (k.Hash != "" || k.Value == "" || len(k.Value) > lengthMax):
		return fmt.Errorf("key %s: a browser key needs a value of 1–%d bytes and no hash", k.ID, lengthMax)
	case k.Kind == Browser && len(k.Origins) == 0:
		return fmt.Errorf("key %s: a browser key needs origins (\"*\" for any)", k.ID)
	case k.Kind == Server && len(k.Origins) > 0:
		return fmt.Errorf("key %s: origins are for browser keys: a server key must never be in a web page", k.ID)
	}
	if k.Identity != nil && k.Kind == Server {
		return fmt.Errorf("key %s: a signed identity is for browser keys: a back end with a server key is believed as it is", k.ID)
	}
	if err := k.Rate.Validate(); err != nil {
		return fmt.Errorf("key %s: %w", k.ID, err)
	}
	for _, s := range k.Scopes {
		if s != Write && s != Backfill && s != Directory && s != Alerts {
			return fmt.Errorf("key %s: unknown scope %q", k.ID, s)
		}
		if k.Kind == Browser && s != Write {
			return fmt.Errorf("key %s: scope %s is for server keys only", k.ID, s)
		}
	}
	for _, o := range k.Origins {
		if err := validateOrigin(o); err != nil {
			return fmt.Errorf("key %s: origin %q: %w", k.ID, o, err)
		}
	}
	if _, err := k.digest(); err != nil {
		return fmt.Errorf("key %s: %w", k.ID, err)
	}
	return nil
}

// validateOrigin accepts *, null (sandboxed pages), and scheme://host[:port].
func validateOrigin(o string) error {
	if o == "*" || o == "null" {
		return nil
	}
	u, err := url.Parse(strings.Replace(o, "://*.", "://", 1))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.User != nil || strings.Contains(u.Host, "*") {
		return errors.New("write scheme://host[:port] without a path, scheme://*.domain, or *")
	}
	return nil
}

// Hash gives the hex SHA-256 of a secret, as configuration keeps it. Generated
// secrets have 256 random bits, so an unsalted fast hash is not guessable.
func Hash(secret string) string {
	d := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(d[:])
}

// Generate makes a new random key of the kind, for example pp_srv_ and 43 characters.
func Generate(kind Kind) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	prefix := BrowserPrefix
	if kind == Server {
		prefix = ServerPrefix
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}
