package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// draft is one event as it was sent, before it is judged.
type draft struct {
	event    event.Event
	timeText string // time as sent; "" when absent
	hasTime  bool
	hasData  bool
	original []byte         // the event's bytes; they belong to the request's body
	problem  *event.Problem // the first one found while decoding
	forged   bool           // it contradicts the signed identity, or lacks the required one
	signed   *signed        // what the event itself says of who is signed in; nil: only the request does
	ours     bool           // its custom type was given here, and so needs no permission
}

// fail notes a problem; the first one stays.
func (d *draft) fail(code event.Code, pointer, message string) {
	if d.problem == nil {
		d.problem = &event.Problem{Code: code, Pointer: pointer, Message: message}
	}
}

// eventBytesUsual guesses the size of an event, to make room for a batch at once.
const eventBytesUsual = 300

// errTooMany says that a body has more events than a batch may have.
var errTooMany = errors.New("too many events")

// errTrailing says that something follows a complete JSON value.
var errTrailing = errors.New("more text after the end of the JSON value: send several events as an array, or one a line")

// parser splits bodies into drafts. It is reused, by one goroutine at a time.
type parser struct {
	eventsMax int
	dec       *jsontext.Decoder
	src       bytes.Buffer
	body      []byte // what dec reads
}

// parse splits a body into drafts. The usual case is one strict pass over the
// bytes. Only when that fails is the body split leniently, so that an event with
// duplicate names or broken UTF-8 is refused alone and not with its whole batch.
func (p *parser) parse(body []byte) ([]draft, *failure) {
	defer p.reset(nil)
	const bom = "\xef\xbb\xbf"
	text := bytes.TrimPrefix(body, []byte(bom))
	skipped := len(body) - len(text)
	first := bytes.TrimLeft(text, " \t\r\n")
	if len(first) == 0 {
		return nil, &failure{http.StatusBadRequest, "empty_body", "the body is empty: send one event, an array of events, or one event a line", 0}
	}
	var drafts []draft
	var err error
	switch first[0] {
	case '[':
		drafts, err = p.array(text)
	case '{':
		drafts, err = p.objects(text)
	default:
		return nil, malformed("the body must start with { or [", skipped+len(text)-len(first))
	}
	if errors.Is(err, errTooMany) {
		return nil, &failure{http.StatusRequestEntityTooLarge, "batch_too_large",
			fmt.Sprintf("more than %d events in one request: send them in several", p.eventsMax), 0}
	}
	if err != nil {
		reason, at := syntax(err, len(text))
		return nil, malformed(reason, skipped+at)
	}
	return drafts, nil
}

// malformed is the refusal of a body that is not JSON.
func malformed(reason string, at int) *failure {
	return &failure{http.StatusBadRequest, string(event.CodeMalformed),
		fmt.Sprintf("the body is not valid JSON at byte %d: %s; no event of it was taken", at, reason), 0}
}

// syntax gives the reason and the byte offset of a decoding error.
func syntax(err error, size int) (reason string, at int) {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		err, at = s.Err, int(s.ByteOffset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it ends too early", size
	}
	return strings.ToValidUTF8(err.Error(), "?"), at
}

// strict and lenient are the two ways of decoding.
func (p *parser) strict(b []byte) { p.reset(b) }

func (p *parser) lenient(b []byte) {
	p.reset(b, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (p *parser) reset(b []byte, opts ...jsontext.Options) {
	p.body = b
	p.src = *bytes.NewBuffer(b)
	p.dec.Reset(&p.src, opts...)
}

// array decodes a JSON array of events.
func (p *parser) array(text []byte) ([]draft, error) {
	drafts, err := p.strictArray(text)
	if err == nil || errors.Is(err, errTooMany) {
		return drafts, err
	}
	parts, err := p.lenientArray(text)
	if err != nil {
		return nil, err
	}
	return p.each(parts), nil
}

func (p *parser) strictArray(text []byte) ([]draft, error) {
	p.strict(text)
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	drafts := make([]draft, 0, min(p.eventsMax, 1+len(text)/eventBytesUsual))
	for p.dec.PeekKind() != ']' {
		if len(drafts) == p.eventsMax {
			return nil, errTooMany
		}
		drafts = append(drafts, draft{})
		if err := p.event(&drafts[len(drafts)-1]); err != nil {
			return nil, err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	return drafts, p.end()
}

// lenientArray gives the elements' bytes, checking no more than the structure.
func (p *parser) lenientArray(text []byte) ([][]byte, error) {
	p.lenient(text)
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	var parts [][]byte
	for p.dec.PeekKind() != ']' {
		if len(parts) == p.eventsMax {
			return nil, errTooMany
		}
		part, err := p.value()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	return parts, p.end()
}

// value reads one value and gives its bytes within the body.
func (p *parser) value() ([]byte, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(p.dec.InputOffset())
	return p.body[end-len(v) : end], nil
}

// end checks that nothing but white space follows.
func (p *parser) end() error {
	switch _, err := p.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return &jsontext.SyntacticError{ByteOffset: p.dec.InputOffset() - 1, Err: errTrailing}
}

// objects decodes a body that starts with an object: one event, or one a line.
func (p *parser) objects(text []byte) ([]draft, error) {
	p.strict(text)
	drafts := make([]draft, 1)
	err := p.event(&drafts[0])
	if err == nil {
		err = p.end()
	}
	if err == nil {
		return drafts, nil
	}
	if isLines(text) {
		return p.lines(text)
	}
	p.lenient(text)
	part, err := p.value()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return p.each([][]byte{part}), nil
}

// isLines tells NDJSON from one object over several lines, for a body that is not
// one good object: its second line starts an object, too. An object that is spread
// over lines continues with a name or a bracket.
func isLines(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	_, rest, _ := bytes.Cut(text, []byte{'\n'})
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == '{'
}

// lines decodes NDJSON. A bad line is refused alone.
func (p *parser) lines(text []byte) ([]draft, error) {
	var parts [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.Trim(line, " \t\r\n")
		if len(line) == 0 {
			continue
		}
		if len(parts) == p.eventsMax {
			return nil, errTooMany
		}
		parts = append(parts, line)
	}
	return p.each(parts), nil
}

// each decodes every part strictly, by itself.
func (p *parser) each(parts [][]byte) []draft {
	drafts := make([]draft, len(parts))
	for i, part := range parts {
		p.strict(part)
		err := p.event(&drafts[i])
		if err == nil {
			err = p.end()
		}
		if err == nil {
			continue
		}
		drafts[i].original = part
		pointer := ""
		var s *jsontext.SyntacticError
		if errors.As(err, &s) {
			pointer = strings.ToValidUTF8(string(s.JSONPointer), "?")
		}
		reason, at := syntax(err, len(part))
		drafts[i].problem = &event.Problem{Code: event.CodeMalformed, Pointer: pointer,
			Message: fmt.Sprintf("the event is not valid JSON at its byte %d: %s", at, reason)}
	}
	return drafts
}

// parserPool keeps parsers for reuse.
type parserPool struct{ pool sync.Pool }

func newParserPool(eventsMax int) *parserPool {
	return &parserPool{pool: sync.Pool{New: func() any {
		return &parser{eventsMax: eventsMax, dec: jsontext.NewDecoder(new(bytes.Buffer))}
	}}}
}

func (pp *parserPool) get() *parser {
	p, _ := pp.pool.Get().(*parser)
	return p
}

func (pp *parserPool) put(p *parser) { pp.pool.Put(p) }
