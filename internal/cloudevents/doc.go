// Package cloudevents reads CloudEvents 1.0 messages in the three modes of the HTTP
// binding (structured, binary, batch) and turns each into an event of the contract,
// written as the JSON object that POST /v1/events takes. What it makes is judged by
// the same rules as any other event; this package only renames and unwraps.
//
// Sources: the CloudEvents specification 1.0.2, its JSON event format and its HTTP
// protocol binding.
package cloudevents

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Config says how CloudEvents become events of the contract.
type Config struct {
	// TypePrefix is cut from the front of a type, for example "com.example.portal.".
	// A type without it stays as it is.
	TypePrefix string `yaml:"type_prefix"`
	// SourceInID makes the idempotency key of source and id together. CloudEvents
	// promises unique ids per source only: turn it on when several sources count
	// their ids by themselves.
	SourceInID bool `yaml:"source_in_id"`
}

// Message is one CloudEvent and the event that it stands for.
type Message struct {
	// Original is the structured JSON of the CloudEvent, as it was sent; of a binary
	// one, its structured form.
	Original []byte
	// Envelope is the event's JSON as POST /v1/events takes it; nil with a Problem.
	Envelope []byte
	// ID and Type help to name a message that has a Problem; they may be empty.
	ID, Type string
	// Problem says why no event could be made; its pointer is into the CloudEvent.
	Problem *event.Problem
}

func (m *Message) fail(code event.Code, pointer, message string) {
	if m.Problem == nil {
		m.Problem = &event.Problem{Code: code, Pointer: pointer, Message: message}
	}
}

// ErrTooMany says that a batch has more events than allowed.
var ErrTooMany = errors.New("too many events")

// context lists the extensions that become fields of the event's context.
func context() map[string]string {
	return map[string]string{
		"url": "url", "referrer": "referrer", "title": "title", "useragent": "user_agent", "locale": "locale",
		"timezone": "timezone", "screen": "screen", "utmsource": "utm_source", "utmmedium": "utm_medium",
		"utmcampaign": "utm_campaign", "utmterm": "utm_term", "utmcontent": "utm_content",
	}
}

// envelope lists the attributes that become fields of the envelope. Subject is the
// partner where no partnerid is given.
func envelope() map[string]string {
	return map[string]string{
		"id": "id", "type": "type", "time": "time", "partnerid": "partner_id", "subject": "partner_id",
		"userid": "user_id", "anonymousid": "anonymous_id", "sessionid": "session_id", "internal": "internal",
	}
}

// Pointer translates a place in the event to the place in the CloudEvent that it
// came from, so that a sender finds its own names: /user_id is /userid.
func Pointer(pointer string) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	switch first {
	case "partner_id":
		return "/partnerid"
	case "context":
		return "/" + strings.ReplaceAll(rest, "_", "")
	case "user_id", "anonymous_id", "session_id":
		return "/" + strings.ReplaceAll(first, "_", "")
	}
	return pointer
}

// attribute is one attribute of a CloudEvent with its JSON value.
type attribute struct {
	name  string
	value jsontext.Value
}

// parts are the attributes of one CloudEvent and its data.
type parts struct {
	attributes []attribute
	data       jsontext.Value // nil: none
}

// get gives an attribute's value.
func (p *parts) get(name string) (jsontext.Value, bool) {
	for _, a := range p.attributes {
		if a.name == name {
			return a.value, true
		}
	}
	return nil, false
}

// text gives an attribute that is a string.
func (p *parts) text(name string) string {
	v, ok := p.get(name)
	if !ok || v.Kind() != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// required checks what CloudEvents demands of every event.
func (p *parts) required(m *Message) {
	for _, name := range []string{"specversion", "id", "source", "type"} {
		v, ok := p.get(name)
		switch {
		case !ok:
			m.fail(event.CodeMissing, "/"+name, name+" is required by CloudEvents")
		case v.Kind() != '"':
			m.fail(event.CodeSchema, "/"+name, "must be a string")
		case p.text(name) == "":
			m.fail(event.CodeMissing, "/"+name, "must not be empty")
		}
	}
	if v := p.text("specversion"); v != "" && v != "1.0" {
		m.fail(event.CodeSchema, "/specversion", fmt.Sprintf("CloudEvents %.20q is not taken here, only 1.0", v))
	}
}
