package cloudevents

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Structured reads one CloudEvent in JSON. Its error is one of syntax: body is not
// JSON at all.
func (c *Config) Structured(body []byte) (Message, error) {
	if err := wellFormed(body); err != nil {
		return Message{}, err
	}
	return c.one(bytes.TrimSpace(body)), nil
}

// Batch reads a JSON array of at most eventsMax CloudEvents. Its error is one of
// syntax, or ErrTooMany; an element that is bad in itself has a Problem.
func (c *Config) Batch(body []byte, eventsMax int) ([]Message, error) {
	if err := wellFormed(body); err != nil {
		return nil, err
	}
	dec := lenient(body)
	if dec.PeekKind() != '[' {
		return nil, errors.New("a batch is a JSON array of CloudEvents")
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	var out []Message
	for dec.PeekKind() != ']' {
		if len(out) == eventsMax {
			return nil, ErrTooMany
		}
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, c.one(bytes.Clone(v)))
	}
	return out, nil
}

func lenient(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// wellFormed checks that b is one JSON value; duplicate names and broken UTF-8 are
// left to the event they are in.
func wellFormed(b []byte) error {
	dec := lenient(b)
	if err := dec.SkipValue(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the end of the JSON value")
	}
	return nil
}

// one turns one CloudEvent's JSON into a message.
func (c *Config) one(raw []byte) Message {
	m := Message{Original: raw}
	p, problem := split(raw)
	if problem != nil {
		m.Problem = problem
		return m
	}
	return c.finish(m, p)
}

// finish makes the event of a CloudEvent's parts.
func (c *Config) finish(m Message, p *parts) Message {
	m.ID, m.Type = p.text("id"), strings.TrimPrefix(p.text("type"), c.TypePrefix)
	p.required(&m)
	if m.Problem == nil {
		m.Envelope = c.write(&m, p)
	}
	return m
}

// split reads the members of a CloudEvent.
func split(raw []byte) (*parts, *event.Problem) {
	malformed := func(err error) (*parts, *event.Problem) {
		return nil, &event.Problem{Code: event.CodeMalformed, Message: "the CloudEvent is not valid JSON: " + strings.ToValidUTF8(err.Error(), "?")}
	}
	if k := jsontext.Value(raw).Kind(); k != '{' {
		return nil, &event.Problem{Code: event.CodeMalformed, Message: "a CloudEvent must be a JSON object"}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return malformed(err)
	}
	p := new(parts)
	var encoded jsontext.Value
	for dec.PeekKind() == '"' {
		t, err := dec.ReadToken()
		if err != nil {
			return malformed(err)
		}
		name := t.String()
		v, err := dec.ReadValue()
		if err != nil {
			return malformed(err)
		}
		v = v.Clone()
		switch {
		case name == "data_base64":
			encoded = v
		case name == "data":
			p.data = v
		case v.Kind() != 'n': // null means absent
			p.attributes = append(p.attributes, attribute{name, v})
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return malformed(err)
	}
	if encoded != nil && encoded.Kind() != 'n' {
		if p.data != nil {
			return nil, &event.Problem{Code: event.CodeSchema, Pointer: "/data_base64", Message: "data and data_base64 must not both be present"}
		}
		return p.decoded(encoded)
	}
	return p, nil
}

// decoded takes data from data_base64.
func (p *parts) decoded(encoded jsontext.Value) (*parts, *event.Problem) {
	bad := &event.Problem{Code: event.CodeSchema, Pointer: "/data_base64", Message: "must be the base64 of a JSON object: the fields of the event's type"}
	if encoded.Kind() != '"' {
		return nil, bad
	}
	text, err := jsontext.AppendUnquote(nil, encoded)
	if err != nil {
		return nil, bad
	}
	b, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || !jsontext.Value(b).IsValid() {
		return nil, bad
	}
	p.data = b
	return p, nil
}

// write gives the event's JSON. Attributes that the collector stamps itself, and
// extensions that mean nothing here, such as traceparent, are left out.
func (c *Config) write(m *Message, p *parts) []byte {
	if t := p.text("datacontenttype"); t != "" && !isJSON(t) {
		m.fail(event.CodeSchema, "/datacontenttype", fmt.Sprintf("%.60q is not taken: data must be JSON", t))
		return nil
	}
	t := event.Type(m.Type)
	_, hasPartner := p.get("partnerid")
	var out, inner bytes.Buffer
	field := func(b *bytes.Buffer, name string, v []byte) {
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.Write(quote(name))
		b.WriteByte(':')
		b.Write(v)
	}
	top, within := envelope(), context()
	for _, a := range p.attributes {
		switch {
		case a.name == "id":
			field(&out, "id", quote(c.id(p)))
		case a.name == "type":
			field(&out, "type", quote(m.Type))
		case a.name == "subject" && (hasPartner || t.IsTenantWide()):
		case a.name == "internal":
			field(&out, "internal", flag(a.value))
		case top[a.name] != "":
			field(&out, top[a.name], a.value)
		case within[a.name] != "":
			field(&inner, within[a.name], a.value)
		}
	}
	if inner.Len() > 0 {
		inner.WriteByte('}')
		field(&out, "context", inner.Bytes())
	}
	if p.data != nil && p.data.Kind() != 'n' {
		field(&out, "data", p.data)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// id gives the idempotency key.
func (c *Config) id(p *parts) string {
	if !c.SourceInID {
		return p.text("id")
	}
	return sourceID(p.text("source"), p.text("id"))
}

// flag takes the words true and false for the booleans: headers have only text.
func flag(v jsontext.Value) []byte {
	switch string(v) {
	case `"true"`:
		return []byte("true")
	case `"false"`:
		return []byte("false")
	}
	return v
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"))
}

// quote gives s as a JSON string. Broken UTF-8 cannot come here: the decoders
// refuse it.
func quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil { // only broken UTF-8 is an error
		return []byte(`""`)
	}
	return b
}
