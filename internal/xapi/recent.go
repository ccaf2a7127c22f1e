package xapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Recent keeps the statements that were taken last, within bounds, so that they
// can be read before the store has them. It is safe for concurrent use.
type Recent struct {
	mu       sync.Mutex
	byID     *simplelru.LRU[string, *Stored]
	voided   *simplelru.LRU[string, string] // who voids it, by what is voided
	bytes    int64
	bytesMax int64
}

// storedOverheadBytes is about what an entry costs besides its statement.
const storedOverheadBytes = 400

// NewRecent makes an empty one, bounded in statements and in bytes.
func NewRecent(countMax int, bytesMax int64) (*Recent, error) {
	r := &Recent{bytesMax: bytesMax}
	var err error
	r.byID, err = simplelru.NewLRU(countMax, func(_ string, s *Stored) { r.bytes -= s.sizeBytes })
	if err != nil {
		return nil, fmt.Errorf("bounding the statements in memory: %w", err)
	}
	if r.voided, err = simplelru.NewLRU[string, string](countMax, nil); err != nil {
		return nil, fmt.Errorf("bounding the voided statements in memory: %w", err)
	}
	return r, nil
}

func recentKey(tenant, id string) string { return tenant + "/" + id }

// Void notes that the durable statement v.By voids another one.
func (r *Recent) Void(tenant string, v Voiding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.voided.Add(recentKey(tenant, v.Portal+"/"+v.Target), v.By)
}

// VoidedBy gives the statement that voids another one of the portal; "": none that
// is known here.
func (r *Recent) VoidedBy(tenant, portal, id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.voidedBy(tenant, portal, id)
}

func (r *Recent) voidedBy(tenant, portal, id string) string {
	by, _ := r.voided.Get(recentKey(tenant, portal+"/"+id))
	return by
}

// Get gives a statement of the tenant that is durable.
func (r *Recent) Get(tenant, id string) (*Stored, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.byID.Get(recentKey(tenant, id))
	return s, ok && !s.pending
}

// Begin notes that s is about to be made durable and gives nil; call Settle then.
// When the id is known, what is known is given and nothing is noted. pending tells
// that it is not durable yet: whoever needs it to be has to make it so, too.
func (r *Recent) Begin(s *Stored) (known *Stored, pending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := recentKey(s.Tenant, s.ID)
	if known, ok := r.byID.Get(key); ok {
		return known, known.pending
	}
	s.pending = true
	s.sizeBytes = int64(len(s.Raw)+len(key)) + storedOverheadBytes
	r.bytes += s.sizeBytes
	r.byID.Add(key, s)
	for r.bytes > r.bytesMax && r.byID.Len() > 1 {
		r.byID.RemoveOldest()
	}
	return nil, true
}

// Settle says whether s, which Begin noted, became durable; if not it is forgotten.
// partner is whose event it became, "" when it was kept as a reject.
func (r *Recent) Settle(s *Stored, durable bool, partner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.pending = !durable
	if s.Partner == "" && durable && partner != "" { // copies of one statement are one event
		s.Partner = partner
	}
	key := recentKey(s.Tenant, s.ID)
	if now, ok := r.byID.Peek(key); ok && now == s && !durable {
		r.byID.Remove(key)
	}
}

// Query asks for statements by when they were taken, and by what they are about.
type Query struct {
	Tenant, Portal string
	Filter         Filter
	Since, Until   time.Time // taken after Since and not after Until; zero: no bound
	Ascending      bool
	After          Cursor // go on behind it; zero: from the start
	Limit          int
}

// Cursor is a place in the order of statements: by time taken, then by id.
type Cursor struct {
	At time.Time
	ID string
}

// IsZero tells the start.
func (c Cursor) IsZero() bool { return c.ID == "" }

func (c Cursor) compare(d Cursor) int {
	return cmp.Or(c.At.Compare(d.At), strings.Compare(c.ID, d.ID))
}

// Cursor is the place of a statement.
func (s *Stored) Cursor() Cursor { return Cursor{s.At, s.ID} }

// matches tells whether a statement answers the query.
func (q *Query) matches(s *Stored) bool {
	switch {
	case s.Tenant != q.Tenant || s.Portal != q.Portal,
		!q.Since.IsZero() && !s.At.After(q.Since),
		!q.Until.IsZero() && s.At.After(q.Until),
		!q.Filter.selects(s):
		return false
	case q.After.IsZero():
		return true
	case q.Ascending:
		return s.Cursor().compare(q.After) > 0
	}
	return s.Cursor().compare(q.After) < 0
}

// List gives the statements in memory that answer the query and are not voided.
func (r *Recent) List(q Query) []*Stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*Stored
	for _, s := range r.byID.Values() {
		if !s.pending && r.voidedBy(s.Tenant, s.Portal, s.ID) == "" && q.matches(s) {
			out = append(out, s)
		}
	}
	return q.order(out)
}

// Merge joins answers of memory and store: each statement once, in order, at most
// the query's limit.
func (q *Query) Merge(a, b []*Stored) []*Stored {
	seen := make(map[string]bool, len(a)+len(b))
	var out []*Stored
	for _, s := range slices.Concat(a, b) {
		if !seen[s.ID] && q.matches(s) {
			seen[s.ID] = true
			out = append(out, s)
		}
	}
	return q.order(out)
}

func (q *Query) order(list []*Stored) []*Stored {
	slices.SortFunc(list, func(a, b *Stored) int {
		if q.Ascending {
			return a.Cursor().compare(b.Cursor())
		}
		return b.Cursor().compare(a.Cursor())
	})
	return list[:min(len(list), q.Limit)]
}
