package event

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// plainFieldsMax is how many fields of data the plain form may have: duplicates are
// looked for by comparing every pair.
const plainFieldsMax = 24

// decodePlain reads the form that AppendCloudEvent writes, as nearly all values have it:
// no white space between tokens, no escapes, data an object without further nesting. It
// gives false for anything else, valid or not, and then e holds nothing of use. What it
// takes it takes as the general decoder does: a test and a fuzz target hold it to that.
func decodePlain(b []byte, e *Event) bool {
	s := plainScanner{text: string(b)} // one copy, which all texts of the event share
	*e = Event{}
	var w plainRest
	if !s.literal("{") {
		return false
	}
	for seen := uint32(0); ; {
		name, ok := s.quoted()
		if !ok || !s.literal(":") {
			return false
		}
		at := attributeOf(name)
		if at == attributeOther || seen&(1<<at) != 0 {
			return false
		}
		seen |= 1 << at
		switch at {
		case attributeData:
			start := s.at
			if !s.flatObject() {
				return false
			}
			e.Data = b[start:s.at:s.at]
		case attributeInternal:
			switch {
			case s.literal("true"):
				e.Internal = true
			case !s.literal("false"):
				return false
			}
		default:
			value, ok := s.quoted()
			if !ok {
				return false
			}
			w.set(e, at, value)
		}
		if s.literal(",") {
			continue
		}
		return s.literal("}") && s.at == len(s.text) && w.finish(e)
	}
}

// plainRest holds the texts of an event that are not in Event as they are.
type plainRest struct{ spec, time, received string }

// finish reads the times. What is wrong is for the general decoder to say.
func (w *plainRest) finish(e *Event) bool {
	at, err := time.Parse(time.RFC3339, w.time)
	if err != nil {
		return false
	}
	received, err := time.Parse(time.RFC3339, w.received)
	if err != nil {
		return false
	}
	e.Time, e.ReceivedAt = at.UTC(), received.UTC()
	return w.spec == specVersion && e.validate() == nil
}

// attribute is a member of the wire struct.
type attribute uint8

// The attributes; attributeOther is every other name.
const (
	attributeOther attribute = iota
	attributeSpecVersion
	attributeID
	attributeSource
	attributeType
	attributeSubject
	attributeTime
	attributeContentType
	attributeTenant
	attributePortal
	attributeUserID
	attributeAnonymousID
	attributeSessionID
	attributeInternal
	attributeReceivedAt
	attributeVia
	attributeIP
	attributeKeyID
	attributeURL
	attributeReferrer
	attributeTitle
	attributeUserAgent
	attributeLocale
	attributeTimezone
	attributeScreen
	attributeUTMSource
	attributeUTMMedium
	attributeUTMCampaign
	attributeUTMTerm
	attributeUTMContent
	attributeData
)

// attributeOf finds the attribute of a name.
func attributeOf(name string) attribute {
	switch name {
	case "specversion":
		return attributeSpecVersion
	case "id":
		return attributeID
	case "source":
		return attributeSource
	case "type":
		return attributeType
	case "subject":
		return attributeSubject
	case "time":
		return attributeTime
	case "datacontenttype":
		return attributeContentType
	case "tenant":
		return attributeTenant
	case "portal":
		return attributePortal
	case "userid":
		return attributeUserID
	case "anonymousid":
		return attributeAnonymousID
	case "sessionid":
		return attributeSessionID
	case "internal":
		return attributeInternal
	case "receivedat":
		return attributeReceivedAt
	case "via":
		return attributeVia
	case "ip":
		return attributeIP
	case "keyid":
		return attributeKeyID
	case "url":
		return attributeURL
	case "referrer":
		return attributeReferrer
	case "title":
		return attributeTitle
	case "useragent":
		return attributeUserAgent
	case "locale":
		return attributeLocale
	case "timezone":
		return attributeTimezone
	case "screen":
		return attributeScreen
	case "utmsource":
		return attributeUTMSource
	case "utmmedium":
		return attributeUTMMedium
	case "utmcampaign":
		return attributeUTMCampaign
	case "utmterm":
		return attributeUTMTerm
	case "utmcontent":
		return attributeUTMContent
	case "data":
		return attributeData
	}
	return attributeOther
}

