package xapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of one statement. The event that it becomes carries it whole, so they
// stay below those of an event.
const (
	StatementBytesMax = 28 << 10
	NestingMax        = 28
)

// ErrTooMany says that a request has more statements than allowed.
var ErrTooMany = errors.New("too many statements")

// Invalid says why a statement breaks the specification.
type Invalid struct {
	Index   int    // place of the statement in its request, from 0
	Pointer string // JSON Pointer into the statement
	Message string
}

// Error gives place and message.
func (e *Invalid) Error() string {
	place := e.Pointer
	if place == "" {
		place = "/"
	}
	return fmt.Sprintf("statement %d, %s: %s", e.Index, place, e.Message)
}

// Item is one statement of a request as it was sent.
type Item struct {
	Raw       []byte
	Statement *Statement // nil when Invalid says why
	Invalid   *Invalid
}

// Split decodes a body: one statement, or an array of at most statementsMax. Its
// error is one of syntax, or ErrTooMany. A statement that is wrong in itself is an
// item with Invalid set.
func Split(body []byte, statementsMax int) ([]Item, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	whole, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	whole = whole.Clone()
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text after the end of the JSON value")
	}
	switch whole.Kind() {
	case '{':
		return []Item{decode(0, whole)}, nil
	case '[':
	default:
		return nil, errors.New("a statement is a JSON object, several are an array of objects")
	}
	dec = jsontext.NewDecoder(bytes.NewReader(whole), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var out []Item
	for dec.PeekKind() != ']' {
		if len(out) == statementsMax {
			return nil, ErrTooMany
		}
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, decode(len(out), v.Clone()))
	}
	return out, nil
}

// decode reads one statement and checks it.
func decode(index int, raw jsontext.Value) Item {
	item := Item{Raw: raw}
	bad := func(pointer, message string) Item {
		item.Invalid = &Invalid{Index: index, Pointer: pointer, Message: message}
		return item
	}
	if raw.Kind() != '{' {
		return bad("", "a statement must be a JSON object")
	}
	if len(raw) > StatementBytesMax {
		return bad("", fmt.Sprintf("has %d bytes, at most %d are taken", len(raw), StatementBytesMax))
	}
	if pointer, problem := scan(raw); problem != "" {
		return bad(pointer, problem)
	}
	s := new(Statement)
	if err := json.Unmarshal(raw, s, json.RejectUnknownMembers(true)); err != nil {
		return bad(explain(err))
	}
	if pointer, problem := s.check(); problem != "" {
		return bad(pointer, problem)
	}
	item.Statement = s
	return item
}

// scan finds what decoding into types would not tell: broken JSON, null, which is
// allowed within extensions only, and too much nesting.
func scan(raw []byte) (pointer, problem string) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		if dec.StackDepth() > NestingMax {
			return "", fmt.Sprintf("is nested deeper than %d levels", NestingMax)
		}
		t, err := dec.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return "", ""
		case err != nil:
			return "", "is not valid JSON: " + strings.ToValidUTF8(err.Error(), "?")
		}
		if t.Kind() != 'n' {
			continue
		}
		if at := string(dec.StackPointer()); !strings.Contains(at, "/extensions/") {
			return at, "must not be null: leave it out"
		}
	}
}

// explain words a decoding error.
func explain(err error) (pointer, message string) {
	var s *json.SemanticError
	if !errors.As(err, &s) {
		return "", "cannot be decoded: " + strings.ToValidUTF8(err.Error(), "?")
	}
	pointer = string(s.JSONPointer)
	if errors.Is(err, json.ErrUnknownName) {
		return pointer, "xAPI knows no such property here (names are case-sensitive)"
	}
	if s.GoType != nil {
		return pointer, "has the wrong JSON type" + expected(s.GoType.String())
	}
	return pointer, "cannot be decoded"
}

// expected words what was wanted in place of a value.
func expected(goType string) string {
	goType = strings.TrimPrefix(goType, "*")
	switch {
	case goType == "string":
		return ": must be a string"
	case goType == "bool":
		return ": must be true or false"
	case goType == "float64" || goType == "int64":
		return ": must be a number"
	case strings.HasPrefix(goType, "[]"):
		return ": must be an array"
	}
	return ": must be an object"
}

// UnmarshalJSONFrom takes a list, or its only element.
func (o *Objects) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '[' {
		return json.UnmarshalDecode(dec, (*[]Object)(o))
	}
	var one Object
	if err := json.UnmarshalDecode(dec, &one); err != nil {
		return err
	}
	*o = Objects{one}
	return nil
}
