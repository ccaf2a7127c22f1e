package collector

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// requestBytesMin is reserved for every request, for what it costs besides its body.
const requestBytesMin = 16 << 10

// zstdWindowBytesMax bounds the memory that a zstd frame can ask for.
const zstdWindowBytesMax = 8 << 20

// budget bounds the bytes of all requests under way.
type budget struct {
	max  int64
	used atomic.Int64
}

// reserve takes n bytes, or nothing when they are not left.
func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) <= b.max {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) release(n int64) { b.used.Add(-n) }

// heldBody is an inflated body and the part of the budget that it holds.
type heldBody struct {
	bytes    []byte
	reserved int64
	budget   *budget
}

func (b *heldBody) release() {
	b.budget.release(b.reserved)
	b.bytes, b.reserved = nil, 0
}

// grow makes room for more, doubling, within the budget.
func (b *heldBody) grow(sizeMax int64) bool {
	size := min(max(2*int64(cap(b.bytes)), requestBytesMin), sizeMax)
	more := size - int64(cap(b.bytes))
	if more <= 0 || !b.budget.reserve(more) {
		return false
	}
	b.reserved += more
	b.bytes = append(make([]byte, 0, size), b.bytes...)
	return true
}

// readBody reads and inflates a body within all limits. What the client announces
// is checked before the first byte is read.
func (c *Collector) readBody(w http.ResponseWriter, r *http.Request) (*heldBody, *failure) {
	body, read, fail := c.readWithin(w, r)
	c.noteTooLarge(r, read, fail)
	return body, fail
}

// noteTooLarge counts a request that is refused for its size, of which nothing is
// kept: whose it is, and how large. read is how much of it was read.
func (c *Collector) noteTooLarge(r *http.Request, read int, fail *failure) {
	if fail == nil || fail.status != http.StatusRequestEntityTooLarge {
		return
	}
	keyID := ""
	if key, err := c.deps.Keys.Authenticate(r); err == nil {
		keyID = key.ID
	}
	c.metrics.tooLargeBytes.WithLabelValues(keyID).Observe(float64(max(r.ContentLength, int64(read))))
}

// readWithin does readBody's work and tells, of a refused body, how much was read.
func (c *Collector) readWithin(w http.ResponseWriter, r *http.Request) (held *heldBody, read int, failed *failure) {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity", "gzip", "x-gzip", "zstd":
	default:
		return nil, 0, &failure{http.StatusUnsupportedMediaType, "unsupported_encoding",
			"this Content-Encoding is not understood: send the body plain, or with gzip or zstd", 0}
	}
	if r.ContentLength > c.cfg.BodyBytesMax {
		return nil, 0, tooLarge("sent", c.cfg.BodyBytesMax)
	}
	plain := encoding == "" || encoding == "identity"
	start := int64(0)
	if plain && r.ContentLength > 0 {
		start = r.ContentLength + 1 // one more, so that the end is seen without growing
	}
	body := &heldBody{budget: c.budget}
	if !c.budget.reserve(requestBytesMin + start) {
		return nil, 0, c.overloaded()
	}
	body.reserved = requestBytesMin + start
	body.bytes = make([]byte, 0, start)
	fail := c.fill(body, http.MaxBytesReader(w, r.Body, c.cfg.BodyBytesMax), encoding)
	if fail != nil {
		read = len(body.bytes)
		body.release()
		return nil, read, fail
	}
	return body, 0, nil
}

// fill reads src to its end.
func (c *Collector) fill(body *heldBody, src io.Reader, encoding string) *failure {
	sizeMax := c.cfg.InflatedBytesMax + 1
	wire := &watched{src: src}
	src, done, err := c.inflate.open(wire, encoding)
	defer done()
	for err == nil {
		if len(body.bytes) == cap(body.bytes) {
			if int64(len(body.bytes)) >= sizeMax {
				return tooLarge("inflated", c.cfg.InflatedBytesMax)
			}
			if !body.grow(sizeMax) {
				return c.overloaded()
			}
		}
		var n int
		n, err = src.Read(body.bytes[len(body.bytes):cap(body.bytes)])
		body.bytes = body.bytes[:len(body.bytes)+n]
	}
	switch {
	case wire.err != nil: // some decompressors take a cut connection for the end
		return c.readFailure(wire.err)
	case errors.Is(err, io.EOF) && int64(len(body.bytes)) < sizeMax:
		return nil
	}
	return c.inflateFailure(err)
}

// watched remembers the failure of the connection below a decompressor.
type watched struct {
	src io.Reader
	err error // nil after a clean end
}

// Read reads from the connection.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.src.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// readFailure words why a body did not arrive.
func (c *Collector) readFailure(err error) *failure {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return tooLarge("sent", c.cfg.BodyBytesMax)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{http.StatusRequestTimeout, "read_timeout", "the body did not arrive in time: send it again", 0}
	}
	return &failure{http.StatusBadRequest, "body_unreadable", "the body could not be read to its end: send it again", 0}
}

// inflateFailure words why a body that arrived could not be inflated.
func (c *Collector) inflateFailure(err error) *failure {
	switch {
	case errors.Is(err, io.EOF):
		return tooLarge("inflated", c.cfg.InflatedBytesMax)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &failure{http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("the zstd frame asks for a window above %d bytes: compress with a smaller window", zstdWindowBytesMax), 0}
	}
	return &failure{http.StatusBadRequest, "corrupt_encoding", "the body is not what Content-Encoding says: " + err.Error(), 0}
}

// tooLarge is the refusal of a body above a limit, as "sent" or "inflated".
func tooLarge(how string, bytesMax int64) *failure {
	return &failure{http.StatusRequestEntityTooLarge, "body_too_large",
		fmt.Sprintf("the body is larger than %d bytes as %s: send fewer events at once", bytesMax, how), 0}
}

// overloaded is the refusal when the bytes of requests under way are used up.
func (c *Collector) overloaded() *failure {
	return &failure{http.StatusServiceUnavailable, "overloaded",
		"too much is being received at this moment: nothing of this request was taken, send it again later", c.cfg.RetryAfter}
}

// inflater opens decompressors and keeps them for reuse.
type inflater struct {
	gzips sync.Pool // of *gzip.Reader
	zstds sync.Pool // of *zstd.Decoder
}

func newInflater() *inflater { return &inflater{} }

// open gives a reader of the inflated body; call done when it is read.
func (f *inflater) open(src io.Reader, encoding string) (inflated io.Reader, done func(), err error) {
	switch encoding {
	case "gzip", "x-gzip":
		z, ok := f.gzips.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		return z, func() { f.gzips.Put(z) }, z.Reset(src)
	case "zstd":
		z, ok := f.zstds.Get().(*zstd.Decoder)
		if !ok {
			z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(zstdWindowBytesMax))
			if err != nil {
				return nil, func() {}, fmt.Errorf("making a zstd decoder: %w", err)
			}
		}
		done = func() {
			if z.Reset(nil) == nil { // lets go of the connection
				f.zstds.Put(z)
			}
		}
		return z, done, z.Reset(src)
	}
	return src, func() {}, nil
}
