package importer

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one mistake in a file.
type Problem struct {
	Line    int    `json:"line"`   // from 1, the header's
	Column  string `json:"column"` // empty: the whole line
	Code    string `json:"code"`
	Message string `json:"message"` // what is wrong and how to mend it
}

// String is the problem for people.
func (p Problem) String() string {
	if p.Column == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Message)
	}
	return fmt.Sprintf("line %d, column %s: %s", p.Line, p.Column, p.Message)
}

// ErrFile says that a file cannot be read as the table that it should be.
var ErrFile = errors.New("the file is not a table that can be imported")

const (
	headerBytesMax = 64 << 10
	lineBytesMax   = 256 << 10 // of the fields of a row, together
)

// table reads the rows of a CSV file: UTF-8 with or without a byte order mark, fields
// between commas, semicolons or tabs, whichever its header has most of.
type table struct {
	csv     *csv.Reader
	columns []Column
}

func newTable(r io.Reader, kind Kind) (*table, error) {
	buffered := bufio.NewReaderSize(r, headerBytesMax)
	if head, err := buffered.Peek(3); err == nil && string(head) == "\ufeff" {
		if _, err := buffered.Discard(3); err != nil {
			return nil, fmt.Errorf("reading the file: %w", err)
		}
	}
	head, err := buffered.Peek(headerBytesMax)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	line, _, _ := strings.Cut(string(head), "\n")
	t := &table{csv: csv.NewReader(buffered)}
	t.csv.Comma = slices.MaxFunc([]rune{',', ';', '\t'}, func(a, b rune) int {
		return strings.Count(line, string(a)) - strings.Count(line, string(b))
	})
	t.csv.ReuseRecord, t.csv.TrimLeadingSpace = true, true
	names, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it is empty; its first line must name columns: %s", ErrFile, strings.Join(kind.names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its first line: %w", ErrFile, err)
	}
	return t, t.header(names, kind)
}

// header matches the names of the columns.
func (t *table) header(names []string, kind Kind) error {
	known := kind.columns()
	var errs []error
	seen := make(map[string]bool)
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		c, ok := known[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%w: there is no column %q; %s have %s", ErrFile, name, kind.Name, strings.Join(kind.names(), ", ")))
		case seen[name]:
			errs = append(errs, fmt.Errorf("%w: the column %s stands twice", ErrFile, name))
		}
		seen[name] = true
		t.columns = append(t.columns, c)
	}
	for _, c := range kind.Columns {
		if c.Required && !seen[c.Name] {
			errs = append(errs, fmt.Errorf("%w: the column %s is missing", ErrFile, c.Name))
		}
	}
	return errors.Join(errs...)
}

// next gives the cells of the next row that is not empty, by column, without space
// around them and without those that are empty. io.EOF ends the file; a *Problem is
// a row that cannot be read, the ones after it can.
func (t *table) next() (cells map[string]string, line int, err error) {
	for {
		record, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			return nil, 0, io.EOF
		}
		var wrong *csv.ParseError
		switch {
		case errors.As(err, &wrong) && errors.Is(err, csv.ErrFieldCount):
			return nil, 0, &rowError{Problem{Line: wrong.StartLine, Code: "fields",
				Message: fmt.Sprintf("it has %d fields, the first line %d: quote a field that contains %q", len(record), len(t.columns), string(t.csv.Comma))}}
		case errors.As(err, &wrong):
			return nil, 0, &rowError{Problem{Line: wrong.StartLine, Code: "quotes",
				Message: fmt.Sprintf("%v: write a quote within a quoted field twice", wrong.Err)}}
		case err != nil:
			return nil, 0, fmt.Errorf("reading the file: %w", err)
		}
		line, _ := t.csv.FieldPos(0)
		cells := make(map[string]string, len(record))
		size := 0
		for i, cell := range record {
			if !utf8.ValidString(cell) {
				return nil, 0, &rowError{Problem{Line: line, Column: t.columns[i].Name, Code: "encoding", Message: "it is not UTF-8: save the file as UTF-8"}}
			}
			if cell = strings.TrimSpace(cell); cell != "" {
				cells[t.columns[i].Name] = cell
			}
			size += len(cell)
		}
		if size > lineBytesMax {
			return nil, 0, &rowError{Problem{Line: line, Code: "too_long", Message: fmt.Sprintf("it has %d bytes, at most %d are taken", size, lineBytesMax)}}
		}
		if len(cells) > 0 {
			return cells, line, nil
		}
	}
}

// rowError is a row that cannot be read.
type rowError struct{ Problem }

func (e *rowError) Error() string { return e.String() }
