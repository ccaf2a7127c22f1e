package eventschema

import (
	"bytes"
	"unicode/utf8"
)

// validFlat is valid for the usual data: an object of texts without escapes, numbers,
// booleans and nulls. It reads the bytes itself, and gives false for anything else,
// also for what is not JSON.
func (p *program) validFlat(data []byte) bool {
	s := scanner{rest: data}
	if !s.take('{') {
		return false
	}
	var seen uint64
	fields := 0
	for more := !s.take('}'); more; {
		name := s.text()
		if name == nil || !s.take(':') {
			return false
		}
		value := s.scalar()
		if value == nil {
			return false
		}
		fields++
		r := p.fields[string(name[1:len(name)-1])]
		if r != nil && !r.valid(value) || r == nil && !numbersFit(value) {
			return false
		}
		if r != nil && r.index >= 0 {
			seen |= 1 << r.index
		}
		switch {
		case s.take(','):
		case s.take('}'):
			more = false
		default:
			return false
		}
	}
	s.space()
	return len(s.rest) == 0 && fields <= p.fieldsMax && seen == p.required
}

// scanner takes tokens off the front of JSON.
type scanner struct{ rest []byte }

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// take takes one character of punctuation, if it is next.
func (s *scanner) take(c byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// cut takes n bytes.
func (s *scanner) cut(n int) []byte {
	v := s.rest[:n:n]
	s.rest = s.rest[n:]
	return v
}

// text takes a text with its quotes; nil when it has escapes or is none.
func (s *scanner) text() []byte {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			return s.cut(i + 1)
		case c < ' ' || c == '\\':
			return nil
		case c >= utf8.RuneSelf:
			n := bytes.IndexByte(s.rest[i:], '"')
			if n < 0 || bytes.IndexByte(s.rest[i:i+n], '\\') >= 0 || !utf8.Valid(s.rest[i:i+n]) {
				return nil
			}
			for _, c := range s.rest[i : i+n] {
				if c < ' ' {
					return nil
				}
			}
			return s.cut(i + n + 1)
		}
	}
	return nil
}

// scalar takes a text, a number, a boolean or null.
func (s *scanner) scalar() []byte {
	s.space()
	if len(s.rest) == 0 {
		return nil
	}
	switch s.rest[0] {
	case '"':
		return s.text()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(word string) []byte {
	if !bytes.HasPrefix(s.rest, []byte(word)) {
		return nil
	}
	return s.cut(len(word))
}

// number takes a number as JSON writes it. What follows it is for the caller to see.
func (s *scanner) number() []byte {
	v, i := s.rest, 0
	digits := func() bool {
		start := i
		for i < len(v) && '0' <= v[i] && v[i] <= '9' {
			i++
		}
		return i > start
	}
	if v[0] == '-' {
		i++
	}
	start := i
	if !digits() || v[start] == '0' && i > start+1 {
		return nil
	}
	if i < len(v) && v[i] == '.' {
		i++
		if !digits() {
			return nil
		}
	}
	if i < len(v) && (v[i] == 'e' || v[i] == 'E') {
		i++
		if i < len(v) && (v[i] == '+' || v[i] == '-') {
			i++
		}
		if !digits() {
			return nil
		}
	}
	return s.cut(i)
}
