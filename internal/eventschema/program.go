package eventschema

import (
	"bytes"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// program recognises valid data of one event type in one pass over its bytes. It
// is sound, not complete: "valid" holds by the schema too (a differential test
// sees to it), anything else is for the schema to judge.
type program struct {
	fields    map[string]*rule
	required  uint64 // bit i: the field of rule index i must be there
	fieldsMax int
	readers   sync.Pool // of *reader
}

// rule is what the program knows of one field.
type rule struct {
	index      int           // its bit in required; -1 when optional
	kind       jsontext.Kind // '"', '0', 't' or '{'; 0: leave the field to the schema
	lengthMin  int           // characters
	lengthMax  int           // characters of a string, members of an object
	noControls bool
	pattern    jsonschema.Regexp
	format     *jsonschema.Format
	enum       map[string]bool
	integer    bool
	min, max   float64
}

// namePattern is the pattern of identifiers, which the program checks without a
// regular expression.
const namePattern = `^\P{Cc}+$`

// newProgram derives the program of an object schema, or nil when the schema says
// more about the object than the program can check.
func newProgram(s *jsonschema.Schema) *program {
	rest := *s
	rest.Types, rest.Properties, rest.Required, rest.MaxProperties = nil, nil, nil, nil
	if s.MaxProperties == nil || len(s.Required) > 64 || !onlyAnnotations(&rest) ||
		s.Types == nil || !slices.Equal(s.Types.ToStrings(), []string{"object"}) {
		return nil
	}
	p := &program{fields: make(map[string]*rule), fieldsMax: *s.MaxProperties}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		r := newRule(s.Properties[name])
		r.index = -1
		p.fields[name] = r
	}
	for i, name := range s.Required {
		r, ok := p.fields[name]
		if !ok || r.index >= 0 {
			return nil
		}
		r.index = i
		p.required |= 1 << i
	}
	p.readers.New = func() any { return newReader() }
	return p
}

// newRule derives a field's rule. Kind stays 0 when the schema has a keyword that
// the program does not know.
func newRule(s *jsonschema.Schema) *rule {
	for s.Ref != nil {
		rest := *s
		rest.Ref = nil
		if !onlyAnnotations(&rest) {
			return &rule{}
		}
		s = s.Ref
	}
	r := &rule{lengthMax: math.MaxInt, min: math.Inf(-1), max: math.Inf(1)}
	rest := *s
	rest.Types = nil
	types := s.Types.ToStrings()
	if len(types) != 1 {
		return &rule{}
	}
	var kind jsontext.Kind
	switch types[0] {
	case "string":
		kind = '"'
		rest.MinLength, rest.MaxLength, rest.Enum, rest.Pattern, rest.Format = nil, nil, nil, nil, nil
		if !r.limitString(s) {
			return &rule{}
		}
	case "number", "integer":
		kind, r.integer = '0', types[0] == "integer"
		rest.Minimum, rest.Maximum = nil, nil
		if s.Minimum != nil {
			r.min, _ = s.Minimum.Float64()
		}
		if s.Maximum != nil {
			r.max, _ = s.Maximum.Float64()
		}
	case "boolean":
		kind = 't'
	case "object":
		kind, rest.MaxProperties = '{', nil
		if s.MaxProperties != nil {
			r.lengthMax = *s.MaxProperties
		}
	}
	if onlyAnnotations(&rest) {
		r.kind = kind
	}
	return r
}

// limitString takes over the string keywords; false when one is not understood.
func (r *rule) limitString(s *jsonschema.Schema) bool {
	if s.MinLength != nil {
		r.lengthMin = *s.MinLength
	}
	if s.MaxLength != nil {
		r.lengthMax = *s.MaxLength
	}
	r.pattern, r.format = s.Pattern, s.Format
	if s.Pattern != nil && s.Pattern.String() == namePattern {
		r.noControls, r.pattern = true, nil
		r.lengthMin = max(r.lengthMin, 1)
	}
	if s.Enum != nil {
		r.enum = make(map[string]bool, len(s.Enum.Values))
		for _, v := range s.Enum.Values {
			text, ok := v.(string)
			if !ok {
				return false
			}
			r.enum[text] = true
		}
	}
	return true
}

