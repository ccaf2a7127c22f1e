package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// small makes limits that a test reaches with little data.
func small(c *Config) {
	c.BodyBytesMax, c.InflatedBytesMax, c.InFlightBytesMax, c.BatchEventsMax = 10_000, 50_000, 120_000, 5
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	return z.EncodeAll(b, nil)
}

// encoded sends a body with a Content-Encoding, its length unknown to the server
// when chunked.
func (r *rig) encoded(encoding string, body []byte, chunked bool) {
	r.t.Helper()
	r.call(http.MethodPost, "/v1/events", bytes.NewReader(body), func(q *http.Request) {
		bearer(serverKey)(q)
		if encoding != "" {
			q.Header.Set("Content-Encoding", encoding)
		}
		if chunked {
			q.ContentLength = -1
		}
	})
}

func TestEncodings(t *testing.T) {
	r := newRig(t, nil)
	body := []byte("[" + strings.Repeat(login("a", "")+",", 299) + login("a", "") + "]")
	for range 3 { // decompressors are reused
		for encoding, b := range map[string][]byte{
			"": body, "identity": body, "gzip": gzipped(t, body), "X-GZIP": gzipped(t, body), " zstd ": zstandard(t, body), //nolint:gocritic // blanks are tolerated
		} {
			for _, chunked := range []bool{false, true} {
				r.encoded(encoding, b, chunked)
				if got := r.answered(http.StatusAccepted); got.Accepted != 300 {
					t.Errorf("%q: %d accepted", encoding, got.Accepted)
				}
			}
		}
	}
	if got := r.count("partnerpulse_collector_body_bytes_total"); got != float64(30*len(body)) {
		t.Errorf("%v inflated bytes counted, want %d", got, 30*len(body))
	}
	for _, encoding := range []string{"br", "gzip, zstd", "deflate"} {
		r.encoded(encoding, body, false)
		r.refused(http.StatusUnsupportedMediaType, "unsupported_encoding")
	}
	for encoding, b := range map[string][]byte{
		"gzip": body, "zstd": body, "x-gzip": gzipped(t, body)[:40],
	} {
		r.encoded(encoding, b, false)
		if e := r.refused(http.StatusBadRequest, "corrupt_encoding"); !strings.Contains(e.Message, "Content-Encoding") {
			t.Errorf("message %q", e.Message)
		}
	}
	if got := r.c.budget.used.Load(); got != 0 {
		t.Errorf("%d bytes stay reserved", got)
	}
}

func TestBodyLimits(t *testing.T) {
	event := login("a", "")
	padded := func(size int) []byte { return append([]byte(event), bytes.Repeat([]byte(" "), size-len(event))...) }
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		says     string // "" is accepted
	}{
		"plain at the limit":    {"", padded(10_000), ""},
		"plain above":           {"", padded(10_001), "10000 bytes as sent"},
		"inflated at the limit": {"gzip", gzipped(t, padded(50_000)), ""},
		"inflated above":        {"gzip", gzipped(t, padded(50_001)), "50000 bytes as inflated"},
		"zstd at the limit":     {"zstd", zstandard(t, padded(50_000)), ""},
		"zstd above":            {"zstd", zstandard(t, padded(50_001)), "50000 bytes as inflated"},
		"gzip bomb":             {"gzip", gzipped(t, make([]byte, 8<<20)), "50000 bytes as inflated"},
		"zstd window":           {"zstd", zstandard(t, bytes.Repeat([]byte("0123456789abcdef"), 1<<20), zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false)), "window above 8388608 bytes"},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, small)
				r.encoded(c.encoding, c.body, chunked)
				if c.says == "" {
					r.answered(http.StatusAccepted)
				} else if e := r.refused(http.StatusRequestEntityTooLarge, "body_too_large"); !strings.Contains(e.Message, c.says) {
					t.Errorf("message %q does not say %q", e.Message, c.says)
				}
				if n, sum := tooLargeOf(t, r, "srv"); (n == 1) != (c.says != "") || n > 0 && !chunked && sum < float64(len(c.body)) {
					t.Errorf("%d counted with %v bytes", n, sum)
				}
				if got := r.c.budget.used.Load(); got != 0 {
					t.Errorf("%d bytes stay reserved", got)
				}
			})
		}
	}
}

// tooLargeOf gives number and bytes of the requests of a key that were refused for
// their size.
func tooLargeOf(t *testing.T, r *rig, key string) (n uint64, sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "partnerpulse_collector_too_large_bytes" && m.GetLabel()[0].GetValue() == key {
				n += m.GetHistogram().GetSampleCount()
				sum += m.GetHistogram().GetSampleSum()
			}
		}
	}
	return n, sum
}

