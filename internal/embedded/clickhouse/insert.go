package clickhouse

import (
	"strings"
)

// insertHead is an INSERT statement up to its inline data.
type insertHead struct {
	// sql is the statement without FORMAT or VALUES clause.
	sql string
	// format of the data that follows; "" when the text names none.
	format string
	// dataStart is the offset of the first data byte in the text.
	dataStart int
}

// insertState says what splitInsert found.
type insertState uint8

const (
	insertNone       insertState = iota // not an INSERT that takes data
	insertIncomplete                    // the text ends inside the head
	insertComplete                      // head found
)

// splitInsert finds where the data of an INSERT begins, by ClickHouse's rules:
// after VALUES; or after FORMAT name, blanks and at most one line end. An INSERT
// with neither is incomplete: at the end of the text its data is empty, or all
// that follows. INSERT … SELECT takes no data.
func splitInsert(text string) (insertHead, insertState) {
	p := &insertParser{lexer: lexer{text: text}}
	p.advance()
	if p.word() != "INSERT" {
		if !p.ok || isPrefixOfWord(p, text, "INSERT") {
			return insertHead{}, insertIncomplete
		}
		return insertHead{}, insertNone
	}
	p.advance()
	if p.word() == "INTO" {
		p.advance()
	}
	if p.word() == "TABLE" && !p.nextIs(".") {
		p.advance()
	}
	if p.word() == "FUNCTION" {
		p.advance()
	}
	p.skipName()
	return p.clauses()
}

// isPrefixOfWord reports whether the text ends within a word that may become kw.
func isPrefixOfWord(p *insertParser, text, kw string) bool {
	return p.tok.end == len(text) && strings.HasPrefix(kw, p.word())
}

// insertParser is a lexer with one token of look-ahead.
type insertParser struct {
	lexer
	tok token
	ok  bool
}

func (p *insertParser) advance() { p.tok, p.ok = p.next() }

// word is the current token in upper case, "" at the end or for a quoted part.
func (p *insertParser) word() string {
	if !p.ok || p.tok.kind == tokenQuoted {
		return ""
	}
	return strings.ToUpper(p.text[p.tok.start:p.tok.end])
}

// nextIs looks one token further.
func (p *insertParser) nextIs(s string) bool {
	ahead := p.lexer
	t, ok := ahead.next()
	return ok && p.text[t.start:t.end] == s
}

// skipName passes a possibly qualified table or function name, whatever
// keyword it may look like.
func (p *insertParser) skipName() {
	for p.ok {
		p.advance()
		if p.word() != "." {
			return
		}
		p.advance()
	}
}

// clauses walks the rest of the head.
func (p *insertParser) clauses() (insertHead, insertState) {
	for p.ok {
		switch p.word() {
		case "(":
			if p.opensSelect() {
				return insertHead{}, insertNone
			}
			if !p.skipParens() {
				return insertHead{}, insertIncomplete
			}
			continue
		case "SELECT", "WITH", "WATCH", "FROM", "EXPLAIN":
			return insertHead{}, insertNone
		case "VALUES":
			if p.tok.end == len(p.text) { // may be the start of a longer word
				return p.head("Values", p.tok.start, p.tok.end), insertIncomplete
			}
			return p.head("Values", p.tok.start, p.tok.end), insertComplete
		case "FORMAT":
			return p.format()
		}
		p.advance()
	}
	return insertHead{sql: p.text, dataStart: len(p.text)}, insertIncomplete
}

// opensSelect reports whether the current "(" begins a subquery: INSERT INTO t
// (SELECT …). A column list may begin with a column named select only quoted.
func (p *insertParser) opensSelect() bool {
	ahead := p.lexer
	t, ok := ahead.next()
	if !ok {
		return false
	}
	w := strings.ToUpper(p.text[t.start:t.end])
	return w == "SELECT" || w == "WITH" || w == "("
}

// skipParens passes a parenthesised part; false if the text ends inside it.
func (p *insertParser) skipParens() bool {
	depth := 0
	for p.ok {
		switch p.word() {
		case "(":
			depth++
		case ")":
			depth--
		}
		p.advance()
		if depth == 0 {
			return true
		}
	}
	return false
}

// format reads FORMAT name [SETTINGS a = b, …] and the blanks before the data.
func (p *insertParser) format() (insertHead, insertState) {
	clause := p.tok.start
	p.advance()
	if !p.ok {
		return insertHead{}, insertIncomplete
	}
	name := p.text[p.tok.start:p.tok.end]
	h := p.head(name, clause, p.tok.end)
	if strings.EqualFold(name, "Values") {
		h.format = "Values"
	}
	end, cut := p.trailingSettings()
	if end > 0 {
		h.sql += " " + strings.TrimSpace(p.text[h.dataStart:end])
		h.dataStart = end
	}
	rest := strings.TrimLeft(p.text[h.dataStart:], " \t\f")
	if after, ok := strings.CutPrefix(rest, ";"); ok { // ends the statement: no data
		rest = strings.TrimLeft(after, " \t\r\n")
	}
	if rest == "" || rest == "\r" { // the line end may be still to come
		h.dataStart = len(p.text)
		return h, insertIncomplete
	}
	rest = strings.TrimPrefix(rest, "\r")
	rest = strings.TrimPrefix(rest, "\n")
	h.dataStart = len(p.text) - len(rest)
	if cut {
		return h, insertIncomplete
	}
	return h, insertComplete
}

// trailingSettings recognises SETTINGS name = value [, …] after FORMAT name and
// returns where it ends, 0 if it is not there. cut: the text ends before that
// can be told.
func (p *insertParser) trailingSettings() (end int, cut bool) {
	q := *p
	// more moves on; false if the token touches the end of the text, where it
	// might still grow.
	more := func() bool {
		q.advance()
		return q.ok && q.tok.end < len(q.text)
	}
	if !more() {
		// Nothing yet, or what may become SETTINGS; a quoted part (no word) cannot.
		return 0, !q.ok || q.word() != "" && strings.HasPrefix("SETTINGS", q.word()) //nolint:gocritic // the argument order is meant
	}
	if q.word() != "SETTINGS" {
		return 0, false
	}
	for {
		if !more() { // name
			return 0, true
		}
		if !more() {
			return 0, true
		}
		if q.word() != "=" {
			return 0, false
		}
		if !more() { // value
			return 0, true
		}
		if q.word() == "-" || q.word() == "+" {
			if !more() {
				return 0, true
			}
		}
		end = q.tok.end
		if !more() && !q.ok {
			return 0, true
		}
		if q.word() != "," {
			return end, false
		}
	}
}

func (p *insertParser) head(format string, clause, dataStart int) insertHead {
	return insertHead{sql: strings.TrimRight(p.text[:clause], " \t\r\n"), format: format, dataStart: dataStart}
}
