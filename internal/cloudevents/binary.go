package cloudevents

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// headerPrefix starts the header of each attribute in binary mode.
const headerPrefix = "Ce-"

// IsBinary tells a request in binary mode.
func IsBinary(h http.Header) bool { return h.Get("ce-specversion") != "" }

// Binary reads a CloudEvent whose attributes are ce-* headers and whose data is the
// body. It never fails as a whole: what is wrong is the message's Problem.
func (c *Config) Binary(h http.Header, body []byte) Message {
	var m Message
	p := new(parts)
	names := make([]string, 0, len(h))
	for name := range h {
		if strings.HasPrefix(name, headerPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names) // a map's order must not show in what is kept
	for _, header := range names {
		name := strings.ToLower(header[len(headerPrefix):])
		if name == "data" || name == "data_base64" || name == "datacontenttype" {
			m.fail(event.CodeSchema, "/"+name, "must not be a ce- header: data is the body, its type is Content-Type")
			continue
		}
		if len(h[header]) > 1 {
			m.fail(event.CodeSchema, "/"+name, "this header stands more than once")
		}
		text, ok := headerText(h[header][0])
		if !ok {
			m.fail(event.CodeMalformed, "/"+name, "the header's percent-encoding is not UTF-8")
		}
		p.attributes = append(p.attributes, attribute{name, quote(text)})
	}
	contentType := h.Get("Content-Type")
	if contentType != "" {
		p.attributes = append(p.attributes, attribute{"datacontenttype", quote(contentType)})
	}
	body = bytes.TrimSpace(body)
	data := jsontext.Value(body)
	switch {
	case len(body) == 0:
		data = nil
	case contentType != "" && !isJSON(contentType):
		m.fail(event.CodeSchema, "/datacontenttype", fmt.Sprintf("Content-Type %.60q is not taken: data must be JSON", contentType))
	case !data.IsValid():
		m.fail(event.CodeMalformed, "/data", "the body is not valid JSON")
	}
	p.data = data
	m.Original = p.structured()
	return c.finish(m, p)
}

// structured writes the CloudEvent in JSON. Data that is not JSON goes into
// data_base64, as the JSON format says.
func (p *parts) structured() []byte {
	var b bytes.Buffer
	for i, a := range p.attributes {
		b.WriteByte("{,"[min(i, 1)])
		b.Write(quote(a.name))
		b.WriteByte(':')
		b.Write(a.value)
	}
	if b.Len() == 0 {
		b.WriteByte('{')
	}
	switch {
	case p.data == nil:
	case p.data.IsValid():
		b.WriteString(`,"data":`)
		b.Write(p.data)
	default:
		b.WriteString(`,"data_base64":"`)
		b.WriteString(base64.StdEncoding.EncodeToString(p.data))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// headerText decodes a header's value as the HTTP binding says (3.1.3.2): a quoted
// string is unquoted, then one round of percent-decoding gives UTF-8. A percent
// sign that starts no code stays, since many senders do not encode. Values that
// are sent as raw Latin-1 or UTF-8 are taken as UTF-8.
func headerText(v string) (text string, ok bool) {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = unquoteHeader(v[1 : len(v)-1])
	}
	if strings.IndexByte(v, '%') >= 0 {
		v = percentDecode(v)
	}
	if !utf8.ValidString(v) {
		return strings.ToValidUTF8(v, "\ufffd"), false
	}
	return v, true
}

// unquoteHeader takes the backslashes from the inside of a quoted string.
func unquoteHeader(v string) string {
	if strings.IndexByte(v, '\\') < 0 {
		return v
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		out = append(out, v[i])
	}
	return string(out)
}

// percentDecode replaces every %XX, one round.
func percentDecode(v string) string {
	if text, err := url.PathUnescape(v); err == nil {
		return text
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if b, err := hex.DecodeString(v[i+1 : i+3]); err == nil {
				out = append(out, b[0])
				i += 2
				continue
			}
		}
		out = append(out, v[i])
	}
	return string(out)
}

// sourceID joins source and id into one key of at most 100 characters; a longer
// one is its SHA-256.
func sourceID(source, id string) string {
	joined := source + "#" + id
	if utf8.RuneCountInString(joined) <= event.IDLengthMax {
		return joined
	}
	sum := sha256.Sum256([]byte(joined))
	return hex.EncodeToString(sum[:])
}
