package xapi

import (
	"context"
	"crypto/sha1" //nolint:gosec // the ETag that xAPI prescribes; it protects nothing
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Document is a state document: what a course keeps about a learner.
type Document struct {
	ContentType string
	Body        []byte
	Updated     time.Time
}

// ETag is the document's entity tag: the quoted SHA-1 of its content.
func (d *Document) ETag() string {
	sum := sha1.Sum(d.Body) //nolint:gosec // see the import
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// Place is what state documents are kept under.
type Place struct {
	Tenant       string
	Portal       string
	Activity     string
	Agent        string // see Actor.Key
	Registration string // "": without
	// User is whom Agent stands for in events, so that what is kept about him can be
	// erased. It does not tell places apart.
	User string
}

// prefix gives text that no other place starts with.
func (p Place) prefix() string {
	return fmt.Sprintf("%q %q %q %q %q ", p.Tenant, p.Portal, p.Activity, p.Agent, p.Registration)
}

// ParseAgent reads the agent parameter.
func ParseAgent(text string) (*Actor, error) {
	if pointer, problem := scan([]byte(text)); problem != "" {
		return nil, fmt.Errorf("agent%s %s", pointer, problem)
	}
	var a Actor
	if err := json.Unmarshal([]byte(text), &a, json.RejectUnknownMembers(true)); err != nil {
		pointer, message := explain(err)
		return nil, fmt.Errorf("agent%s %s", pointer, message)
	}
	f := new(found)
	f.actor("agent", &a, false)
	if f.problem != "" {
		return nil, fmt.Errorf("%s: %s", f.pointer, f.problem)
	}
	return &a, nil
}

// ErrDocumentTooLarge says that a document is over its limit.
var ErrDocumentTooLarge = errors.New("the document is too large")

// Memory keeps state documents in this process: they end with it, and when there
// are too many the least used are forgotten. It is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	byKey    *simplelru.LRU[string, *Document]
	bytes    int64
	bytesMax int64
	oneMax   int64
}

// documentOverheadBytes is about what an entry costs besides its content.
const documentOverheadBytes = 300

func sizeOf(key string, d *Document) int64 {
	return int64(2*len(key)+len(d.Body)+len(d.ContentType)) + documentOverheadBytes
}

// NewMemory makes an empty one with the configuration's bounds.
func NewMemory(cfg Config) (*Memory, error) {
	m := &Memory{bytesMax: cfg.DocumentsBytesMax, oneMax: cfg.DocumentBytesMax}
	var err error
	m.byKey, err = simplelru.NewLRU(cfg.DocumentsMax, func(key string, d *Document) { m.bytes -= sizeOf(key, d) })
	if err != nil {
		return nil, fmt.Errorf("bounding the state documents: %w", err)
	}
	return m, nil
}

// Get gives a document, nil when there is none.
func (m *Memory) Get(_ context.Context, p Place, id string) (*Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, _ := m.byKey.Get(p.prefix() + id)
	return d, nil
}

// Change replaces a document by what change makes of it, at one instant: nil stands
// for none, before and after. An error of change leaves it as it was.
func (m *Memory) Change(_ context.Context, p Place, id string, change func(*Document) (*Document, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := p.prefix() + id
	old, _ := m.byKey.Get(key)
	next, err := change(old)
	if err != nil {
		return err
	}
	if next != nil && int64(len(next.Body)) > m.oneMax {
		return ErrDocumentTooLarge
	}
	m.byKey.Remove(key)
	if next == nil {
		return nil
	}
	m.bytes += sizeOf(key, next)
	m.byKey.Add(key, next)
	for m.bytes > m.bytesMax && m.byKey.Len() > 1 {
		m.byKey.RemoveOldest()
	}
	return nil
}

// List gives the ids of the documents of exactly this place that changed after
// since, in order.
func (m *Memory) List(_ context.Context, p Place, since time.Time) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := []string{}
	for _, key := range m.byKey.Keys() {
		id, ok := strings.CutPrefix(key, p.prefix())
		if !ok {
			continue
		}
		if d, ok := m.byKey.Peek(key); ok && d.Updated.After(since) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// ErrNotMergeable says that POST found or brought something else than JSON objects.
var ErrNotMergeable = errors.New("POST merges JSON objects: both the document that is there and the one sent must be application/json objects; use PUT to replace it")

// Merge joins the members of two JSON objects, as POST does: the new ones win.
func Merge(old, next *Document) (*Document, error) {
	if !isJSONType(next.ContentType) {
		if old == nil {
			return next, nil
		}
		return nil, ErrNotMergeable
	}
	var b map[string]jsontext.Value
	if err := json.Unmarshal(next.Body, &b); err != nil || b == nil {
		return nil, ErrNotMergeable
	}
	if old == nil {
		return next, nil
	}
	var a map[string]jsontext.Value
	if err := json.Unmarshal(old.Body, &a); err != nil || a == nil || !isJSONType(old.ContentType) {
		return nil, ErrNotMergeable
	}
	for name, v := range b {
		a[name] = v
	}
	merged, err := json.Marshal(a, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding the merged document: %w", err)
	}
	return &Document{ContentType: next.ContentType, Body: merged, Updated: next.Updated}, nil
}

func isJSONType(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(t), "application/json")
}
