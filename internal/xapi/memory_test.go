package xapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRecentKeepsWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		countMax, bytesMax := rapid.IntRange(1, 8).Draw(t, "count"), rapid.Int64Range(2000, 8000).Draw(t, "bytes")
		r, err := NewRecent(countMax, bytesMax)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s := &Stored{Tenant: "t", ID: fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "id")), Raw: make([]byte, rapid.IntRange(0, 1500).Draw(t, "size"))}
			known, pending := r.Begin(s)
			switch {
			case known == nil && !pending, known != nil && pending:
				t.Fatalf("known %v, pending %v", known, pending)
			case known == nil:
				if _, ok := r.Get("t", s.ID); ok {
					t.Fatal("a statement that is not durable is found")
				}
				durable := rapid.Bool().Draw(t, "durable")
				r.Settle(s, durable, "p")
				if got, ok := r.Get("t", s.ID); ok != durable || ok && got != s {
					t.Fatalf("durable %v, found %v", durable, ok)
				}
			}
			sum := int64(0)
			for _, v := range r.byID.Values() {
				sum += v.sizeBytes
			}
			if sum != r.bytes || r.byID.Len() > countMax || r.bytes > bytesMax {
				t.Fatalf("%d statements of %d bytes, counted %d", r.byID.Len(), sum, r.bytes)
			}
		}
	})
}

func TestPendingStatements(t *testing.T) {
	r, err := NewRecent(10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	first, second := &Stored{Tenant: "t", ID: "a"}, &Stored{Tenant: "t", ID: "a"}
	r.Begin(first)
	if known, pending := r.Begin(second); known != first || !pending {
		t.Errorf("%v %v", known, pending)
	}
	if list := r.List(Query{Tenant: "t", Limit: 5}); len(list) != 0 {
		t.Errorf("listed %v", list)
	}
	r.Settle(first, true, "p")
	if known, pending := r.Begin(second); known != first || pending {
		t.Errorf("%v %v", known, pending)
	}
	if list := r.List(Query{Tenant: "t", Limit: 5}); len(list) != 1 {
		t.Errorf("listed %v", list)
	}
}

// TestPagesCoverEverythingOnce: memory and store together, page by page.
func TestPagesCoverEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var memory, store []*Stored
		want := map[string]bool{}
		for i := range rapid.IntRange(0, 20).Draw(t, "statements") {
			s := &Stored{Tenant: "t", Portal: "p", ID: fmt.Sprintf("%02d", i), At: time.UnixMilli(rapid.Int64Range(0, 5).Draw(t, "at"))}
			want[s.ID] = true
			where := rapid.IntRange(1, 3).Draw(t, "where")
			if where&1 != 0 {
				memory = append(memory, s)
			}
			if where&2 != 0 {
				store = append(store, s)
			}
		}
		q := Query{Tenant: "t", Portal: "p", Limit: rapid.IntRange(1, 5).Draw(t, "limit"), Ascending: rapid.Bool().Draw(t, "ascending")}
		var all []Cursor
		for range 30 {
			page := q.Merge(memory, store)
			if len(page) == 0 {
				break
			}
			for _, s := range page {
				all = append(all, s.Cursor())
				delete(want, s.ID)
			}
			q.After = page[len(page)-1].Cursor()
		}
		if len(want) > 0 || !slices.IsSortedFunc(all, func(a, b Cursor) int {
			if q.Ascending {
				return a.compare(b)
			}
			return b.compare(a)
		}) || len(slices.Compact(all)) != len(all) {
			t.Fatalf("missing %v, order %v", want, all)
		}
	})
}

func testMemory(t *testing.T, change func(*Config)) *Memory {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	m, err := NewMemory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func put(d *Document) func(*Document) (*Document, error) {
	return func(*Document) (*Document, error) { return d, nil }
}

func TestMemoryDocuments(t *testing.T) {
	ctx := context.Background()
	m := testMemory(t, func(c *Config) { c.DocumentBytesMax = 1000; c.DocumentsBytesMax = 3000 })
	a, b := Place{Tenant: "t", Activity: "x", Agent: "y"}, Place{Tenant: "t", Activity: "x", Agent: "y", Registration: "r"}
	at := time.UnixMilli(1000)
	for _, p := range []Place{a, b} {
		if err := m.Change(ctx, p, "one", put(&Document{Body: []byte(p.Registration), Updated: at})); err != nil {
			t.Fatal(err)
		}
	}
	if d, _ := m.Get(ctx, b, "one"); d == nil || string(d.Body) != "r" {
		t.Errorf("%v", d)
	}
	if ids, _ := m.List(ctx, a, time.Time{}); !slices.Equal(ids, []string{"one"}) {
		t.Errorf("%v", ids)
	}
	if ids, _ := m.List(ctx, a, at); len(ids) != 0 {
		t.Errorf("since: %v", ids)
	}
	if err := m.Change(ctx, a, "big", put(&Document{Body: make([]byte, 1001)})); !errors.Is(err, ErrDocumentTooLarge) {
		t.Error(err)
	}
	fault := errors.New("fault")
	if err := m.Change(ctx, a, "one", func(*Document) (*Document, error) { return nil, fault }); !errors.Is(err, fault) {
		t.Error(err)
	}
	for i := range 20 {
		if err := m.Change(ctx, a, fmt.Sprint(i), put(&Document{Body: make([]byte, 500), Updated: at})); err != nil {
			t.Fatal(err)
		}
	}
	ids, _ := m.List(ctx, a, time.Time{})
	if m.bytes > 3000 || len(ids) == 0 || slices.Contains(ids, "one") || !slices.Contains(ids, "19") {
		t.Errorf("%d bytes, %v", m.bytes, ids)
	}
	for _, id := range ids {
		if err := m.Change(ctx, a, id, put(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if m.bytes != 0 || m.byKey.Len() != 0 {
		t.Errorf("%d bytes and %d documents stay", m.bytes, m.byKey.Len())
	}
}

func TestMerge(t *testing.T) {
	doc := func(contentType, body string) *Document {
		return &Document{ContentType: contentType, Body: []byte(body)}
	}
	const j = "application/json"
	for _, c := range []struct {
		old, next *Document
		want      string // "": an error
	}{
		{nil, doc("text/plain", "x"), "x"},
		{nil, doc(j, `{"a":1}`), `{"a":1}`},
		{doc(j+"; charset=utf-8", `{"a":1,"b":{"c":1}}`), doc(j, `{"b":{"d":2},"e":null}`), `{"a":1,"b":{"d":2},"e":null}`},
		{nil, doc(j, `[1]`), ""}, {nil, doc(j, `null`), ""},
		{doc(j, `{}`), doc("text/plain", "x"), ""}, {doc("text/plain", `{}`), doc(j, `{}`), ""}, {doc(j, `[]`), doc(j, `{}`), ""},
	} {
		got, err := Merge(c.old, c.next)
		if (err == nil) != (c.want != "") || err == nil && string(got.Body) != c.want || err != nil && !errors.Is(err, ErrNotMergeable) {
			t.Errorf("%v + %v: %v, %v", c.old, c.next, got, err)
		}
	}
}
