package tracker

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// sizeGzippedMax is what a portal's pages may be asked to load.
const sizeGzippedMax = 6 << 10

func TestScriptIsSmall(t *testing.T) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(Script()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Len() > sizeGzippedMax {
		t.Errorf("tracker.js is %d bytes gzipped, over %d", b.Len(), sizeGzippedMax)
	}
	t.Logf("%d bytes, %d gzipped", len(Script()), b.Len())
}

// Script may only leave out what has no meaning: no string of the source may run
// over lines, and every other line must be there in order.
func TestScriptKeepsTheCode(t *testing.T) {
	if bytes.ContainsRune(source, '`') {
		t.Error("tracker.js holds a template literal, which may run over lines")
	}
	rest := Script()
	for line := range bytes.Lines(source) {
		code := bytes.TrimSpace(line)
		if len(code) == 0 || bytes.HasPrefix(code, []byte("//")) {
			continue
		}
		got, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok || !bytes.Equal(got, code) {
			t.Fatalf("served %q, want %q", got, code)
		}
		rest = after
	}
	if len(rest) > 0 {
		t.Errorf("served %q beyond the source", rest)
	}
	if bytes.Contains(Script(), []byte("document.cookie")) {
		t.Error("the tracker must not touch cookies")
	}
}

func TestScriptIsACopy(t *testing.T) {
	a := Script()
	a[0] = 'X'
	if b := Script(); b[0] == 'X' {
		t.Error("changing the result changed the script")
	}
}
