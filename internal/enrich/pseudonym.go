package enrich

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/internal/secret"
)

// Limits of pseudonyms.
const (
	pseudonymKeyBytesMin = 16
	pseudonymPrefix      = "u_"
	pseudonymBytes       = 16 // of the HMAC: 2^-64 for two among four thousand million users to meet
)

// tenantKey is a tenant's key.
type tenantKey struct {
	secret      []byte
	fingerprint string // names the key in a row and tells nothing of it
}

func newTenantKeys(keys map[string]secret.Text) (map[string]tenantKey, error) {
	out := map[string]tenantKey{}
	var problems []error
	for tenant, key := range keys {
		raw := []byte(key.Reveal())
		if len(raw) == 0 {
			continue
		}
		if len(raw) < pseudonymKeyBytesMin {
			problems = append(problems, fmt.Errorf("the pseudonym key of tenant %s has %d bytes, at least %d are needed (openssl rand -base64 32)", tenant, len(raw), pseudonymKeyBytesMin))
			continue
		}
		out[tenant] = tenantKey{secret: raw, fingerprint: hex.EncodeToString(authenticate(raw, "partnerpulse pseudonym key")[:4])}
	}
	return out, errors.Join(problems...)
}

func authenticate(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, text) // a hash takes everything
	return mac.Sum(nil)
}

// Pseudonym gives the name that stands for a user of a tenant with this key:
// HMAC-SHA256 (RFC 2104), the first 128 bits in hexadecimal. Without the key nobody
// can tell the user, or try names.
func Pseudonym(key secret.Text, userID string) string {
	return pseudonym([]byte(key.Reveal()), userID)
}

func pseudonym(key []byte, userID string) string {
	return pseudonymPrefix + hex.EncodeToString(authenticate(key, "user\x00"+userID)[:pseudonymBytes])
}

// applyPseudonym replaces the user by the pseudonym and removes what else tells a
// person: query and fragment of addresses, and the personal members of data.
func applyPseudonym(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	key, ok := w.chain.keys[e.Tenant]
	if !ok {
		return false
	}
	users := w.users[e.Tenant]
	if users == nil {
		m := newMemo[string](memoMax)
		users = &m
		w.users[strings.Clone(e.Tenant)] = users
	}
	name := func(userID string) string {
		return users.get(userID, func(userID string) string { return pseudonym(key.secret, userID) })
	}
	if e.UserID != "" {
		out.UserID = name(e.UserID)
	}
	out.URL, out.Referrer = withoutQuery(e.Context.URL), withoutQuery(e.Context.Referrer)
	out.Data = impersonal(e.Type, e.Data, name)
	return true
}

// withoutQuery cuts off query and fragment, and a user before the host.
func withoutQuery(raw string) string {
	if at := strings.IndexAny(raw, "?#"); at >= 0 {
		raw = raw[:at]
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	host, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(host, '@')
	if at < 0 {
		return raw
	}
	return scheme + "://" + host[at+1:] + rest[len(host):len(rest)-len(path)] + path
}

// isPersonal tells the members that are removed at any depth, whatever they hold;
// the names of xAPI's actors are among them.
func isPersonal(member string) bool {
	switch member {
	case "email", "e_mail", "mail", "phone", "mobile", "first_name", "last_name", "firstName", "lastName", "full_name", "username",
		"avatar", "birthday", "address", "actor", "authority", "instructor", "team", "mbox", "mbox_sha1sum", "openid", "account",
		"traits", "ip", "userId", "anonymousId":
		return true
	}
	return false
}

// nameMember is what a person is called in user.upserted, at its first level only.
const nameMember = "name"

// mayBePersonal tells data that has to be read. It looks at all strings, and takes
// an escape for a disguised name.
func mayBePersonal(t event.Type, data []byte) bool {
	for {
		start := bytes.IndexByte(data, '"')
		if start < 0 {
			return false
		}
		data = data[start+1:]
		end := bytes.IndexByte(data, '"')
		if end < 0 {
			return true
		}
		s := data[:end]
		if bytes.IndexByte(s, '\\') >= 0 || isPersonal(string(s)) || string(s) == "user_id" || t == event.UserUpserted && string(s) == nameMember {
			return true
		}
		data = data[end+1:]
	}
}

// impersonal gives data without personal members, and with the pseudonym for
// user_id. Data that holds none of them is returned as it is.
func impersonal(t event.Type, data []byte, name func(string) string) []byte {
	if !mayBePersonal(t, data) {
		return data
	}
	var out bytes.Buffer
	c := copier{
		from:     jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		to:       jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		describe: t == event.UserUpserted, name: name,
	}
	for {
		err := c.token()
		if errors.Is(err, io.EOF) {
			return bytes.TrimSpace(out.Bytes())
		}
		if err != nil {
			return []byte("{}") // unreadable: nothing of it may be kept
		}
	}
}

// copier copies JSON without what is personal.
type copier struct {
	from     *jsontext.Decoder
	to       *jsontext.Encoder
	describe bool // a user
	name     func(string) string
}

// token copies a token, or passes over the member that it names. io.EOF is the end.
func (c *copier) token() error {
	token, err := c.from.ReadToken()
	if err != nil {
		return err
	}
	kind, n := c.from.StackIndex(c.from.StackDepth())
	if kind != '{' || n%2 == 0 || token.Kind() != '"' { // no name of a member
		return c.to.WriteToken(token)
	}
	member := token.String()
	if isPersonal(member) || c.describe && member == nameMember && c.from.StackDepth() == 1 {
		return c.from.SkipValue()
	}
	if err := c.to.WriteToken(jsontext.String(member)); err != nil {
		return fmt.Errorf("writing data: %w", err)
	}
	if member != "user_id" || c.from.PeekKind() != '"' {
		return nil
	}
	value, err := c.from.ReadToken()
	if err != nil {
		return fmt.Errorf("reading data: %w", err)
	}
	return c.to.WriteToken(jsontext.String(c.name(value.String())))
}
