// Package tracker holds the browser tracker: tracker.js, a hand-written script
// without dependencies or build step, and the form in which it is served.
package tracker

import (
	"bytes"
	_ "embed"
)

//go:embed tracker.js
var source []byte

// Script gives tracker.js as it is served: the source without indentation, empty
// lines and lines that are only a // comment. Everything else is byte for byte the
// source, which therefore must not hold a string that runs over several lines.
func Script() []byte {
	out := make([]byte, 0, len(source))
	for line := range bytes.Lines(source) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || bytes.HasPrefix(line, []byte("//")) {
			continue
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

//go:embed tracker.d.ts
var types []byte

// Types gives tracker.d.ts, the TypeScript types of what the script puts into a page.
func Types() []byte { return types }
