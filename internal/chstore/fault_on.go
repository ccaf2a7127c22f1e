//go:build faultpoints

package chstore

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"partnerpulse/internal/fault"
)

// instrument puts a fault point into the body of every INSERT of events over HTTP.
func instrument(o *clickhouse.Options) {
	o.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) { return breaking{t}, nil }
}

// instrumentClient does so for a client of our own, which then keeps back little of a body.
func instrumentClient(c *http.Client) {
	if t, ok := c.Transport.(*http.Transport); ok {
		t.WriteBufferSize = bodyBytesBefore / 4
		c.Transport = breaking{t}
	}
}

// breaking is a transport whose INSERTs of events pass the point in mid-body.
type breaking struct{ *http.Transport }

func (b breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	statement := r.URL.Query().Get("query")
	if r.Body != nil && strings.HasPrefix(strings.TrimSpace(statement), "INSERT INTO `events`") {
		r = r.Clone(r.Context())
		r.Body = &brokenBody{ReadCloser: r.Body}
	}
	return b.Transport.RoundTrip(r)
}

// brokenBody passes the point between its first bytes and the rest.
type brokenBody struct {
	io.ReadCloser
	read   int
	passed bool
}

const (
	bodyBytesBefore = 16 << 10             // more than the transport keeps back
	bodyPause       = 2 * time.Millisecond // for the kernel to hand them over
)

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.passed {
		return b.ReadCloser.Read(p)
	}
	if left := bodyBytesBefore - b.read; left > 0 {
		n, err := b.ReadCloser.Read(p[:min(len(p), left)])
		b.read += n
		if err == nil {
			return n, nil
		}
		b.passed = true // a short body: all but its end is on its way
		fault.Point(fault.InsertBody)
		return n, err
	}
	b.passed = true
	time.Sleep(bodyPause)
	fault.Point(fault.InsertBody)
	return b.ReadCloser.Read(p)
}
