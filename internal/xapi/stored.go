package xapi

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// KeysHomePage is the homePage of the authority of statements that are given out;
// its account name is the id of the key that they were sent with.
const KeysHomePage = "https://schemas.partnerpulse.dev/xapi/keys"

// Digest tells statements apart as the specification's immutability rule does: it
// leaves out what a store sets (id, authority, stored, version), the order of names,
// and the spelling of texts and numbers. The timestamp counts when it was sent.
type Digest [sha256.Size]byte

// DigestOf gives the digest of a statement as sent.
func DigestOf(raw []byte) (Digest, error) {
	members, err := membersOf(raw)
	if err != nil {
		return Digest{}, err
	}
	for _, name := range []string{"id", "authority", "stored", "version"} {
		delete(members, name)
	}
	b, err := json.Marshal(members)
	if err != nil {
		return Digest{}, fmt.Errorf("encoding statement: %w", err)
	}
	v := jsontext.Value(b)
	if err := v.Canonicalize(); err != nil {
		return Digest{}, fmt.Errorf("encoding statement: %w", err)
	}
	return sha256.Sum256(v), nil
}

func membersOf(raw []byte) (map[string]jsontext.Value, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("decoding statement: %w", err)
	}
	return members, nil
}

// Stored is a statement as it was taken.
type Stored struct {
	ID        string
	Raw       []byte    // as sent
	Time      time.Time // timestamp, or when it came if it had none
	At        time.Time // when it was taken
	KeyID     string
	Portal    string
	Tenant    string
	Partner   string // whose event it became; "": none, it was kept as a reject
	VoidedBy  string // id of the statement that voids it; "": none
	pending   bool   // not durable yet; guarded by Recent
	sizeBytes int64
}

// timeLayout is how the store's own times are written.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Statement gives the statement with what a store sets: id, timestamp, stored,
// authority and version. Names are in alphabetical order.
func (s *Stored) Statement() (jsontext.Value, error) {
	members, err := membersOf(s.Raw)
	if err != nil {
		return nil, err
	}
	set := map[string]any{"id": s.ID, "stored": s.At.UTC().Format(timeLayout)}
	if _, sent := members["timestamp"]; !sent {
		set["timestamp"] = s.Time.UTC().Format(timeLayout)
	}
	if _, sent := members["version"]; !sent {
		set["version"] = "1.0.0"
	}
	set["authority"] = Actor{ObjectType: "Agent", Account: &Account{HomePage: KeysHomePage, Name: s.KeyID}}
	for name, v := range set {
		if members[name], err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("encoding statement: %w", err)
		}
	}
	return json.Marshal(members, json.Deterministic(true))
}

// Clone gives a copy of a durable statement that belongs to its caller; Raw is shared.
func (s *Stored) Clone() *Stored {
	return &Stored{ID: s.ID, Raw: s.Raw, Time: s.Time, At: s.At, KeyID: s.KeyID, Portal: s.Portal, Tenant: s.Tenant, Partner: s.Partner, VoidedBy: s.VoidedBy}
}

// Known is what a store knows of some statement ids.
type Known struct {
	Statements []*Stored
	// Voided tells who voids which of the ids, also of those that are not there (yet).
	Voided []Voiding
}

// Voiding is a statement that voids another one of its portal.
type Voiding struct{ Portal, Target, By string }
