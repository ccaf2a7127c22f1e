package collector

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
)

// nestingMax is how deep an event may be nested, itself counted.
const nestingMax = 32

// timeLengthMax is the most characters of a time, as the schema says.
const timeLengthMax = 40

// typeLengthMax is the most characters of a type, as the schema says.
const typeLengthMax = 100

// event decodes the next value into d. Its error is one of syntax, after which the
// decoder cannot go on; everything else is noted in d, whose bytes are then read to
// their end all the same. What it lets pass satisfies envelope.json, apart from
// required fields and the form of type and time, which the rules check.
func (p *parser) event(d *draft) error {
	if kind := p.dec.PeekKind(); kind != '{' {
		v, err := p.value()
		if err != nil {
			return err
		}
		d.original = v
		d.fail(event.CodeMalformed, "", "an event must be a JSON object, not "+noun(kind))
		return nil
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	start := p.dec.InputOffset() - 1
	for p.dec.PeekKind() == '"' {
		name, err := p.name()
		if err != nil {
			return err
		}
		if err := p.field(d, name); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	d.original = p.body[start:p.dec.InputOffset()]
	if len(d.original) > event.EventSizeBytesMax {
		d.problem = &event.Problem{Code: event.CodeTooLong, Message: fmt.Sprintf(
			"the event has %d bytes, at most %d are taken; only its first part is kept", len(d.original), event.EventSizeBytesMax)}
	}
	return nil
}

// name reads the name of a member, without quotes. It is valid until the next read.
func (p *parser) name() ([]byte, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	return unquote(v)
}

// unquote gives the text of a JSON string, within v where it has no escapes.
func unquote(v jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	return jsontext.AppendUnquote(nil, v)
}

// field decodes the value of one field of the envelope.
func (p *parser) field(d *draft, name []byte) error {
	e := &d.event
	switch string(name) {
	case "id":
		return p.text(d, "/id", &e.ID, event.IDLengthMax, true)
	case "type":
		return p.text(d, "/type", (*string)(&e.Type), typeLengthMax, false)
	case "time":
		d.hasTime = true
		return p.text(d, "/time", &d.timeText, timeLengthMax, false)
	case "partner_id":
		return p.text(d, "/partner_id", &e.PartnerID, event.NameLengthMax, true)
	case "user_id":
		return p.text(d, "/user_id", &e.UserID, event.NameLengthMax, true)
	case "anonymous_id":
		return p.text(d, "/anonymous_id", &e.AnonymousID, event.NameLengthMax, true)
	case "session_id":
		return p.text(d, "/session_id", &e.SessionID, event.NameLengthMax, true)
	case "internal":
		return p.flag(d, "/internal", &e.Internal)
	case "context":
		return p.context(d)
	case "data":
		return p.data(d)
	}
	place := "/" + escape(string(name))
	d.fail(event.CodeSchema, place, eventschema.UnknownField("", string(name)))
	return p.dec.SkipValue()
}

// text decodes a string. A name is an identifier: neither empty nor with control
// characters.
func (p *parser) text(d *draft, place string, into *string, lengthMax int, isName bool) error {
	if p.dec.PeekKind() != '"' {
		return p.wrong(d, place, "a string")
	}
	v, err := p.dec.ReadValue()
	if err != nil {
		return err
	}
	text, err := unquote(v)
	if err != nil {
		return err
	}
	*into = string(text)
	n := len(text)
	if n > lengthMax {
		n = utf8.RuneCount(text)
	}
	switch {
	case n > lengthMax:
		d.fail(event.CodeTooLong, place, fmt.Sprintf("must have at most %d characters, not %d", lengthMax, n))
		*into = ""
	case isName && n == 0:
		code := event.CodeSchema
		switch place {
		case "/id":
			code = event.CodeMissing
		case "/partner_id":
			code = event.CodeUnresolvedPartner
		}
		d.fail(code, place, "must not be empty")
	case isName && hasControls(*into):
		d.fail(event.CodeSchema, place, "must not have control characters such as line breaks or tabs")
		*into = ""
	}
	return nil
}

func (p *parser) flag(d *draft, place string, into *bool) error {
	if kind := p.dec.PeekKind(); kind != 't' && kind != 'f' {
		return p.wrong(d, place, "true or false")
	}
	t, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	*into = t.Bool()
	return nil
}

// wrong notes a value of the wrong kind and skips it.
func (p *parser) wrong(d *draft, place, want string) error {
	kind := p.dec.PeekKind()
	if err := p.dec.SkipValue(); err != nil {
		return err
	}
	message := fmt.Sprintf("must be %s, not %s", want, noun(kind))
	if kind == 'n' {
		message += ": leave the field out when there is no value"
	}
	d.fail(event.CodeSchema, place, message)
	return nil
}

// context decodes the context object.
func (p *parser) context(d *draft) error {
	if p.dec.PeekKind() != '{' {
		return p.wrong(d, "/context", "an object")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() == '"' {
		name, err := p.name()
		if err != nil {
			return err
		}
		into, place := contextField(&d.event.Context, name)
		if into == nil {
			text := string(name)
			d.fail(event.CodeSchema, "/context/"+escape(text), eventschema.UnknownField("/context", text))
			err = p.dec.SkipValue()
		} else {
			err = p.text(d, place, into, event.ContextLengthMax, false)
		}
		if err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// contextField gives where a field of context goes and its JSON Pointer.
func contextField(c *event.Context, name []byte) (into *string, pointer string) {
	switch string(name) {
	case "url":
		return &c.URL, "/context/url"
	case "referrer":
		return &c.Referrer, "/context/referrer"
	case "title":
		return &c.Title, "/context/title"
	case "user_agent":
		return &c.UserAgent, "/context/user_agent"
	case "locale":
		return &c.Locale, "/context/locale"
	case "timezone":
		return &c.Timezone, "/context/timezone"
	case "screen":
		return &c.Screen, "/context/screen"
	case "utm_source":
		return &c.UTMSource, "/context/utm_source"
	case "utm_medium":
		return &c.UTMMedium, "/context/utm_medium"
	case "utm_campaign":
		return &c.UTMCampaign, "/context/utm_campaign"
	case "utm_term":
		return &c.UTMTerm, "/context/utm_term"
	case "utm_content":
		return &c.UTMContent, "/context/utm_content"
	}
	return nil, ""
}

// data takes the type's own fields as they are, within limits of size and depth.
func (p *parser) data(d *draft) error {
	if p.dec.PeekKind() != '{' {
		return p.wrong(d, "/data", "an object")
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	d.event.Data, d.hasData = v, true
	if len(v) > event.DataSizeBytesMax {
		d.fail(event.CodeTooLong, "/data", fmt.Sprintf("must have at most %d bytes, not %d", event.DataSizeBytesMax, len(v)))
	}
	if n := 1 + nesting(v); n > nestingMax {
		d.fail(event.CodeTooLong, "/data", fmt.Sprintf("must not be nested deeper than %d levels, the event itself counted, not %d", nestingMax, n))
	}
	return nil
}

// nesting gives the depth of a valid JSON value; a scalar has 0.
func nesting(v []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func noun(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	}
	return "an object"
}
