package segment

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Sizes of Segment's own API, and of RudderStack's.
const (
	CallBytesMax        = 32 << 10  // of one call
	BatchBytesMax       = 500 << 10 // of a batch
	RudderBatchBytesMax = 4 << 20   // of a batch that a RudderStack SDK sends
	SharedBytesMax      = 4 << 10   // of each, context and integrations, beside a batch: every call gets a copy
)

// Reasons for refusing a body as a whole.
var (
	ErrTooMany   = errors.New("too many calls in one batch")
	ErrNotObject = errors.New("the body must be a JSON object")
	ErrNoBatch   = errors.New("a batch needs the field batch, an array of calls")
	ErrTwice     = errors.New("writeKey, batch, context or sentAt is there twice")
	ErrShared    = errors.New("context and integrations beside batch may have 4096 bytes each: put what is longer into the calls")
	ErrTrailing  = errors.New("something follows the end of the JSON object")
)

// Body is a request, split into its calls.
type Body struct {
	WriteKey string   // "" when the body has none
	Calls    [][]byte // each call's bytes within the body; one for a single call

	method  Method
	shared  object // context, integrations and sentAt of a batch, for calls that lack them
	context object // the members of the shared context
}

// SharedBytes is what the calls together take over from the batch, at most.
func (b *Body) SharedBytes() int64 {
	sum := 0
	for _, m := range b.shared {
		sum += len(m.name) + len(m.value)
	}
	return int64(sum) * int64(len(b.Calls))
}

