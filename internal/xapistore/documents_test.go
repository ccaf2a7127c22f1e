package xapistore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"partnerpulse/internal/xapi"
)

// TestDocumentsInClickHouse: documents stay, in their place only, byte for byte, and
// another process with the same store has them.
func TestDocumentsInClickHouse(t *testing.T) {
	db := newStore(t, "xapi_documents_test")
	ctx, s, other := t.Context(), NewDocuments(db, 1000), NewDocuments(db, 1000)
	a := xapi.Place{Tenant: "t", Portal: "main", Activity: "urn:x", Agent: "account https://one.example o'neil \\ \"x\"", User: "o'neil"}
	b := a
	b.Registration = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
	at := time.Date(2026, 11, 3, 10, 0, 0, 5e6, time.UTC)
	put := func(s *Documents, p xapi.Place, id, body string, at time.Time) {
		t.Helper()
		err := s.Change(ctx, p, id, func(*xapi.Document) (*xapi.Document, error) {
			return &xapi.Document{ContentType: "text/plain", Body: []byte(body), Updated: at}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	put(s, a, "one", string(every), at)
	put(s, b, "one", "other", at)
	put(s, a, "two", "", at.Add(time.Second))
	if d, err := other.Get(ctx, a, "one"); err != nil || d == nil || !slices.Equal(d.Body, every) || d.ContentType != "text/plain" || !d.Updated.Equal(at) {
		t.Fatalf("%+v %v", d, err)
	}
	if d, err := other.Get(ctx, b, "one"); err != nil || string(d.Body) != "other" {
		t.Errorf("%+v %v", d, err)
	}
	for since, want := range map[time.Time][]string{{}: {"one", "two"}, at: {"two"}} {
		if ids, err := other.List(ctx, a, since); err != nil || !slices.Equal(ids, want) {
			t.Errorf("since %s: %v %v", since, ids, err)
		}
	}
	if err := s.Change(ctx, a, "big", func(*xapi.Document) (*xapi.Document, error) {
		return &xapi.Document{Body: make([]byte, 1001)}, nil
	}); !errors.Is(err, xapi.ErrDocumentTooLarge) {
		t.Error(err)
	}
	fault := errors.New("fault")
	if err := s.Change(ctx, a, "one", func(*xapi.Document) (*xapi.Document, error) { return nil, fault }); !errors.Is(err, fault) {
		t.Error(err)
	}
	// Deleted, and there again.
	for range 2 {
		if err := other.Change(ctx, a, "one", func(*xapi.Document) (*xapi.Document, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Get(ctx, a, "one"); err != nil || d != nil {
			t.Errorf("%+v %v", d, err)
		}
	}
	put(s, a, "one", "back", at)
	if d, err := other.Get(ctx, a, "one"); err != nil || d == nil || string(d.Body) != "back" {
		t.Errorf("%+v %v", d, err)
	}
}

// TestChangesOfOneDocumentFollowEachOther: none is lost within a process.
func TestChangesOfOneDocumentFollowEachOther(t *testing.T) {
	db := newStore(t, "xapi_changes_test")
	s, p := NewDocuments(db, 1000), xapi.Place{Tenant: "t", Portal: "main", Activity: "urn:x", Agent: "mailto:a@b"}
	const n = 12
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := s.Change(t.Context(), p, "list", func(old *xapi.Document) (*xapi.Document, error) {
				next := &xapi.Document{Updated: time.Now()}
				if old != nil {
					next.Body = slices.Clone(old.Body)
				}
				next.Body = fmt.Appendf(next.Body, "%c", 'a'+i)
				return next, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d, err := s.Get(t.Context(), p, "list")
	if err != nil || d == nil {
		t.Fatal(d, err)
	}
	slices.Sort(d.Body)
	if string(d.Body) != "abcdefghijkl" {
		t.Errorf("%s", d.Body)
	}
}
