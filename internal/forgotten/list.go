// Package forgotten tells who was erased. The list holds hashes only: with it nobody
// can tell the names, but each event can be held against it.
package forgotten

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"partnerpulse/internal/event"
)

// Kind is what was erased.
type Kind string

// The kinds.
const (
	User    Kind = "user"
	Visitor Kind = "visitor" // anonymous, before identification
	Partner Kind = "partner"
)

// hash is SHA-256 of the product's name, tenant, kind and id.
type hash [sha256.Size]byte

func hashOf(tenant string, kind Kind, id string) (out hash) {
	h := sha256.New()
	for _, part := range []string{"partnerpulse forgotten", tenant, string(kind), id} {
		_, _ = io.WriteString(h, part+"\x00") // a hash takes everything; no name has control characters
	}
	h.Sum(out[:0])
	return out
}

// Hash gives the hash of somebody in hexadecimal.
func Hash(tenant string, kind Kind, id string) string {
	h := hashOf(tenant, kind, id)
	return hex.EncodeToString(h[:])
}

// Entry is one line of the list.
type Entry struct {
	Tenant string
	Kind   Kind
	Hash   string    // hexadecimal
	Until  time.Time // what was received up to here is refused
}

// List is who was erased. It is immutable; a nil one holds nobody.
type List struct {
	tenants map[string]map[hash]int64 // unix ms of Until
}

// NewList makes a list.
func NewList(entries []Entry) (*List, error) {
	l := &List{tenants: map[string]map[hash]int64{}}
	for _, e := range entries {
		raw, err := hex.DecodeString(e.Hash)
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("reading the list of the forgotten: %q is no hash", e.Hash)
		}
		if l.tenants[e.Tenant] == nil {
			l.tenants[e.Tenant] = map[hash]int64{}
		}
		h := hash(raw)
		l.tenants[e.Tenant][h] = max(l.tenants[e.Tenant][h], e.Until.UnixMilli())
	}
	return l, nil
}

// Len is how many are on the list.
func (l *List) Len() (n int) {
	if l != nil {
		for _, t := range l.tenants {
			n += len(t)
		}
	}
	return n
}

// Holds tells whether the event is of somebody who was erased after it was received.
func (l *List) Holds(e *event.Event) bool {
	if l == nil || l.tenants[e.Tenant] == nil {
		return false
	}
	at := e.ReceivedAt.UnixMilli()
	if l.has(e.Tenant, Partner, e.PartnerID, at) {
		return true
	}
	if e.UserID != "" {
		if l.has(e.Tenant, User, e.UserID, at) {
			return true
		}
	} else if e.AnonymousID != "" && l.has(e.Tenant, Visitor, e.AnonymousID, at) {
		return true
	}
	described := event.DescribedUser(e)
	return described != "" && l.has(e.Tenant, User, described, at)
}

func (l *List) has(tenant string, kind Kind, id string, at int64) bool {
	until, ok := l.tenants[tenant][hashOf(tenant, kind, id)]
	return ok && at <= until
}

// HoldsText tells whether a text of a tenant, such as a refused event, names
// somebody who was erased after it was received.
func (l *List) HoldsText(tenant, text string, received time.Time) bool {
	if l == nil || l.tenants[tenant] == nil {
		return false
	}
	found := false
	words(text, func(word string) bool {
		for _, kind := range []Kind{User, Partner, Visitor} {
			found = found || l.has(tenant, kind, word, received.UnixMilli())
		}
		return !found
	})
	return found
}

// Names tells whether a text names id, by the same rule as HoldsText.
func Names(text, id string) bool {
	found := false
	words(text, func(word string) bool {
		found = word == id
		return !found
	})
	return found
}

// wordBytesMin is how long a word must be that does not stand in quotes: "7" may be
// somebody's id, but is far more often a number.
const wordBytesMin = 4

// words gives what in a text could be an id: strings in double quotes, as JSON has
// them, and runs of letters, digits and the signs of mail addresses, also as they
// are in URLs. It ends when yield gives false.
func words(text string, yield func(string) bool) {
	for rest := text; ; {
		start := strings.IndexByte(rest, '"')
		if start < 0 {
			break
		}
		quoted, err := strconv.QuotedPrefix(rest[start:])
		if err != nil { // not Go's form: up to the next quote
			end := strings.IndexByte(rest[start+1:], '"')
			if end < 0 {
				break
			}
			quoted = rest[start : start+end+2]
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			word = strings.Trim(quoted, `"`)
		}
		if !yield(word) {
			return
		}
		rest = rest[start+len(quoted):]
	}
	for word := range strings.FieldsFuncSeq(text, isSeparator) {
		word = strings.Trim(word, ".-")
		if len(word) < wordBytesMin {
			continue
		}
		if !yield(word) {
			return
		}
		if plain, err := url.QueryUnescape(word); err == nil && plain != word && !yield(plain) {
			return
		}
	}
}

func isSeparator(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > 0x7f, strings.ContainsRune("._@+%~-", r):
		return false
	}
	return true
}

// EventKey is the identity of a row of the table events.
type EventKey struct {
	Tenant, PartnerID, ID string
	Day                   time.Time // UTC midnight
}
