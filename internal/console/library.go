package console

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// document is one asset of the demo portal's library.
type document struct {
	ID, Title, Kind, Summary string
	Playbook                 string
	Words                    int
	Blocks                   []block
	text                     string // all of it, lower case, for the search
	plain                    string // as downloaded
}

// block is a heading or a paragraph.
type block struct {
	Heading bool
	Text    string
}

// Minutes is the reading time at 238 words a minute (Brysbaert 2019), at least 1.
func (d *document) Minutes() int { return max(1, (d.Words+119)/238) }

// playbook is a collection that can be pinned.
type playbook struct {
	ID, Title, Summary string
	Documents          []*document
}

// course is an offer of the training page.
type course struct {
	ID, Title, Summary, Length string
}

// library is the demo portal's content, in the order shown.
type library struct {
	documents []*document
	playbooks []*playbook
	courses   []course
}

// loadLibrary reads content/*.txt in the order of their names.
func loadLibrary(files fs.FS) (*library, error) {
	names, err := fs.Glob(files, "content/*.txt")
	if err != nil {
		return nil, err
	}
	lib := &library{
		playbooks: []*playbook{
			{ID: "pb-land", Title: "Win the first project", Summary: "From the first call to a signed offer in under a hundred days."},
			{ID: "pb-compete", Title: "Win against the alternatives", Summary: "What to say, show and leave behind when somebody else is at the table."},
			{ID: "pb-renew", Title: "Protect and renew", Summary: "Registration, reviews and renewals without surprises."},
		},
		courses: []course{
			{ID: "course-sales-101", Title: "Northwind sales foundation", Summary: "Customers, editions and the discovery call.", Length: "45 minutes"},
			{ID: "course-restore-test", Title: "Running a restore test", Summary: "Prepare, run and report the test that wins deals.", Length: "90 minutes"},
			{ID: "course-business-cert", Title: "Business edition specialist", Summary: "The certificate that adds two points of margin.", Length: "half a day"},
		},
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		d, err := parseDocument(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		lib.documents = append(lib.documents, d)
		if p := lib.playbook(d.Playbook); p != nil {
			p.Documents = append(p.Documents, d)
		}
	}
	return lib, nil
}

// parseDocument reads "name: value" lines up to an empty line, then paragraphs
// separated by empty lines; "## " starts a heading.
func parseDocument(b []byte) (*document, error) {
	d := &document{}
	fields := map[string]*string{"id": &d.ID, "title": &d.Title, "kind": &d.Kind, "playbook": &d.Playbook, "summary": &d.Summary}
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	head := true
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		name, value, _ := strings.Cut(line, ": ")
		switch heading, isHeading := strings.CutPrefix(line, "## "); {
		case line == "":
			head = false
		case head && fields[name] == nil:
			return nil, fmt.Errorf("unknown field %q", name)
		case head:
			*fields[name] = value
		case isHeading:
			d.Blocks = append(d.Blocks, block{Heading: true, Text: heading})
		default:
			d.Blocks = append(d.Blocks, block{Text: line})
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if d.ID == "" || d.Title == "" || len(d.Blocks) == 0 {
		return nil, fmt.Errorf("a document needs id, title and text")
	}
	var plain strings.Builder
	plain.WriteString(d.Title + "\n\n" + d.Summary + "\n")
	for _, bl := range d.Blocks {
		plain.WriteString("\n" + bl.Text + "\n")
		d.Words += len(strings.Fields(bl.Text))
	}
	d.plain = plain.String()
	d.text = strings.ToLower(d.plain + " " + d.Kind)
	return d, nil
}

func (l *library) document(id string) *document {
	for _, d := range l.documents {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (l *library) playbook(id string) *playbook {
	for _, p := range l.playbooks {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// kinds lists the kinds of documents, sorted.
func (l *library) kinds() []string {
	var kinds []string
	for _, d := range l.documents {
		kinds = append(kinds, d.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// search finds the documents that hold every term, of the kind if one is given,
// the most frequent mention first; a mention in the title counts ten times.
func (l *library) search(query, kind string) []*document {
	terms := strings.Fields(strings.ToLower(query))
	if len(terms) == 0 {
		return nil
	}
	type hit struct {
		doc  *document
		rank int
	}
	var hits []hit
	for _, d := range l.documents {
		rank := 0
		for _, t := range terms {
			n := strings.Count(d.text, t) + 10*strings.Count(strings.ToLower(d.Title), t)
			if n == 0 {
				rank = -1
				break
			}
			rank += n
		}
		if rank > 0 && (kind == "" || kind == d.Kind) {
			hits = append(hits, hit{d, rank})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.rank, a.rank) })
	found := make([]*document, len(hits))
	for i, h := range hits {
		found[i] = h.doc
	}
	return found
}
