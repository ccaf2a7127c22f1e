package clickhouse

import (
	"bytes"
	"fmt"
	"io"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// source is a request's statement: its text, or the head of an INSERT and the
// data that follows.
type source struct {
	text   string
	insert *insertHead
	rest   io.Reader
}

// sourceStep is how much of a body is read before looking for the INSERT head.
const sourceStep = 64 << 10

// readSource joins the URL's query and the body as ClickHouse does, the query
// and a line end first, and reads no further than the statement: insert data
// stays unread in rest.
func readSource(query string, body io.Reader, maxBytes int) (*source, error) {
	text := []byte(query)
	if query != "" {
		text = append(text, '\n')
	}
	for {
		head, state := splitInsert(string(text))
		if state == insertComplete {
			rest := io.MultiReader(bytes.NewReader(text[head.dataStart:]), body)
			return &source{insert: &head, rest: rest}, nil
		}
		if state == insertNone {
			return readText(text, body, maxBytes)
		}
		if len(text) > maxBytes {
			return nil, fmt.Errorf("%w: no data found in %d bytes of an INSERT", errBodyTooLarge, maxBytes)
		}
		n := len(text)
		text = append(text, make([]byte, max(n, sourceStep))...) // doubling: linear in all
		got, err := fill(body, text[n:])
		text = text[:n+got]
		if err == io.EOF { //nolint:errorlint // wrapped or unexpected ends are broken bodies, not ends
			return endOfSource(text, maxBytes)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the statement: %w", err)
		}
	}
}

// fill reads until b is full. Unlike io.ReadFull it gives the reader's own error, so
// that a connection that broke off (io.ErrUnexpectedEOF of net/http) is not taken
// for the end of the body.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var got int
		got, err = r.Read(b[n:])
		n += got
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}

// endOfSource decides on a text that ended inside what looked like an INSERT.
func endOfSource(text []byte, maxBytes int) (*source, error) {
	head, state := splitInsert(string(text))
	if state == insertNone || head.sql == "" {
		return asText(text, maxBytes)
	}
	if head.format == "" {
		head.format = "Values" // ClickHouse's default for an INSERT without FORMAT
	}
	return &source{insert: &head, rest: bytes.NewReader(text[head.dataStart:])}, nil
}

func readText(text []byte, body io.Reader, maxBytes int) (*source, error) {
	more, err := io.ReadAll(io.LimitReader(body, int64(max(maxBytes-len(text), 0)+1)))
	if err != nil {
		return nil, fmt.Errorf("reading the statement: %w", err)
	}
	return asText(append(text, more...), maxBytes)
}

func asText(text []byte, maxBytes int) (*source, error) {
	if len(text) > maxBytes {
		return nil, &chdb.Exception{Code: codeTooManyBytes, Name: "TOO_MANY_BYTES",
			Message: fmt.Sprintf("the statement has more than %d bytes", maxBytes)}
	}
	return &source{text: string(text)}, nil
}
