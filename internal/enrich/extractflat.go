package enrich

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// flat reads what nearly all data is: an object without spaces whose values are texts
// without escapes, numbers, booleans and nulls. Of anything else it says false, and what
// it has set by then means nothing. The data must be valid JSON: it is not checked again.
func (x *Extractor) flat(t event.Type, data []byte, f *Fields) bool {
	if data[0] != '{' || bytes.IndexByte(data, '\\') >= 0 {
		return false
	}
	content := strings.HasPrefix(string(t), "content.")
	all := string(data) // one copy, which all texts share
	at := 1
	for at < len(data) && data[at] == '"' {
		name := textEnd(all, at)
		if name+2 >= len(all) || all[name+1] != ':' {
			return false
		}
		low := name + 2
		high, ok := scalarEnd(all, low)
		if !ok {
			return false
		}
		switch field := fieldOf(data[at+1 : name]); field {
		case nameNone:
		case nameKind:
			if content {
				f.ContentKind = unquoted(all[low:high])
			}
		case nameScore:
			if t == event.SurveyNPSAnswered {
				f.NPS = nps(jsontext.Value(data[low:high]))
			}
		default:
			if target := textField(f, field); target != nil {
				*target = unquoted(all[low:high])
			} else {
				x.set(f, field, jsontext.Value(data[low:high]))
			}
		}
		if high == len(all)-1 {
			return all[high] == '}'
		}
		if all[high] != ',' {
			return false
		}
		at = high + 1
	}
	return false
}

// textEnd is where the quote is that ends the text whose first quote is at low, or the
// end of s.
func textEnd(s string, low int) int {
	if n := strings.IndexByte(s[low+1:], '"'); n >= 0 {
		return low + 1 + n
	}
	return len(s)
}

// scalarEnd is where the value that begins at low ends; false for an object, an array, a
// space and what is cut off.
func scalarEnd(s string, low int) (end int, ok bool) {
	switch s[low] {
	case '{', '[', ' ', '\t', '\n', '\r':
		return 0, false
	case '"':
		end = textEnd(s, low) + 1
	default:
		n := strings.IndexAny(s[low:], ",} \t\n\r")
		if n < 0 {
			return 0, false
		}
		end = low + n
	}
	return end, end < len(s)
}

// unquoted gives a text without its quotes, and "" for another value.
func unquoted(raw string) string {
	if raw[0] != '"' {
		return ""
	}
	return raw[1 : len(raw)-1]
}
