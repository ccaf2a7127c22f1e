package clickhouse

import (
	"strings"
)

// token is a lexical element of a SQL text: text[start:end].
type token struct {
	kind       tokenKind
	start, end int
}

type tokenKind uint8

const (
	tokenWord   tokenKind = iota // keyword, bare identifier or number
	tokenQuoted                  // `x`, "x", 'x', $tag$x$tag$
	tokenPunct                   // one other byte
)

// lexer splits SQL the way ClickHouse does as far as needed here: it knows
// where comments and quoted parts end, so that a keyword inside them is none.
type lexer struct {
	text string
	pos  int
}

// next returns the next token; ok is false at the end.
func (l *lexer) next() (t token, ok bool) {
	l.skipBlanks()
	if l.pos >= len(l.text) {
		return token{}, false
	}
	start := l.pos
	switch c := l.text[start]; {
	case c == '\'' || c == '"' || c == '`':
		l.pos = skipQuoted(l.text, start)
		return token{tokenQuoted, start, l.pos}, true
	case c == '$':
		if end := skipHeredoc(l.text, start); end > 0 {
			l.pos = end
			return token{tokenQuoted, start, end}, true
		}
		fallthrough
	case isWordByte(c):
		l.pos++
		for l.pos < len(l.text) && isWordByte(l.text[l.pos]) {
			l.pos++
		}
		return token{tokenWord, start, l.pos}, true
	default:
		l.pos++
		return token{tokenPunct, start, l.pos}, true
	}
}

func (l *lexer) skipBlanks() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "\u00a0"), strings.HasPrefix(rest, "\ufeff"):
			l.pos += len("\u00a0")
			if strings.HasPrefix(rest, "\ufeff") {
				l.pos++
			}
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.pos = len(l.text)
			} else {
				l.pos += 2 + end + 2
			}
		default:
			return
		}
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skipQuoted returns the index after the quoted part that starts at i. Both
// backslash escapes and doubled quotes are known; unterminated: len(s).
func skipQuoted(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			if i+1 < len(s) && s[i+1] == quote {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(s)
}

// skipHeredoc returns the index after $tag$…$tag$ at i, or 0 if there is none.
func skipHeredoc(s string, i int) int {
	end := strings.IndexByte(s[i+1:], '$')
	if end < 0 {
		return 0
	}
	tag := s[i : i+1+end+1]
	for _, c := range []byte(tag[1 : len(tag)-1]) {
		if c == '$' || !isWordByte(c) {
			return 0
		}
	}
	closing := strings.Index(s[i+len(tag):], tag)
	if closing < 0 {
		return 0
	}
	return i + len(tag) + closing + len(tag)
}

// all returns every token of text.
func lexAll(text string) []token {
	var tokens []token
	l := &lexer{text: text}
	for {
		t, ok := l.next()
		if !ok {
			return tokens
		}
		tokens = append(tokens, t)
	}
}

// statement is what the front has to know of a SQL text without inline data.
type statement struct {
	// first is the first keyword, in upper case ("" for an empty text).
	first string
	// format is the argument of a trailing FORMAT clause, or "".
	format string
	// body is the text without its trailing FORMAT clause and semicolon.
	body string
	// serverFile says that the statement reads or writes a file of the server
	// by INTO OUTFILE or FROM INFILE.
	serverFile bool
}

func analyse(sql string) statement {
	tokens := lexAll(sql)
	words := make([]string, len(tokens)) // upper case; "" for quoted parts
	for i, t := range tokens {
		if t.kind != tokenQuoted {
			words[i] = strings.ToUpper(sql[t.start:t.end])
		}
	}
	for len(tokens) > 0 && words[len(tokens)-1] == ";" {
		tokens, words = tokens[:len(tokens)-1], words[:len(tokens)-1]
	}
	st := statement{}
	if len(tokens) == 0 {
		return st
	}
	st.first, st.body = firstWord(words), sql[:tokens[len(tokens)-1].end]
	for i := 1; i < len(words); i++ {
		st.serverFile = st.serverFile ||
			words[i] == "OUTFILE" && words[i-1] == "INTO" || words[i] == "INFILE" && words[i-1] == "FROM"
	}
	if i := formatClause(tokens, words); i > 0 {
		st.format = sql[tokens[i+1].start:tokens[i+1].end]
		st.body = sql[:tokens[i].start] + sql[tokens[i+1].end:tokens[len(tokens)-1].end]
	}
	return st
}

func firstWord(words []string) string {
	for _, w := range words {
		if w != "(" {
			return w
		}
	}
	return ""
}

// formatClause finds the token FORMAT of a trailing FORMAT clause, or -1.
func formatClause(tokens []token, words []string) int {
	depth, found := 0, -1
	for i, w := range words {
		switch w {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case "FORMAT":
			if depth != 0 || i == 0 || i+1 >= len(words) || tokens[i+1].kind != tokenWord {
				continue
			}
			if i+2 < len(words) && words[i+2] != "SETTINGS" && words[i+2] != ";" {
				continue
			}
			switch words[i-1] {
			case "SELECT", "FROM", "JOIN", ",", ".", "AS", "TABLE": // a name
			default:
				found = i
			}
		}
	}
	return found
}
