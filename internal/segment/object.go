package segment

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// member is one name and value of an object.
type member struct {
	name  string
	value jsontext.Value
}

// object is a JSON object in the order in which it was written. Values stay as
// they were written, so that no number loses digits.
type object []member

// readObject reads an object's members; nil when v is none. Its values are part of v.
func readObject(v jsontext.Value) (object, error) {
	if v.Kind() != '{' {
		return nil, nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	o := object{}
	for d.PeekKind() == '"' {
		m, err := readMember(d, v)
		if err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	_, err := d.ReadToken()
	return o, err
}

// readMember reads the next name and value from d, which reads text.
func readMember(d *jsontext.Decoder, text []byte) (member, error) {
	t, err := d.ReadToken()
	if err != nil {
		return member{}, err
	}
	name := t.String()
	v, err := d.ReadValue()
	if err != nil {
		return member{}, err
	}
	end := int(d.InputOffset())
	return member{name, text[end-len(v) : end]}, nil
}

// get gives the value of a name; nil when it is absent or null.
func (o object) get(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name && m.value.Kind() != 'n' {
			return m.value
		}
	}
	return nil
}

// object gives the object at a name; nil when there is none. The values come from a
// text that was read strictly before, so reading them again cannot fail.
func (o object) object(name string) object {
	inner, err := readObject(o.get(name))
	if err != nil {
		return nil
	}
	return inner
}

// text gives the string, or the number as a string, at a name; else "".
func (o object) text(name string) string { return textOf(o.get(name)) }

// at follows names from object to object; nil when the way ends.
func (o object) at(path ...string) jsontext.Value {
	for _, name := range path[:len(path)-1] {
		o = o.object(name)
	}
	return o.get(path[len(path)-1])
}

// without gives o without some names.
func (o object) without(names ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(names, m.name) })
}

// over gives o with what below has and o lacks.
func (o object) over(below object) object {
	out := slices.Clone(o)
	for _, m := range below {
		if o.get(m.name) == nil {
			out = append(out.without(m.name), m)
		}
	}
	return out
}

// append writes the object to b.
func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(quoted(b, m.name), ':')
		b = append(b, m.value...)
	}
	return append(b, '}')
}

// textOf gives a string's text and a number's digits; "" for every other value.
func textOf(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return ""
		}
		return string(b)
	case '0':
		return string(v)
	}
	return ""
}

// quoted writes s as a JSON string; what is not UTF-8 in it becomes U+FFFD.
func quoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // its only error is about UTF-8, which it has then mended
	return b
}

// str is s as a JSON value.
func str(s string) jsontext.Value { return quoted(nil, s) }
