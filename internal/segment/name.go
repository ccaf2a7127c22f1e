package segment

import (
	"strings"
	"unicode"
)

// normal gives the form in which names are compared: lower-case words, joined by a
// space. "Signed In", "signed_in", "SignedIn" and "signed-in" are the same.
func normal(name string) string {
	var b strings.Builder
	var last rune
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			last = ' '
			continue
		}
		// A capital starts a word after a small letter, and before one: "dealID", "HTMLPage".
		starts := unicode.IsUpper(r) && (unicode.IsLower(last) || unicode.IsDigit(last) ||
			unicode.IsUpper(last) && i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if b.Len() > 0 && (last == ' ' || starts) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
		last = r
	}
	return b.String()
}

// slug makes the last part of a custom type of a name, from ASCII letters and
// digits; "" when it has none.
func slug(name string) string {
	var words []string
	for word := range strings.FieldsSeq(normal(name)) {
		word = strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
				return r
			}
			return -1
		}, word)
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, "_")
}
