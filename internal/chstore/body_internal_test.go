package chstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

func TestBodyReadsItsPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 6).Draw(t, "pieces")
		want := bytes.Join(pieces, nil)
		b := newBody(pieces)
		if b.size != int64(len(want)) {
			t.Fatalf("size is %d, not %d", b.size, len(want))
		}
		for range 2 { // each reader begins at the start
			if err := iotest.TestReader(b.reader(), want); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEndedBodySendsNothing(t *testing.T) {
	b := newBody([][]byte{[]byte("abc"), []byte("def")})
	r := b.reader()
	if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	b.end()
	if n, err := r.Read(make([]byte, 4)); n != 0 || !errors.Is(err, errBodyEnded) {
		t.Errorf("read %d bytes, error %v", n, err)
	}
}

// TestGivenUpInsertSendsNoForeignBytes: the memory of a body is used again as soon as its
// request is given up, while the transport may still be sending it.
func TestGivenUpInsertSendsNoForeignBytes(t *testing.T) {
	const size, old, foreign = 32 << 20, 'o', 'f'
	started := make(chan struct{}, 1)
	got := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		_, _ = io.ReadFull(r.Body, first)
		started <- struct{}{}
		time.Sleep(50 * time.Millisecond) // the client gives up meanwhile, with full socket buffers
		rest, err := io.ReadAll(r.Body)
		if err == nil {
			t.Error("the whole body arrived although the request was given up")
		}
		got <- rest
	}))
	defer server.Close()
	p := &poster{client: server.Client()}
	memory := bytes.Repeat([]byte{old}, size)
	b := newBody([][]byte{memory})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if err := p.post(ctx, server.URL, b); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	b.end()
	for i := range memory {
		memory[i] = foreign
	}
	if rest := <-got; bytes.IndexByte(rest, foreign) >= 0 {
		t.Error("bytes written after the end were sent")
	}
}