// Split reads a body as far as its calls share it. A call with broken UTF-8 or
// duplicate names does not stop the others: Read refuses it alone. Errors are those
// of this package or of JSON syntax (*jsontext.SyntacticError).
func Split(body []byte, method Method, callsMax int) (*Body, error) {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	d := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		return nil, ErrNotObject
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	start := d.InputOffset() - 1
	b := &Body{method: method}
	seen := map[string]bool{}
	for d.PeekKind() == '"' {
		m, err := readMember(d, text)
		if err != nil {
			return nil, err
		}
		if err := b.take(m, seen, callsMax); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	end := d.InputOffset()
	if len(bytes.TrimLeft(text[end:], " \t\r\n")) > 0 {
		return nil, ErrTrailing
	}
	switch {
	case !method.HasCalls():
		b.Calls = [][]byte{text[start:end]}
	case !seen["batch"]:
		return nil, ErrNoBatch
	}
	return b, nil
}

// take keeps one member of the body.
func (b *Body) take(m member, seen map[string]bool, callsMax int) error {
	switch m.name {
	case "writeKey", "batch", "context", "integrations", "sentAt":
		if seen[m.name] {
			return ErrTwice
		}
		seen[m.name] = true
	}
	switch m.name {
	case "writeKey":
		b.WriteKey = textOf(m.value)
	case "context", "integrations", "sentAt":
		return b.keepShared(m)
	case "batch":
		if b.method.HasCalls() {
			return b.split(m.value, callsMax)
		}
	}
	return nil
}

// keepShared keeps what the calls of a batch share. One that is not strictly valid is
// nobody's.
func (b *Body) keepShared(m member) error {
	switch {
	case !b.method.HasCalls() || !m.value.IsValid():
		return nil
	case len(m.value) > SharedBytesMax:
		return ErrShared
	}
	b.shared = append(b.shared, m)
	if m.name == "context" {
		b.context = b.shared.object("context")
	}
	return nil
}

// split finds the calls of a batch.
func (b *Body) split(v jsontext.Value, callsMax int) error {
	if v.Kind() != '[' {
		return ErrNoBatch
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(b.Calls) == callsMax {
			return ErrTooMany
		}
		call, err := d.ReadValue()
		if err != nil {
			return err
		}
		end := int(d.InputOffset())
		b.Calls = append(b.Calls, v[end-len(call):end])
	}
	return nil
}

// IsRudder tells whether a RudderStack SDK made the call: its calls name a channel,
// or the library says so.
func IsRudder(call []byte) bool {
	o, err := readObject(call)
	if err != nil {
		return false
	}
	return o.get("channel") != nil || strings.HasPrefix(strings.ToLower(textOf(o.at("context", "library", "name"))), "rudder")
}

// Call is one call of a body.
type Call struct {
	// Original is what is kept of a refused call: its bytes as sent, without the
	// write key, which may be secret, and with what it took from its address and its
	// batch (type, context, integrations, sentAt), so that it can be sent again alone.
	// Of an import it has "import": true: its times are final, wherever it is sent to.
	Original []byte

	method   Method
	isImport bool
	members  object
	identity string

	context, properties, traits object // of members, read once
}

// Read reads the i-th call. A problem says why it cannot be read; Original is set
// all the same.
func (b *Body) Read(i int) (*Call, *event.Problem) {
	raw := b.Calls[i]
	c := &Call{Original: raw, isImport: b.method == Import}
	if len(raw) > CallBytesMax {
		c.Original = b.redact(raw)
		return c, &event.Problem{Code: event.CodeTooLong, Message: fmt.Sprintf("a call must have at most %d bytes, not %d", CallBytesMax, len(raw))}
	}
	if jsontext.Value(raw).Kind() != '{' {
		return c, &event.Problem{Code: event.CodeMalformed, Message: "a call must be a JSON object"}
	}
	members, err := readObject(raw)
	if err != nil {
		c.Original = b.redact(raw)
		return c, malformed(err)
	}
	c.members, c.method = members, Method(strings.ToLower(members.text("type")))
	if !b.method.HasCalls() {
		c.method = b.method
	}
	whole := members.without("writeKey")
	if b.method.HasCalls() && isMarkedImport(members) {
		c.isImport, whole = true, whole.without(importMark)
	}
	if !b.method.HasCalls() && members.text("type") != string(b.method) {
		whole = append(object{{"type", str(string(b.method))}}, whole.without("type")...)
	}
	if len(b.shared) > 0 {
		whole = b.share(whole)
	}
	c.members = whole
	c.context, c.properties, c.traits = whole.object("context"), whole.object("properties"), whole.object("traits")
	kept := whole
	if c.isImport {
		kept = append(slices.Clip(whole), member{importMark, jsontext.Value("true")})
	}
	if !sameMembers(kept, members) {
		c.Original = kept.append(make([]byte, 0, len(raw)+64))
	}
	c.takeIdentity()
	return c, nil
}

// importMark tells, in what is kept of a refused call, that it came as an import.
const importMark = "import"

func isMarkedImport(members object) bool { return string(members.get(importMark)) == "true" }

// share gives a call what it lacks of the batch's own fields.
func (b *Body) share(call object) object {
	out := call.over(b.shared)
	own := call.object("context")
	if len(own) == 0 || len(own) > membersMax || len(b.context) == 0 { // too many: Map refuses the call
		return out
	}
	context := own.over(b.context)
	for i := range out {
		if out[i].name == "context" && !sameMembers(context, own) {
			out[i].value = context.append(nil)
		}
	}
	return out
}

// sameMembers tells whether nothing was added, removed or replaced.
func sameMembers(a, b object) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name || !bytes.Equal(a[i].value, b[i].value) {
			return false
		}
	}
	return true
}

// redact removes write keys from a call that is not read, by their looks.
func (b *Body) redact(raw []byte) []byte {
	const name = `"writeKey"`
	var out []byte
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(name))
		if i < 0 {
			out = append(out, rest...)
			break
		}
		out = append(out, rest[:i+len(name)]...)
		rest = rest[i+len(name):]
		value := bytes.TrimLeft(rest, " \t\r\n:")
		if end := bytes.IndexByte(value[min(1, len(value)):], '"'); len(value) > 0 && value[0] == '"' && end >= 0 {
			out = append(out, `:"`+redacted+`"`...)
			rest = value[1+end+1:]
		}
	}
	return Redact(out, b.WriteKey)
}

// redacted stands for a write key in what is kept of a refused body.
const redacted = "[write key]"

// Redact removes a write key from a text that is going to be kept.
func Redact(text []byte, writeKey string) []byte {
	if writeKey == "" {
		return text
	}
	return bytes.ReplaceAll(text, []byte(writeKey), []byte(redacted))
}

func malformed(err error) *event.Problem {
	p := &event.Problem{Code: event.CodeMalformed, Message: "the call is not valid JSON"}
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		p.Pointer = strings.ToValidUTF8(string(s.JSONPointer), "?")
		p.Message += ": " + strings.ToValidUTF8(s.Err.Error(), "?")
	}
	return p
}