// onlyAnnotations tells whether nothing in s constrains a value. It looks at every
// exported field, so that a keyword that nobody thought of is not overlooked.
func onlyAnnotations(s *jsonschema.Schema) bool {
	v := reflect.ValueOf(*s)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Name {
		case "DraftVersion", "Location", "ID", "Anchor", "Title", "Description", "Comment", "Examples", "Default",
			"ReadOnly", "WriteOnly", "Deprecated", "DynamicAnchor":
			continue
		}
		if f.IsExported() && !v.Field(i).IsZero() && !isEmpty(v.Field(i)) {
			return false
		}
	}
	return true
}

// isEmpty tells an empty map or slice, which constrains nothing.
func isEmpty(v reflect.Value) bool {
	return (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0
}

// reader is a reusable JSON decoder over a byte slice.
type reader struct {
	dec *jsontext.Decoder
	src bytes.Buffer
}

func newReader() *reader {
	r := &reader{}
	r.dec = jsontext.NewDecoder(&r.src, jsontext.AllowDuplicateNames(true))
	return r
}

// valid tells whether data certainly satisfies the schema.
func (p *program) valid(data jsontext.Value) bool {
	return p.validFlat(data) || p.validNested(data)
}

// validNested is valid for data of any shape.
func (p *program) validNested(data jsontext.Value) bool {
	rd, _ := p.readers.Get().(*reader)
	defer p.readers.Put(rd)
	rd.src = *bytes.NewBuffer(data)
	rd.dec.Reset(&rd.src, jsontext.AllowDuplicateNames(true)) // the caller refused duplicates already
	defer rd.dec.Reset(eof{})
	if t, err := rd.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	var seen uint64
	fields := 0
	for rd.dec.PeekKind() == '"' {
		name, err := rd.dec.ReadValue()
		if err != nil || bytes.IndexByte(name, '\\') >= 0 {
			return false
		}
		fields++
		r := p.fields[string(name[1:len(name)-1])]
		value, err := rd.dec.ReadValue()
		if err != nil || r != nil && !r.valid(value) || r == nil && !numbersFit(value) {
			return false
		}
		if r != nil && r.index >= 0 {
			seen |= 1 << r.index
		}
	}
	t, err := rd.dec.ReadToken()
	return err == nil && t.Kind() == '}' && fields <= p.fieldsMax && seen == p.required
}

// eof is an empty input; it lets go of the last one.
type eof struct{}

// Read has nothing.
func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func (r *rule) valid(v jsontext.Value) bool {
	switch k := v.Kind(); r.kind {
	case '"':
		return k == '"' && r.validString(v)
	case '0':
		return k == '0' && r.validNumber(v)
	case 't':
		return k == 't' || k == 'f'
	case '{':
		// More commas than members at most, so few commas are few members.
		return k == '{' && bytes.Count(v, []byte{','}) < r.lengthMax && numbersFit(v)
	}
	return false
}

// numbersFit tells whether every number in a valid JSON value is in the range of a
// float64, as the schema's decoder demands.
func numbersFit(v jsontext.Value) bool {
	for i := 0; i < len(v); {
		switch c := v[i]; {
		case c == '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
			i++
		case c == '-' || '0' <= c && c <= '9':
			start := i
			exponent := false
			for ; i < len(v) && bytes.IndexByte([]byte("+-.0123456789eE"), v[i]) >= 0; i++ {
				exponent = exponent || v[i] == 'e' || v[i] == 'E'
			}
			if exponent || i-start > 300 {
				if _, err := strconv.ParseFloat(string(v[start:i]), 64); err != nil {
					return false
				}
			}
		default:
			i++
		}
	}
	return true
}

func (r *rule) validString(v jsontext.Value) bool {
	if bytes.IndexByte(v, '\\') >= 0 {
		return false // escapes are rare: let the schema look
	}
	text := v[1 : len(v)-1]
	if r.enum != nil && !r.enum[string(text)] {
		return false
	}
	n := len(text)
	if n > r.lengthMax || r.lengthMin > 1 {
		n = utf8.RuneCount(text)
	}
	if n < r.lengthMin || n > r.lengthMax {
		return false
	}
	if r.pattern != nil && !r.pattern.MatchString(string(text)) ||
		r.format != nil && r.format.Validate(string(text)) != nil {
		return false
	}
	if r.noControls {
		for _, c := range string(text) {
			if unicode.IsControl(c) {
				return false
			}
		}
	}
	return true
}

func (r *rule) validNumber(v jsontext.Value) bool {
	f, err := strconv.ParseFloat(string(v), 64)
	return err == nil && f >= r.min && f <= r.max && (!r.integer || f == math.Trunc(f))
}
