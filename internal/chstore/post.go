package chstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// poster sends the bodies of inserts to ClickHouse's HTTP interface. The driver would
// build every column anew, growing it as it goes; that was half of the enricher's time.
type poster struct {
	client  *http.Client
	bases   []string // URLs without query
	next    atomic.Uint32
	auth    clickhouse.Auth
	method  compress.Method
	writers sync.Pool // of *nativeWriter
}

// idleTimeout is how long an unused connection is kept: shorter than servers keep theirs.
const idleTimeout = 5 * time.Second

// writeBufferBytes is the connection's: bodies are megabytes.
const writeBufferBytes = 256 << 10

// newPoster gives nil for the native protocol, which only the driver speaks.
func newPoster(cfg Config, o *clickhouse.Options) *poster {
	if o.Protocol != clickhouse.HTTP {
		return nil
	}
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
	}
	p := &poster{auth: o.Auth, method: compression(cfg.compression()), client: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: cfg.DialTimeout}).DialContext,
		TLSClientConfig: o.TLS, TLSHandshakeTimeout: cfg.DialTimeout, MaxIdleConnsPerHost: max(cfg.OpenConnectionsMax, 1),
		IdleConnTimeout: idleTimeout, WriteBufferSize: writeBufferBytes, DisableCompression: true,
	}}}
	instrumentClient(p.client)
	for _, addr := range o.Addr {
		p.bases = append(p.bases, scheme+"://"+addr+"/")
	}
	p.writers.New = func() any { return newNativeWriter(p.method) }
	return p
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// insert sends one INSERT. An address that cannot be connected to is passed over.
func (p *poster) insert(ctx context.Context, table string, cols []Column, types []clickhouse.ColumnNameAndType, rows int) error {
	w, ok := p.writers.Get().(*nativeWriter)
	if !ok {
		return errNotNative // the pool holds nothing else
	}
	defer p.writers.Put(w)
	pieces, err := w.block(cols, types, rows)
	if err != nil {
		return err
	}
	body := newBody(pieces)
	defer body.end() // before its memory is used again
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	query := p.query(table, names, insertSettings())
	start := p.next.Load()
	for i := range p.bases {
		at := (start + uint32(i)) % uint32(len(p.bases))
		err = p.post(ctx, p.bases[at]+query, body)
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" && ctx.Err() == nil {
			continue
		}
		p.next.Store(at)
		break
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("inserting into %s: %w", table, err)
}

// query is the statement and its settings, for the URL.
func (p *poster) query(table string, columns []string, settings clickhouse.Settings) string {
	v := url.Values{"query": {fmt.Sprintf("INSERT INTO `%s` (`%s`) FORMAT Native", table, strings.Join(columns, "`, `"))}}
	if p.auth.Database != "" {
		v.Set("database", p.auth.Database)
	}
	for name, value := range settings {
		v.Set(name, fmt.Sprint(value))
	}
	if p.method != compress.None {
		v.Set("decompress", "1")
	}
	return "?" + v.Encode()
}

// answerBytesMax bounds how much of an error's text is read.
const answerBytesMax = 64 << 10

// post sends a body whose pieces are all there.
func (p *poster) post(ctx context.Context, target string, body *body) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, body.reader())
	if err != nil {
		return err
	}
	req.ContentLength = body.size
	req.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil } // for a connection that was idle too long
	return p.do(req)
}

const exceptionCode = "X-ClickHouse-Exception-Code"

// do sends an INSERT and reads ClickHouse's answer. One that failed after the answer had
// begun has status 200, and says so further on.
func (p *poster) do(req *http.Request) error {
	req.Header.Set("Content-Type", "application/octet-stream")
	if p.auth.Username != "" {
		req.Header.Set("X-ClickHouse-User", p.auth.Username)
	}
	if p.auth.Password != "" {
		req.Header.Set("X-ClickHouse-Key", p.auth.Password)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	code := cmp.Or(resp.Header.Get(exceptionCode), resp.Trailer.Get(exceptionCode))
	message := strings.TrimSpace(string(text))
	if resp.StatusCode == http.StatusOK && code == "" {
		if err == nil && message != "" {
			err = fmt.Errorf("an INSERT is answered by nothing, this one by %q", message)
		}
		return err
	}
	number, cerr := strconv.ParseInt(code, 10, 32)
	if cerr != nil {
		return fmt.Errorf("status %s: %s", resp.Status, message)
	}
	return &clickhouse.Exception{Code: int32(number), Name: "DB::Exception", Message: message}
}
