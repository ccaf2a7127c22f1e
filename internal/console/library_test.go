package console

import (
	"strings"
	"testing"
)

func TestLibrary(t *testing.T) {
	lib, err := loadLibrary(contentFiles)
	if err != nil {
		t.Fatal(err)
	}
	long, ids := 0, map[string]bool{}
	for _, d := range lib.documents {
		if ids[d.ID] || !validName(d.ID) || d.Kind == "" || d.Summary == "" || lib.playbook(d.Playbook) == nil {
			t.Errorf("%q is incomplete or not unique", d.ID)
		}
		ids[d.ID] = true
		if d.Words >= 800 {
			long++
		}
	}
	if long < 4 {
		t.Errorf("%d long documents, want at least 4", long)
	}
	for _, p := range lib.playbooks {
		if len(p.Documents) == 0 {
			t.Errorf("playbook %s is empty", p.ID)
		}
	}
}

func TestSearch(t *testing.T) {
	lib, err := loadLibrary(contentFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		query, kind string
		first       string // id of the best result; empty: none
		count       int
	}{
		{"deal registration", "", "deal-registration-handbook", 2},
		{"DATA sheet", "", "business-data-sheet", 2},
		{"margin", "battlecard", "", 0},
		{"zebra", "", "", 0},
		{"restore zebra", "", "", 0},
		{"   ", "", "", 0},
	} {
		found := lib.search(test.query, test.kind)
		switch {
		case len(found) != test.count:
			t.Errorf("%q %q: %d results, want %d", test.query, test.kind, len(found), test.count)
		case test.count > 0 && found[0].ID != test.first:
			t.Errorf("%q: first is %s, want %s", test.query, found[0].ID, test.first)
		}
	}
}

func TestParseDocument(t *testing.T) {
	d, err := parseDocument([]byte("id: a\ntitle: A: b\n\nOne two.\n\n## Part\nThree.\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Title != "A: b" || d.Words != 4 || d.Minutes() != 1 || len(d.Blocks) != 3 || !d.Blocks[1].Heading {
		t.Errorf("parsed as %+v", d)
	}
	for _, bad := range []string{"", "id: a\n\ntext", "id: a\ntitle: b\n", "colour: red\n", strings.Repeat("x", 2<<20)} {
		if _, err := parseDocument([]byte(bad)); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
}
