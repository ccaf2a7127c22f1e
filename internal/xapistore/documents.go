package xapistore

import (
	"context"
	_ "embed" // the documents' SQL
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/xapi"
)

//go:embed queries/document.sql
var documentSQL string

//go:embed queries/documents.sql
var documentsSQL string

// Documents keeps state documents in ClickHouse. Changes of one document by this
// process come one after another; a change by another process in the milliseconds
// between reading and writing is not seen, and the later one then wins.
type Documents struct {
	db       *chstore.Store
	bytesMax int64
	seed     maphash.Seed
	locks    [64]sync.Mutex // by digest of place and id
}

// NewDocuments makes a store on db, which stays its caller's to close. No document
// may be larger than bytesMax.
func NewDocuments(db *chstore.Store, bytesMax int64) *Documents {
	return &Documents{db: db, bytesMax: bytesMax, seed: maphash.MakeSeed()}
}

// documentRow is one version of a document.
type documentRow struct {
	ContentType string    `ch:"content_type"`
	Body        string    `ch:"body"`
	Updated     time.Time `ch:"updated"`
	Deleted     bool      `ch:"deleted"`
	Ver         uint64    `ch:"ver"`
}

func paramsOf(p xapi.Place) chstore.Params {
	return chstore.Params{"tenant": p.Tenant, "portal": p.Portal, "activity": p.Activity, "agent": p.Agent, "registration": p.Registration}
}

// newest gives the newest version; nil: there never was one.
func (s *Documents) newest(ctx context.Context, p xapi.Place, id string) (*documentRow, error) {
	params := paramsOf(p)
	params["id"] = id
	var rows []documentRow
	if err := s.db.Select(ctx, &rows, documentSQL, params); err != nil {
		return nil, fmt.Errorf("reading a document: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

func (r *documentRow) document() *xapi.Document {
	if r == nil || r.Deleted {
		return nil
	}
	return &xapi.Document{ContentType: r.ContentType, Body: []byte(r.Body), Updated: r.Updated.UTC()}
}

// Get gives a document, nil when there is none.
func (s *Documents) Get(ctx context.Context, p xapi.Place, id string) (*xapi.Document, error) {
	row, err := s.newest(ctx, p, id)
	return row.document(), err
}

// Change replaces a document by what change makes of it: nil stands for none, before
// and after. An error of change leaves it as it was. It returns once the new version
// is on disk.
func (s *Documents) Change(ctx context.Context, p xapi.Place, id string, change func(*xapi.Document) (*xapi.Document, error)) error {
	lock := &s.locks[maphash.Comparable(s.seed, [2]any{p, id})%uint64(len(s.locks))]
	lock.Lock()
	defer lock.Unlock()
	row, err := s.newest(ctx, p, id)
	if err != nil {
		return err
	}
	old := row.document()
	next, err := change(old)
	switch {
	case err != nil:
		return err
	case next == nil && old == nil:
		return nil
	case next != nil && int64(len(next.Body)) > s.bytesMax:
		return xapi.ErrDocumentTooLarge
	}
	deleted := next == nil
	if deleted {
		next = &xapi.Document{Updated: time.Now()}
	}
	// Clocks of several collectors may differ: a version is always above the one read.
	ver := uint64(time.Now().UnixMicro())
	if row != nil {
		ver = max(ver, row.Ver+1)
	}
	text := func(v string) []string { return []string{v} }
	err = s.db.InsertColumns(ctx, "xapi_documents", []chstore.Column{
		{Name: "tenant", Values: text(p.Tenant)}, {Name: "portal", Values: text(p.Portal)},
		{Name: "activity", Values: text(p.Activity)}, {Name: "agent", Values: text(p.Agent)},
		{Name: "registration", Values: text(p.Registration)}, {Name: "id", Values: text(id)}, {Name: "user_id", Values: text(p.User)},
		{Name: "content_type", Values: text(next.ContentType)}, {Name: "body", Values: text(string(next.Body))},
		{Name: "updated", Values: []time.Time{next.Updated.UTC()}}, {Name: "deleted", Values: []bool{deleted}}, {Name: "ver", Values: []uint64{ver}},
	})
	if err != nil {
		return fmt.Errorf("writing a document: %w", err)
	}
	return nil
}

// List gives the ids of the documents of exactly this place that changed after
// since, in order.
func (s *Documents) List(ctx context.Context, p xapi.Place, since time.Time) ([]string, error) {
	params := paramsOf(p)
	params["since"] = max(0, since.UnixMilli())
	var rows []struct {
		ID string `ch:"id"`
	}
	if err := s.db.Select(ctx, &rows, documentsSQL, params); err != nil {
		return nil, fmt.Errorf("listing documents: %w", err)
	}
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids, nil
}
