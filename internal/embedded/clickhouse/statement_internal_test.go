package clickhouse

import (
	"strings"
	"testing"
)

func TestSplitInsert(t *testing.T) {
	for _, c := range []struct {
		text, sql, format, data string
		state                   insertState
	}{
		{"INSERT INTO t VALUES (1)", "INSERT INTO t", "Values", " (1)", insertComplete},
		{"INSERT INTO t VALUES", "INSERT INTO t", "Values", "", insertIncomplete},
		{"insert into t (a) values(1)", "insert into t (a)", "Values", "(1)", insertComplete},
		{"INSERT INTO values VALUES (1)", "INSERT INTO values", "Values", " (1)", insertComplete},
		{"INSERT INTO db.format FORMAT CSV\n1", "INSERT INTO db.format", "CSV", "1", insertComplete},
		{"INSERT INTO db . `x y`.\"z\" FORMAT CSV\r\n1", "INSERT INTO db . `x y`.\"z\"", "CSV", "1", insertComplete},
		{"INSERT INTO t FORMAT CSV  \n\n1", "INSERT INTO t", "CSV", "\n1", insertComplete},
		{"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t", "CSV", "1,2", insertComplete},
		{"INSERT INTO t FORMAT Native", "INSERT INTO t", "Native", "", insertIncomplete},
		{"INSERT INTO t FORMAT Native\n", "INSERT INTO t", "Native", "", insertIncomplete},
		{"INSERT INTO t FORMAT values (1)", "INSERT INTO t", "Values", "(1)", insertComplete},
		{"INSERT INTO t FORMAT CSV;", "INSERT INTO t", "CSV", "", insertIncomplete},
		{"INSERT INTO t (`FORMAT`, \"VALUES\", '(') FORMAT TSV\nx", "INSERT INTO t (`FORMAT`, \"VALUES\", '(')", "TSV", "x", insertComplete},
		{"INSERT INTO t SETTINGS a=1 FORMAT TSV\nx", "INSERT INTO t SETTINGS a=1", "TSV", "x", insertComplete},
		{"INSERT INTO t FORMAT TSV SETTINGS a = -1, b='x, y'\nz", "INSERT INTO t SETTINGS a = -1, b='x, y'", "TSV", "z", insertComplete},
		{"INSERT INTO t FORMAT TSV SETTINGS\tx", "INSERT INTO t", "TSV", "SETTINGS\tx", insertIncomplete},
		{"INSERT INTO t FORMAT TSV SETTINGS\tx\ty\n", "INSERT INTO t", "TSV", "SETTINGS\tx\ty\n", insertComplete},
		{"/* INSERT */ -- x\n INSERT INTO t -- FORMAT x\nFORMAT TSV\ny", "/* INSERT */ -- x\n INSERT INTO t -- FORMAT x", "TSV", "y", insertComplete},
		{"INSERT INTO FUNCTION remote('a', f(1)) FORMAT TSV\ny", "INSERT INTO FUNCTION remote('a', f(1))", "TSV", "y", insertComplete},
		{"INSERT INTO TABLE t VALUES (1)", "INSERT INTO TABLE t", "Values", " (1)", insertComplete},
		{"INSERT INTO t SELECT 1", "", "", "", insertNone},
		{"INSERT INTO t (a) WITH 1 AS x SELECT x FORMAT CSV", "", "", "", insertNone},
		{"INSERT INTO t (SELECT 1)", "", "", "", insertNone},
		{"INSERT INTO t FROM INFILE 'x' FORMAT CSV", "", "", "", insertNone},
		{"SELECT 'INSERT INTO t VALUES'", "", "", "", insertNone},
		{"INS", "", "", "", insertIncomplete},
		{"", "", "", "", insertIncomplete},
		{"INSERT INTO t (a, b", "", "", "", insertIncomplete},
	} {
		h, state := splitInsert(c.text)
		if state != c.state || h.sql != c.sql || h.format != c.format || (h.sql != "" && c.text[h.dataStart:] != c.data) {
			t.Errorf("%q: %d %+v data %q", c.text, state, h, c.text[h.dataStart:])
		}
	}
}

