// Package tracker holds the browser tracker: tracker.js, a hand-written script
// without dependencies, and the form in which it is served.
package tracker

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/js"
)

//go:embed tracker.js
var source []byte

// Script gives tracker.js as it is served: minified, which takes milliseconds, so
// that no generated file has to be kept in step with the source.
func Script() ([]byte, error) {
	m := minify.New()
	m.AddFunc("text/javascript", js.Minify)
	out, err := m.Bytes("text/javascript", bytes.Clone(source)) // it writes into what it reads
	if err != nil {
		return nil, fmt.Errorf("minifying tracker.js: %w", err)
	}
	return out, nil
}

//go:embed tracker.d.ts
var types []byte

// Types gives tracker.d.ts, the TypeScript types of what the script puts into a page.
func Types() []byte { return types }