// set stores the text of an attribute; source and datacontenttype are checked by nobody.
func (w *plainRest) set(e *Event, at attribute, value string) {
	var to *string
	switch at {
	case attributeSpecVersion:
		to = &w.spec
	case attributeTime:
		to = &w.time
	case attributeReceivedAt:
		to = &w.received
	case attributeType:
		e.Type = Type(value)
		return
	case attributeVia:
		e.Source = Source(value)
		return
	case attributeID:
		to = &e.ID
	case attributeSubject:
		to = &e.PartnerID
	case attributeTenant:
		to = &e.Tenant
	case attributePortal:
		to = &e.Portal
	case attributeUserID:
		to = &e.UserID
	case attributeAnonymousID:
		to = &e.AnonymousID
	case attributeSessionID:
		to = &e.SessionID
	case attributeIP:
		to = &e.IP
	case attributeKeyID:
		to = &e.KeyID
	default:
		if to = e.Context.attribute(at); to == nil {
			return
		}
	}
	*to = value
}

// attribute gives the field of an attribute; nil when there is none.
func (c *Context) attribute(at attribute) *string {
	switch at {
	case attributeURL:
		return &c.URL
	case attributeReferrer:
		return &c.Referrer
	case attributeTitle:
		return &c.Title
	case attributeUserAgent:
		return &c.UserAgent
	case attributeLocale:
		return &c.Locale
	case attributeTimezone:
		return &c.Timezone
	case attributeScreen:
		return &c.Screen
	case attributeUTMSource:
		return &c.UTMSource
	case attributeUTMMedium:
		return &c.UTMMedium
	case attributeUTMCampaign:
		return &c.UTMCampaign
	case attributeUTMTerm:
		return &c.UTMTerm
	case attributeUTMContent:
		return &c.UTMContent
	}
	return nil
}

// plainScanner takes tokens from the front of a text.
type plainScanner struct {
	text string
	at   int
}

// literal takes a word, if it is next.
func (s *plainScanner) literal(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// quoted takes a JSON string without escapes and gives its value.
func (s *plainScanner) quoted() (string, bool) {
	if !s.literal(`"`) {
		return "", false
	}
	n := strings.IndexByte(s.text[s.at:], '"')
	if n < 0 {
		return "", false
	}
	value := s.text[s.at : s.at+n]
	s.at += n + 1
	return value, unescaped(value)
}

// unescaped tells whether v, which holds no quote, can stand in a JSON string as it is.
func unescaped(v string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	isASCII, rest := true, v
	for ; len(rest) >= 8; rest = rest[8:] {
		// Eight bytes at once, by the well-known tests for a byte below n and for a zero byte.
		x := binary.LittleEndian.Uint64([]byte(rest[:8]))
		backslash := x ^ ones*'\\'
		if (x-ones*' ')&^x&highs != 0 || (backslash-ones)&^backslash&highs != 0 {
			return false
		}
		isASCII = isASCII && x&highs == 0
	}
	for i := range len(rest) {
		c := rest[i]
		if c < ' ' || c == '\\' {
			return false
		}
		isASCII = isASCII && c < utf8.RuneSelf
	}
	return isASCII || utf8.ValidString(v)
}

// flatObject takes an object of texts without escapes, numbers, booleans and nulls,
// whose names differ.
func (s *plainScanner) flatObject() bool {
	if !s.literal("{") {
		return false
	}
	if s.literal("}") {
		return true
	}
	var names [plainFieldsMax]string
	for n := range names {
		name, ok := s.quoted()
		if !ok || !s.literal(":") || !s.scalar() {
			return false
		}
		for _, other := range names[:n] {
			if other == name {
				return false
			}
		}
		names[n] = name
		if s.literal("}") {
			return true
		}
		if !s.literal(",") {
			return false
		}
	}
	return false
}

// scalar takes a text without escapes, a number, a boolean or null.
func (s *plainScanner) scalar() bool {
	if s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"':
		_, ok := s.quoted()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// number takes a number as JSON writes it; the caller sees what follows.
func (s *plainScanner) number() bool {
	s.literal("-")
	if !s.literal("0") && !s.digits() {
		return false
	}
	if s.literal(".") && !s.digits() {
		return false
	}
	if s.literal("e") || s.literal("E") {
		if !s.literal("+") {
			s.literal("-")
		}
		return s.digits()
	}
	return true
}

// digits takes at least one.
func (s *plainScanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}
