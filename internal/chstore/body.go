package chstore

import (
	"errors"
	"io"
	"sync"
)

// errBodyEnded ends a transport that still sends what nobody waits for.
var errBodyEnded = errors.New("the insert was given up")

// body is the content of a request in pieces of memory that is used again afterwards. A
// transport may go on reading after its request has failed: end sees to it that then it
// sends an error, never the bytes of another insert.
type body struct {
	size int64

	mu     sync.Mutex
	pieces [][]byte
	ended  bool
}

func newBody(pieces [][]byte) *body {
	b := &body{pieces: pieces}
	for _, p := range pieces {
		b.size += int64(len(p))
	}
	return b
}

// end makes all readers fail from now on. When it returns none is reading.
func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pieces, b.ended = nil, true
}

// reader reads from the start.
func (b *body) reader() io.ReadCloser { return &bodyReader{body: b} }

// bodyReader reads a body. It is not safe for concurrent use.
type bodyReader struct {
	body      *body
	piece, at int
}

func (r *bodyReader) Read(p []byte) (n int, err error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	if r.body.ended {
		return 0, errBodyEnded
	}
	for n < len(p) && r.piece < len(r.body.pieces) {
		from := r.body.pieces[r.piece]
		copied := copy(p[n:], from[r.at:])
		if n, r.at = n+copied, r.at+copied; r.at == len(from) {
			r.piece, r.at = r.piece+1, 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close does nothing: the body ends for all readers at once.
func (r *bodyReader) Close() error { return nil }
