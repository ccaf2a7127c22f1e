package simulate

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// bodyEncoder makes the request body of a batch: a JSON array, compressed.
// It is safe for concurrent use.
type bodyEncoder struct {
	name string // Content-Encoding, "" for none
	zstd *zstd.Encoder
	gzip sync.Pool // of *gzip.Writer, whose tables are far larger than a small batch
}

func newBodyEncoder(compression string) (*bodyEncoder, error) {
	e := &bodyEncoder{}
	if compression == "none" {
		return e, nil
	}
	e.name = compression
	if compression == "zstd" {
		// No writer: only EncodeAll is used, which starts no goroutine to close.
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, fmt.Errorf("preparing zstd: %w", err)
		}
		e.zstd = enc
	}
	return e, nil
}

func (e *bodyEncoder) encode(batch []item) ([]byte, error) {
	plain := []byte{'['}
	for i := range batch {
		if i > 0 {
			plain = append(plain, ',')
		}
		plain = append(plain, batch[i].body...)
	}
	plain = append(plain, ']')
	switch {
	case e.zstd != nil:
		return e.zstd.EncodeAll(plain, nil), nil
	case e.name == "":
		return plain, nil
	}
	var out bytes.Buffer
	w, ok := e.gzip.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, fmt.Errorf("preparing gzip: %w", err)
		}
	}
	defer e.gzip.Put(w)
	w.Reset(&out)
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("compressing a batch: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing a batch: %w", err)
	}
	return out.Bytes(), nil
}
