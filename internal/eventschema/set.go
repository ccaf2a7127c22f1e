// Package eventschema checks events against the JSON Schemas of the contract and
// says what is wrong in words that help the developer who sent them.
//
// The schemas decide. For the data of the frequent event types a small program is
// derived from the compiled schema that can say "certainly valid" without building
// a tree of values; whatever it is not sure of goes to the schema.
package eventschema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"partnerpulse/internal/event"
)

// BaseURL starts the $id of every schema.
const BaseURL = "https://schemas.partnerpulse.dev/events/"

// customName is the schema of all custom.* types.
const customName = "custom"

// dataPlace is where the type's own fields are in an event.
const dataPlace = "/data"

// Set holds the compiled schemas. It is safe for concurrent use.
type Set struct {
	types map[event.Type]*compiled
}

// compiled is one type's schema: of the whole event, and of data alone.
type compiled struct {
	name  string
	whole *jsonschema.Schema
	data  *jsonschema.Schema
	fast  *program // nil: the data schema is of a shape that the program cannot express
}

// New compiles the schemas of every event type from fsys, which holds
// events/<type>.json and events/envelope.json. Nothing is fetched from elsewhere.
func New(fsys fs.FS) (*Set, error) {
	files, err := fs.Glob(fsys, "events/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing event schemas: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	for _, file := range files {
		b, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("reading event schema: %w", err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("decoding %s: %w", file, err)
		}
		if err := c.AddResource(BaseURL+path.Base(file), doc); err != nil {
			return nil, fmt.Errorf("adding %s: %w", file, err)
		}
	}
	s := &Set{types: make(map[event.Type]*compiled)}
	for _, t := range append(event.Types(), customName) {
		url := BaseURL + string(t) + ".json"
		whole, err := c.Compile(url)
		if err != nil {
			return nil, fmt.Errorf("compiling the schema of %s: %w", t, err)
		}
		data, err := c.Compile(url + "#/properties/data")
		if err != nil {
			return nil, fmt.Errorf("compiling the data schema of %s: %w", t, err)
		}
		s.types[t] = &compiled{name: string(t), whole: whole, data: data, fast: newProgram(data)}
	}
	return s, nil
}

// noLoader refuses to fetch a schema that is not among the files.
type noLoader struct{}

// Load always fails.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("schema %s is not among the files", url)
}

func (s *Set) find(t event.Type) *compiled {
	if t.IsCustom() {
		return s.types[customName]
	}
	if t == customName {
		return nil
	}
	return s.types[t]
}

// Known tells whether there is a schema for the type; custom.* types have one.
func (s *Set) Known(t event.Type) bool { return s.find(t) != nil }

// Check validates a whole event as a producer sends it: envelope and data. The
// problems are in order of their place; none means valid.
func (s *Set) Check(t event.Type, raw []byte) []event.Problem {
	c := s.find(t)
	if c == nil {
		return []event.Problem{unknown(t)}
	}
	return c.validate(c.whole, raw, "")
}

// CheckData validates data alone, a JSON object without duplicate names. Problems
// point into the whole event. Its answer is that of Check for a valid envelope.
func (s *Set) CheckData(t event.Type, data jsontext.Value) []event.Problem {
	c := s.find(t)
	if c == nil {
		return []event.Problem{unknown(t)}
	}
	if c.fast != nil && c.fast.valid(data) {
		return nil
	}
	return c.validate(c.data, data, dataPlace)
}

func unknown(t event.Type) event.Problem {
	return event.Problem{Code: event.CodeUnknownType, Pointer: "/type", Message: fmt.Sprintf("there is no event type %s", quote(string(t)))}
}

// validate runs the schema over raw, whose place in the event is at.
func (c *compiled) validate(schema *jsonschema.Schema, raw []byte, at string) []event.Problem {
	var v any
	// float64 keeps the cost of a number bounded, however large its exponent.
	err := json.Unmarshal(raw, &v)
	if semantic := new(json.SemanticError); errors.As(err, &semantic) {
		return []event.Problem{{Code: event.CodeSchema, Pointer: at + string(semantic.JSONPointer),
			Message: "this number is out of range: at most ±1.8e308 can be kept"}}
	}
	if err != nil {
		return []event.Problem{{Code: event.CodeMalformed, Pointer: at, Message: "cannot be decoded: " + err.Error()}}
	}
	err = schema.Validate(v)
	if err == nil {
		return nil
	}
	var verr *jsonschema.ValidationError
	if !errors.As(err, &verr) {
		return []event.Problem{{Code: event.CodeSchema, Pointer: at, Message: err.Error()}}
	}
	problems := c.explain(nil, verr, schema, at)
	slices.SortFunc(problems, func(a, b event.Problem) int {
		if d := strings.Compare(a.Pointer, b.Pointer); d != 0 {
			return d
		}
		return strings.Compare(a.Message, b.Message)
	})
	return slices.Compact(problems)
}
