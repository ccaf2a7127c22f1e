package clickhouse

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var (
	errCorruptBody  = errors.New("cannot decompress the request body")
	errBodyTooLarge = errors.New("request body is too large")
)

// decodeBody undoes an HTTP Content-Encoding. close frees the decoder.
func decodeBody(body io.Reader, encoding string) (r io.Reader, closeDecoder func(), err error) {
	none := func() {}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, none, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(body)
	case "deflate":
		r, err = zlib.NewReader(body)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdWindowMax)); err == nil {
			return corrupt{d}, d.Close, nil
		}
	case "lz4":
		r = lz4.NewReader(body)
	case "br":
		r = brotli.NewReader(body)
	default:
		return nil, none, fmt.Errorf("%w: unknown Content-Encoding %q", errCorruptBody, encoding)
	}
	if err != nil {
		return nil, none, fmt.Errorf("%w: %s: %w", errCorruptBody, encoding, err)
	}
	return corrupt{r}, none, nil
}

// zstdWindowMax bounds what a zstd frame may make the decoder allocate.
const zstdWindowMax = 128 << 20

// corrupt marks the errors of a decoder as the client's.
type corrupt struct{ io.Reader }

func (c corrupt) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // only the bare io.EOF is an end
		err = fmt.Errorf("%w: %w", errCorruptBody, err)
	}
	return n, err
}

// blockReader reads ClickHouse's block compression (decompress=1).
type blockReader struct {
	src *bufio.Reader
	r   *compress.Reader
}

func newBlockReader(body io.Reader) io.Reader {
	src := bufio.NewReaderSize(body, 64<<10)
	return corrupt{&blockReader{src: src, r: compress.NewReader(src)}}
}

func (b *blockReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := b.r.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == nil { // an empty block
			continue
		}
		// The reader wraps the end of data as an error of the next block's
		// header; only between blocks is it a regular end.
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, io.EOF
		}
		return 0, err
	}
}

// limitReader fails, unlike io.LimitReader, when more than n bytes come.
type limitReader struct {
	r         io.Reader
	left, max int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", errBodyTooLarge, l.max)
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", errBodyTooLarge, l.max)
	}
	return n, err
}

// blockWriter writes ClickHouse's block compression (compress=1).
type blockWriter struct {
	w   io.Writer
	c   *compress.Writer
	buf []byte
}

// blockBytes is ClickHouse's size of a compressed block before compression.
const blockBytes = 1 << 20

// newBlockWriter takes the value of network_compression_method.
func newBlockWriter(w io.Writer, method string) *blockWriter {
	m, level := compress.LZ4, compress.LevelZero
	switch strings.ToUpper(method) {
	case "ZSTD":
		m, level = compress.ZSTD, compress.Level(1)
	case "NONE":
		m = compress.None
	}
	return &blockWriter{w: w, c: compress.NewWriter(level, m)}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if len(b.buf) == 0 && len(p) >= blockBytes {
			if err := b.emit(p[:blockBytes]); err != nil {
				return 0, err
			}
			p = p[blockBytes:]
			continue
		}
		n := min(blockBytes-len(b.buf), len(p))
		b.buf = append(b.buf, p[:n]...)
		p = p[n:]
		if len(b.buf) == blockBytes {
			if err := b.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// Flush ends the current block.
func (b *blockWriter) Flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	err := b.emit(b.buf)
	b.buf = b.buf[:0]
	return err
}

func (b *blockWriter) emit(p []byte) error {
	if err := b.c.Compress(p); err != nil {
		return fmt.Errorf("compressing a block: %w", err)
	}
	_, err := b.w.Write(b.c.Data)
	return err
}

// acceptedEncoding picks the response encoding from Accept-Encoding in
// ClickHouse's order of preference; "" for none.
func acceptedEncoding(h http.Header) string {
	accepted := map[string]bool{}
	for _, part := range strings.Split(h.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		accepted[strings.TrimSpace(name)] = strings.ReplaceAll(q, " ", "") != "q=0"
	}
	for _, e := range []string{"br", "lz4", "gzip", "zstd", "deflate"} {
		if accepted[e] {
			return e
		}
	}
	return ""
}

// encodeBody wraps w in an HTTP Content-Encoding.
func encodeBody(w io.Writer, encoding string) (io.WriteCloser, error) {
	switch encoding {
	case "br":
		return brotli.NewWriterLevel(w, 3), nil
	case "lz4":
		return lz4.NewWriter(w), nil
	case "gzip":
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	case "deflate":
		return zlib.NewWriterLevel(w, zlib.BestSpeed)
	}
	return nil, fmt.Errorf("unknown encoding %q", encoding)
}

// smallBody is up to how many bytes an answer goes out as it is: setting up an
// encoder costs more than it saves.
const smallBody = 1024

// lazyEncoder applies a Content-Encoding once the body is worth it.
type lazyEncoder struct {
	w        http.ResponseWriter
	encoding string
	status   int // if not 0, sent before the first byte
	buf      []byte
	enc      io.WriteCloser
}

func (l *lazyEncoder) sendStatus() {
	if l.status != 0 {
		l.w.WriteHeader(l.status)
	}
}

func (l *lazyEncoder) Write(p []byte) (int, error) {
	if l.enc != nil {
		return l.enc.Write(p)
	}
	if len(l.buf)+len(p) <= smallBody {
		l.buf = append(l.buf, p...)
		return len(p), nil
	}
	enc, err := encodeBody(l.w, l.encoding)
	if err != nil {
		return 0, err
	}
	l.enc = enc
	l.w.Header().Set("Content-Encoding", l.encoding)
	l.sendStatus()
	if _, err := enc.Write(l.buf); err != nil {
		return 0, err
	}
	return enc.Write(p)
}

// Close ends the body.
func (l *lazyEncoder) Close() error {
	if l.enc != nil {
		return l.enc.Close()
	}
	l.sendStatus()
	_, err := l.w.Write(l.buf)
	return err
}
