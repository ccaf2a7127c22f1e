package chdb

import (
	"strings"
	"testing"
)

func TestParseException(t *testing.T) {
	for _, c := range []struct {
		text, message, name string
		code                int
	}{
		{"Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)", "Table x does not exist. (UNKNOWN_TABLE)", "UNKNOWN_TABLE", 60},
		{"Code: 241. DB::Exception: Code: 241. DB::Exception: too much. (MEMORY_LIMIT_EXCEEDED)", "too much. (MEMORY_LIMIT_EXCEEDED)", "MEMORY_LIMIT_EXCEEDED", 241},
		{"Error on processing query: Code: 62. DB::Exception: Syntax error: (a). (SYNTAX_ERROR) (version 26.7.2.1)", "Syntax error: (a). (SYNTAX_ERROR) (version 26.7.2.1)", "SYNTAX_ERROR", 62},
		{"Code: 1. DB::Exception: Code: 2. DB::Exception: inner", "Code: 2. DB::Exception: inner", "", 1},
		{"something else", "something else", "", 1002},
		{"", "", "", 1002},
		{"Code: x. DB::Exception: y", "Code: x. DB::Exception: y", "", 1002},
	} {
		e := ParseException(c.text)
		if e.Code != c.code || e.Message != c.message || e.Name != c.name {
			t.Errorf("%q: %+v", c.text, e)
		}
	}
	e := &Exception{Code: 36, Name: "BAD_ARGUMENTS", Message: "no"}
	if got := e.Error(); got != "Code: 36. DB::Exception: no (BAD_ARGUMENTS)" {
		t.Error(got)
	}
}

// FuzzParseException: rendering and parsing again is stable.
func FuzzParseException(f *testing.F) {
	f.Add("Code: 241. DB::Exception: Code: 241. DB::Exception: x (A_B)")
	f.Add("Code: 0. ")
	f.Fuzz(func(t *testing.T, text string) {
		e := ParseException(text)
		if e.Code < 0 {
			t.Fatalf("%+v", e)
		}
		again := ParseException(e.Error())
		if again.Code != e.Code || !strings.Contains(text, e.Name) {
			t.Fatalf("%q: %+v, again %+v", text, e, again)
		}
	})
}