func TestBatchLimit(t *testing.T) {
	r := newRig(t, small)
	batch := func(n int, open, sep, end string) string {
		return open + strings.Repeat(login("a", "")+sep, n-1) + login("a", "") + end
	}
	for _, ok := range []string{batch(5, "[", ",", "]"), batch(5, "", "\n", "\n")} {
		r.post(serverKey, ok)
		r.answered(http.StatusAccepted)
	}
	r.log.take()
	for _, over := range []string{batch(6, "[", ",", "]"), batch(6, "", "\n", ""), `[{"a":1,"a":1},1,1,1,1,1]`} {
		r.post(serverKey, over)
		if e := r.refused(http.StatusRequestEntityTooLarge, "batch_too_large"); !strings.Contains(e.Message, "5 events") {
			t.Errorf("message %q", e.Message)
		}
	}
	if n, sum := tooLargeOf(t, r, "srv"); n != 3 || sum == 0 {
		t.Errorf("%d counted with %v bytes", n, sum)
	}
	if len(r.log.msgs) != 0 {
		t.Error("part of an over-long batch was published")
	}
}

// TestInFlightLimit fills the budget with requests that wait for Kafka.
func TestInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, small)
		r.log.hold = make(chan struct{})
		body := login("a", "") + strings.Repeat(" ", 8000)
		var held sync.WaitGroup
		codes := make(chan int, 10)
		for range 4 { // each reserves 16 KiB and its body
			held.Go(func() {
				w := httptest.NewRecorder()
				req := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
				bearer(serverKey)(req)
				r.h.ServeHTTP(w, req)
				codes <- w.Code
			})
		}
		synctest.Wait()
		unread := &unreadable{}
		r.call(http.MethodPost, "/v1/events", unread, func(q *http.Request) {
			bearer(serverKey)(q)
			q.ContentLength = 9000
		})
		r.refused(http.StatusServiceUnavailable, "overloaded")
		if r.last.Header().Get("Retry-After") != "2" || unread.read {
			t.Errorf("Retry-After %q, body read: %v", r.last.Header().Get("Retry-After"), unread.read)
		}
		// A body of unknown length that outgrows what is left is stopped on the way.
		r.encoded("gzip", gzipped(t, bytes.Repeat([]byte(" "), 45_000)), true)
		r.refused(http.StatusServiceUnavailable, "overloaded")
		close(r.log.hold)
		held.Wait()
		for range 4 {
			if code := <-codes; code != http.StatusAccepted {
				t.Errorf("a held request was answered %d", code)
			}
		}
		if got := r.c.budget.used.Load(); got != 0 {
			t.Errorf("%d bytes stay reserved", got)
		}
		r.post(serverKey, body)
		r.answered(http.StatusAccepted)
	})
}

type unreadable struct{ read bool }

func (u *unreadable) Read([]byte) (int, error) {
	u.read = true
	return 0, errors.New("must not be read")
}

// TestFrozenBroker: no acknowledgement in time is a 503, never a 202, and a page
// that has left does not stop its events.
func TestFrozenBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.PublishTimeout = 7 * time.Second })
		r.log.hold = make(chan struct{})
		start := time.Now()
		r.post(serverKey, login("a", ""))
		r.refused(http.StatusServiceUnavailable, "not_durable")
		if waited := time.Since(start); waited != 7*time.Second {
			t.Errorf("waited %s", waited)
		}
		if r.c.Ready(t.Context()) == nil {
			t.Error("ready although Kafka does not answer")
		}
		time.Sleep(unreadyFor)
		if err := r.c.Ready(t.Context()); err != nil {
			t.Errorf("never ready again without traffic: %v", err)
		}
		close(r.log.hold)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		req := httptest.NewRequestWithContext(gone, http.MethodPost, "/v1/beacon?key="+webKey, strings.NewReader(login("b", "")))
		w := httptest.NewRecorder()
		r.h.ServeHTTP(w, req)
		if events, _, _ := r.log.take(); len(events) != 1 || w.Code != http.StatusNoContent {
			t.Errorf("%d events of a page that left, answer %d", len(events), w.Code)
		}
	})
}

// broken is a connection that fails while a body is read.
type broken struct {
	head io.Reader
	err  error
}

func (b *broken) Read(p []byte) (int, error) {
	if n, err := b.head.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return 0, b.err
}

func TestBrokenConnections(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"timeout": {timeout, http.StatusRequestTimeout, "read_timeout"},
		"cut":     {io.ErrUnexpectedEOF, http.StatusBadRequest, "body_unreadable"},
	} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			t.Run(name+" "+encoding, func(t *testing.T) {
				r := newRig(t, nil)
				r.call(http.MethodPost, "/v1/events", &broken{strings.NewReader(""), c.err}, func(q *http.Request) {
					bearer(serverKey)(q)
					q.Header.Set("Content-Encoding", encoding)
				})
				r.refused(c.status, c.code)
				if len(r.log.msgs) != 0 || r.c.budget.used.Load() != 0 {
					t.Error("something was published or stays reserved")
				}
			})
		}
	}
}
