package event

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"
)

// decodePlain reads the form that AppendCloudEvent writes, as nearly all values have it:
// its attributes in its order, no white space between tokens, no escapes, data an object
// without further nesting. It gives false for anything else, valid or not, and then e
// holds nothing of use. What it takes it takes as the general decoder does: a test and a
// fuzz target hold it to that.
func decodePlain(b []byte, e *Event) bool {
	s := plainScanner{b: b, text: string(b)} // one copy, which all texts of the event share
	*e = Event{}
	s.word(`{"specversion":"` + specVersion + `","id":"`)
	e.ID = s.value()
	s.word(`,"source":"`)
	s.value()
	s.word(`,"type":"`)
	e.Type = Type(s.value())
	s.word(`,"subject":"`)
	e.PartnerID = s.value()
	s.word(`,"time":"`)
	e.Time = s.instant()
	s.word(`,"datacontenttype":"application/json","tenant":"`)
	e.Tenant = s.value()
	s.optional(`,"portal":"`, &e.Portal)
	s.optional(`,"userid":"`, &e.UserID)
	s.optional(`,"anonymousid":"`, &e.AnonymousID)
	s.optional(`,"sessionid":"`, &e.SessionID)
	e.Internal = s.next(`,"internal":true`)
	s.word(`,"receivedat":"`)
	e.ReceivedAt = s.instant()
	s.word(`,"via":"`)
	e.Source = Source(s.value())
	s.optional(`,"ip":"`, &e.IP)
	s.optional(`,"keyid":"`, &e.KeyID)
	s.context(&e.Context)
	s.word(`,"data":`)
	start := s.at
	if s.failed || !s.flatObject() {
		return false
	}
	e.Data = b[start:s.at:s.at]
	s.word("}")
	return !s.failed && s.at == len(b) && e.validate() == nil
}

// context takes the attributes of the context.
func (s *plainScanner) context(c *Context) {
	if len(s.b)-s.at >= 4 && s.b[s.at+2] == 'd' { // the next one is data already
		return
	}
	s.optional(`,"url":"`, &c.URL)
	s.optional(`,"referrer":"`, &c.Referrer)
	s.optional(`,"title":"`, &c.Title)
	s.optional(`,"useragent":"`, &c.UserAgent)
	s.optional(`,"locale":"`, &c.Locale)
	s.optional(`,"timezone":"`, &c.Timezone)
	s.optional(`,"screen":"`, &c.Screen)
	s.optional(`,"utmsource":"`, &c.UTMSource)
	s.optional(`,"utmmedium":"`, &c.UTMMedium)
	s.optional(`,"utmcampaign":"`, &c.UTMCampaign)
	s.optional(`,"utmterm":"`, &c.UTMTerm)
	s.optional(`,"utmcontent":"`, &c.UTMContent)
}

// plainScanner takes tokens from the front of a text. Once one was not there it is
// failed, and what it gives from then on is of no use.
type plainScanner struct {
	b      []byte
	text   string // of b
	at     int
	failed bool
}

// next takes a word, if it is next.
func (s *plainScanner) next(word string) bool {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		return false
	}
	s.at += len(word)
	return true
}

// word takes a word that must be next.
func (s *plainScanner) word(word string) {
	if !s.next(word) {
		s.failed = true
	}
}

// optional takes an attribute that AppendCloudEvent leaves out when it is empty.
func (s *plainScanner) optional(head string, to *string) {
	if s.next(head) {
		*to = s.value()
	}
}

// Eight bytes at once, by the well-known tests for a byte below n and for a zero byte.
// They may err behind the first byte that they find, never before it.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// value takes the rest of a JSON string without escapes, behind its opening quote.
func (s *plainScanner) value() string {
	b, i := s.b, s.at
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		found := ((x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash | x) & highs
		if found != 0 {
			i += bits.TrailingZeros64(found) / 8
			break
		}
	}
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			value := s.text[s.at:i]
			s.at = i + 1
			return value
		case c >= utf8.RuneSelf:
			return s.wideValue()
		case c < ' ' || c == '\\':
			s.failed = true
			return ""
		}
	}
	s.failed = true
	return ""
}

// wideValue is value for a text that is not all ASCII.
func (s *plainScanner) wideValue() string {
	n := bytes.IndexByte(s.b[s.at:], '"')
	if n < 0 {
		s.failed = true
		return ""
	}
	value := s.text[s.at : s.at+n]
	s.at += n + 1
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '\\' {
			s.failed = true
		}
	}
	s.failed = s.failed || !utf8.ValidString(value)
	return value
}

// instant takes the rest of a time as timeLayout has it, behind its opening quote.
func (s *plainScanner) instant() time.Time {
	b := s.b[s.at:]
	if len(b) <= len(timeLayout) || b[len(timeLayout)] != '"' {
		s.failed = true
		return time.Time{}
	}
	s.at += len(timeLayout) + 1
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[23] != 'Z' {
		s.failed = true
		return time.Time{}
	}
	year, month, day := s.two(b[0:])*100+s.two(b[2:]), time.Month(s.two(b[5:])), s.two(b[8:])
	hour, minute, second := s.two(b[11:]), s.two(b[14:]), s.two(b[17:])
	ms := s.two(b[20:])*10 + s.two([]byte{'0', b[22]})
	t := time.Date(year, month, day, hour, minute, second, ms*int(time.Millisecond), time.UTC)
	if hour > 23 || minute > 59 || second > 59 || t.Day() != day || t.Month() != month {
		s.failed = true // a day that is not in the calendar came out as another one
	}
	return t
}

// two reads two digits.
func (s *plainScanner) two(b []byte) int {
	if !isDigit(b[0]) || !isDigit(b[1]) {
		s.failed = true
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plainFieldsMax is how many fields of data the plain form may have: duplicates are
// looked for by comparing every pair.
const plainFieldsMax = 24

// flatObject takes an object of texts without escapes, numbers, booleans and nulls,
// whose names differ.
func (s *plainScanner) flatObject() bool {
	if !s.next("{") {
		return false
	}
	if s.next("}") {
		return true
	}
	var names [plainFieldsMax]string
	for n := range names {
		s.word(`"`)
		name := s.value()
		s.word(":")
		s.scalar()
		if s.failed {
			return false
		}
		for _, other := range names[:n] {
			if other == name {
				return false
			}
		}
		names[n] = name
		if s.next("}") {
			return true
		}
		s.word(",")
	}
	return false
}

// scalar takes a text without escapes, a number, a boolean or null.
func (s *plainScanner) scalar() {
	if s.at == len(s.b) {
		s.failed = true
		return
	}
	switch s.b[s.at] {
	case '"':
		s.at++
		s.value()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

// number takes a number as JSON writes it; the caller sees what follows.
func (s *plainScanner) number() {
	s.next("-")
	if !s.next("0") {
		s.digits()
	}
	if s.next(".") {
		s.digits()
	}
	if s.next("e") || s.next("E") {
		if !s.next("+") {
			s.next("-")
		}
		s.digits()
	}
}

// digits takes at least one.
func (s *plainScanner) digits() {
	start := s.at
	for s.at < len(s.b) && isDigit(s.b[s.at]) {
		s.at++
	}
	s.failed = s.failed || s.at == start
}