// FuzzSplitInsert: the offset stays inside the text, a complete head never
// changes when more data arrives, and nothing hangs.
func FuzzSplitInsert(f *testing.F) {
	f.Add("INSERT INTO t (a) FORMAT TSV\n1", "2\n")
	f.Add("INSERT INTO t VALUES (1", ")")
	f.Add("-- x\ninsert into `a b`.c SETTINGS x='1' FORMAT CSV SETTINGS y = 2 \n", "z")
	f.Add("INSERT INTO t FORMAT CSV;", " ")
	f.Add("INSERT INTO t FORMAT CSV\n", "SETTINGS a = 1 \n2")
	f.Fuzz(func(t *testing.T, text, more string) {
		h, state := splitInsert(text)
		if h.dataStart < 0 || h.dataStart > len(text) {
			t.Fatalf("data at %d of %d", h.dataStart, len(text))
		}
		if state != insertComplete {
			return
		}
		if !strings.Contains(strings.ToUpper(text), "INSERT") || h.format == "" {
			t.Fatalf("%q is no INSERT with data: %+v", text, h)
		}
		if again, state := splitInsert(text + more); again != h || state != insertComplete {
			t.Fatalf("%q: %+v, with %q after it %d %+v", text, h, more, state, again)
		}
	})
}

func TestAnalyse(t *testing.T) {
	for _, c := range []struct{ sql, first, format, body string }{
		{"SELECT 1", "SELECT", "", "SELECT 1"},
		{"select 1 format JSON;", "SELECT", "JSON", "select 1 "},
		{"SELECT 1 FORMAT JSON SETTINGS a=1", "SELECT", "JSON", "SELECT 1  SETTINGS a=1"},
		{"(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV -- x", "SELECT", "CSV", "(SELECT 1) UNION ALL (SELECT 2) "},
		{"SELECT format FROM t", "SELECT", "", "SELECT format FROM t"},
		{"SELECT * FROM format f", "SELECT", "", "SELECT * FROM format f"},
		{"SELECT 1 AS format", "SELECT", "", "SELECT 1 AS format"},
		{"SELECT format('{}', 1) x", "SELECT", "", "SELECT format('{}', 1) x"},
		{"SELECT 'a FORMAT CSV'", "SELECT", "", "SELECT 'a FORMAT CSV'"},
		{"SELECT $$ FORMAT CSV$$", "SELECT", "", "SELECT $$ FORMAT CSV$$"},
		{"WITH x AS (SELECT 1 FORMAT Null) SELECT * FROM x", "WITH", "", "WITH x AS (SELECT 1 FORMAT Null) SELECT * FROM x"},
		{"/* c */ ; ", "", "", ""},
		{"SHOW TABLES FORMAT TSV", "SHOW", "TSV", "SHOW TABLES "},
		{"SELECT a/*'*/, b#!c\n FROM t", "SELECT", "", "SELECT a/*'*/, b#!c\n FROM t"},
	} {
		st := analyse(c.sql)
		if st.first != c.first || st.format != c.format || st.body != c.body {
			t.Errorf("%q: %+v", c.sql, st)
		}
	}
	for sql, want := range map[string]bool{
		"SELECT 1 INTO /* x */ OUTFILE 'y'":           true,
		"INSERT INTO t FROM INFILE 'x' FORMAT CSV":    true,
		"SELECT 'INTO OUTFILE'":                       false,
		"SELECT 1 INTO -- x\n outfile 'y' FORMAT CSV": true,
	} {
		if got := analyse(sql).serverFile; got != want {
			t.Errorf("%q: serverFile %v", sql, got)
		}
	}
}

func FuzzAnalyse(f *testing.F) {
	f.Add("SELECT 1 FORMAT JSON SETTINGS a = 1;")
	f.Add("SELECT '\\'' , \"x\"\"y\", $a$ $a$ FORMAT X")
	f.Add("/* -- */ # x\n(SELECT 1) FORMAT CSV")
	f.Fuzz(func(t *testing.T, sql string) {
		end := 0
		for _, tok := range lexAll(sql) {
			if tok.start < end || tok.end <= tok.start || tok.end > len(sql) {
				t.Fatalf("token %+v after %d of %d", tok, end, len(sql))
			}
			end = tok.end
		}
		st := analyse(sql)
		if len(st.body) > len(sql) || st.format != "" && !strings.Contains(sql, st.format) {
			t.Fatalf("%q: %+v", sql, st)
		}
	})
}

func TestQuoting(t *testing.T) {
	if got := quoteString("it's \\ a\x00b"); got != `'it\'s \\ a\0b'` {
		t.Error(got)
	}
	if got := quoteIdent("a`b\\"); got != "`a\\`b\\\\`" {
		t.Error(got)
	}
}
