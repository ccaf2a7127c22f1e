package chdb

import (
	"strconv"
	"strings"
)

// Exception is an error the ClickHouse engine reported.
type Exception struct {
	// Code is ClickHouse's error number; 1002 (UNKNOWN_EXCEPTION) when the
	// engine's text carries none.
	Code int
	// Name is ClickHouse's name of the code, such as UNKNOWN_TABLE; may be empty.
	Name string
	// Message is the text without the leading "Code: N. DB::Exception: ".
	Message string
}

const codeUnknownException = 1002

// Error renders the exception as ClickHouse's HTTP interface does.
func (e *Exception) Error() string {
	s := "Code: " + strconv.Itoa(e.Code) + ". DB::Exception: " + e.Message
	if e.Name != "" && !strings.Contains(s, "("+e.Name+")") {
		s += " (" + e.Name + ")"
	}
	return s
}

// ParseException reads the engine's error text. The engine wraps an error once
// or more ("Code: 241. DB::Exception: Code: 241. DB::Exception: …") and may put
// a prefix such as "Error on processing query: " before it; both are removed.
func ParseException(text string) *Exception {
	text = strings.TrimSpace(text)
	e := &Exception{Code: codeUnknownException, Message: text}
	if i := strings.Index(text, "Code: "); i >= 0 {
		if code, rest, ok := cutCode(text[i:]); ok {
			e.Code, e.Message = code, rest
		}
	}
	for {
		code, rest, ok := cutCode(e.Message)
		if !ok || code != e.Code {
			break
		}
		e.Message = rest
	}
	e.Name = lastName(e.Message)
	return e
}

// cutCode splits "Code: N. DB::Exception: rest".
func cutCode(s string) (code int, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, "Code: ")
	if !ok {
		return 0, "", false
	}
	num, rest, ok := strings.Cut(s, ".")
	if !ok {
		return 0, "", false
	}
	code, err := strconv.Atoi(num)
	if err != nil || code < 0 {
		return 0, "", false
	}
	rest = strings.TrimPrefix(rest, " ")
	for _, p := range []string{"DB::Exception: ", "DB::NetException: ", "DB::ErrnoException: ", "DB::ParsingException: "} {
		rest = strings.TrimPrefix(rest, p)
	}
	return code, rest, true
}

// lastName finds the error name in the last "(UPPER_CASE)" of s.
func lastName(s string) string {
	for end := strings.LastIndexByte(s, ')'); end > 0; end = strings.LastIndexByte(s[:end], ')') {
		start := strings.LastIndexByte(s[:end], '(')
		if start < 0 {
			return ""
		}
		if name := s[start+1 : end]; isErrorName(name) {
			return name
		}
	}
	return ""
}

func isErrorName(s string) bool {
	if len(s) < 3 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
