package clickhouse

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestABodyThatBreaksOffIsNotRun: what arrived of a statement or its data before
// the connection broke must not be executed.
func TestABodyThatBreaksOffIsNotRun(t *testing.T) {
	for name, text := range map[string]string{
		"statement": "SELECT 1",
		"head":      "INSERT INTO t (a",
		"data":      "INSERT INTO t FORMAT TSV\n1\n2\n",
		"values":    "INSERT INTO t VALUES (1), (2)",
	} {
		for _, broken := range []error{io.ErrUnexpectedEOF, errors.Join(errCorruptBody, io.ErrUnexpectedEOF)} {
			body := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
			src, err := readSource("", body, 1<<20)
			if err == nil && src.insert != nil {
				_, err = io.ReadAll(src.rest)
			}
			if !errors.Is(err, broken) {
				t.Errorf("%s: got %+v, error %v", name, src, err)
			}
		}
	}
	src, err := readSource("", strings.NewReader("INSERT INTO t FORMAT TSV\n1\n"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(src.rest); string(b) != "1\n" || err != nil {
		t.Fatalf("a whole body gave %q, %v", b, err)
	}
}
