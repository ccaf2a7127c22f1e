package tracker

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// sizeGzippedMax is what a portal's pages may be asked to load.
const sizeGzippedMax = 6 << 10

func script(t *testing.T) []byte {
	t.Helper()
	b, err := Script()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestScriptIsSmall(t *testing.T) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(script(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Len() > sizeGzippedMax {
		t.Errorf("tracker.js is %d bytes gzipped, over %d", b.Len(), sizeGzippedMax)
	}
	t.Logf("%d bytes, %d gzipped", len(script(t)), b.Len())
}

// What it does is shown in a browser (internal/browsertest), on the served form. Here:
// every process serves the same, and minifying leaves the source as it is.
func TestScriptIsTheSameEachTime(t *testing.T) {
	before := bytes.Clone(source)
	a := script(t)
	a[0] = 'X'
	if b := script(t); b[0] == 'X' || !bytes.Equal(b[1:], a[1:]) {
		t.Error("two calls give two scripts")
	}
	if !bytes.Equal(before, source) {
		t.Error("minifying changed the source")
	}
	for _, name := range []string{"partnerpulse", "quick_back", "max_scroll_pct", "sendBeacon"} {
		if !bytes.Contains(a, []byte(name)) {
			t.Errorf("%s is not in the script", name)
		}
	}
}
