package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"partnerpulse/internal/keys"
	"partnerpulse/internal/xapi"
)

// xapiVersion is the version that is spoken; every 1.0.x is understood.
const xapiVersion = "1.0.3"

// Statements reads the xAPI statements that the store has.
type Statements interface {
	// ByID gives those of a tenant's statements that are there, and who voids which.
	ByID(ctx context.Context, tenant string, ids []string) (xapi.Known, error)
	// List answers a query, in its order, without what is voided.
	List(ctx context.Context, q xapi.Query) ([]*xapi.Stored, error)
}

// Documents keeps the state documents of courses.
type Documents interface {
	Get(ctx context.Context, p xapi.Place, id string) (*xapi.Document, error)
	Change(ctx context.Context, p xapi.Place, id string, change func(*xapi.Document) (*xapi.Document, error)) error
	List(ctx context.Context, p xapi.Place, since time.Time) ([]string, error)
}

// xapiWay is the way in for an LMS.
type xapiWay struct {
	mapper       *xapi.Mapper
	recent       *xapi.Recent
	documents    Documents
	storeErrors  prometheus.Counter
	storeDownTil atomic.Int64 // unix ms until which the store is not asked
}

func newXAPIWay(cfg xapi.Config, documents Documents, reg prometheus.Registerer) (*xapiWay, error) {
	mapper, err := xapi.NewMapper(cfg)
	if err != nil {
		return nil, fmt.Errorf("xapi: %w", err)
	}
	recent, err := xapi.NewRecent(cfg.RecentMax, cfg.RecentBytesMax)
	if err != nil {
		return nil, fmt.Errorf("xapi: %w", err)
	}
	if documents == nil {
		if documents, err = xapi.NewMemory(cfg); err != nil {
			return nil, fmt.Errorf("xapi: %w", err)
		}
	}
	return &xapiWay{mapper: mapper, recent: recent, documents: documents, storeErrors: promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "partnerpulse_collector_xapi_store_errors_total",
		Help: "Questions about statements that the store did not answer; what was sent then was taken as new.",
	})}, nil
}

// xapiRoutes are the addresses that an LMS calls.
func (c *Collector) xapiRoutes() []route {
	return []route{
		{"/xapi/about", c.xapiResource("xapi_about", "GET, HEAD", c.xapiAbout)},
		{"/xapi/statements", c.xapiResource("xapi_statements", "GET, HEAD, POST, PUT", c.xapiStatements)},
		{"/xapi/activities/state", c.xapiResource("xapi_state", "GET, HEAD, POST, PUT, DELETE", c.xapiState)},
	}
}

// xapiAnswer writes the answer to a request that succeeded and gives its status.
type xapiAnswer func(http.ResponseWriter) int

// status is an answer without a body.
func status(code int) xapiAnswer {
	return func(w http.ResponseWriter) int {
		w.WriteHeader(code)
		return code
	}
}

// xapiCall is what a resource works with.
type xapiCall struct {
	w      http.ResponseWriter
	r      *http.Request
	query  url.Values
	key    *keys.Key
	tenant string
}

// xapiResource is one resource: preflight, the alternate syntax, version, key.
func (c *Collector) xapiResource(name, methods string, answer func(*xapiCall) (xapiAnswer, *failure)) http.HandlerFunc {
	const headers = preflightHeaders + ", X-Experience-API-Version, If-Match, If-None-Match"
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			c.preflightFor(w, r, name, methods, headers)
			return
		}
		start := time.Now()
		w.Header().Set("X-Experience-API-Version", xapiVersion)
		give, fail := c.xapiCall(w, r, name, methods, answer)
		if fail != nil {
			c.refuse(w, name, fail)
		} else {
			c.metrics.requests.WithLabelValues(name, strconv.Itoa(give(w)), "").Inc()
		}
		c.metrics.requestSeconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
	}
}

func (c *Collector) xapiCall(w http.ResponseWriter, r *http.Request, name, methods string, answer func(*xapiCall) (xapiAnswer, *failure)) (xapiAnswer, *failure) {
	if r.Method == http.MethodPost && r.URL.Query().Has("method") {
		alternate, fail := c.xapiAlternate(w, r)
		if fail != nil {
			return nil, fail
		}
		r = alternate
	}
	if !strings.Contains(methods+",", r.Method+",") {
		w.Header().Set("Allow", methods+", OPTIONS")
		return nil, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "this resource takes " + methods, 0}
	}
	call := &xapiCall{w: w, r: r, query: r.URL.Query()}
	if name == "xapi_about" {
		return answer(call) // open to all: clients ask for the version before they know it
	}
	var fail *failure
	if call.key, fail = c.authenticate(w, r); fail != nil {
		return nil, fail
	}
	w.Header().Add("Access-Control-Expose-Headers", "X-Experience-API-Version, X-Experience-API-Consistent-Through, ETag, Last-Modified")
	call.tenant = call.key.Tenant
	if v := r.Header.Get("X-Experience-API-Version"); v != "1.0" && !strings.HasPrefix(v, "1.0.") {
		return nil, &failure{http.StatusBadRequest, "xapi_version",
			"the header X-Experience-API-Version must be 1.0.x, such as " + xapiVersion, 0}
	}
	return answer(call)
}

// xapiAlternate unwraps the alternate request syntax: a POST whose form holds the
// headers, the parameters and the content of the request that is meant.
func (c *Collector) xapiAlternate(w http.ResponseWriter, r *http.Request) (*http.Request, *failure) {
	bad := func(message string) (*http.Request, *failure) {
		return nil, &failure{http.StatusBadRequest, "alternate_syntax", message, 0}
	}
	outer := r.URL.Query()
	method := strings.ToUpper(outer.Get("method"))
	outer.Del("method")
	outer.Del("key")
	if len(outer) > 0 {
		return bad("beside method, parameters go into the form")
	}
	body, fail := c.readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	text := string(body.bytes)
	body.release()
	form, err := url.ParseQuery(text)
	if err != nil {
		return bad("the body is not a form: " + err.Error())
	}
	meant := r.Clone(r.Context())
	meant.Method = method
	meant.Header.Del("Content-Encoding")
	for _, name := range []string{"Authorization", "X-Experience-API-Version", "Content-Type", "If-Match", "If-None-Match"} {
		if v := form.Get(name); v != "" {
			meant.Header.Set(name, v)
			form.Del(name)
		}
	}
	if form.Get("Content-Type") == "" && strings.HasPrefix(meant.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		meant.Header.Set("Content-Type", "application/json")
	}
	content := form.Get("content")
	form.Del("content")
	for _, name := range []string{"Content-Length", "Accept", "Accept-Language", "Accept-Encoding"} {
		form.Del(name)
	}
	if key := r.URL.Query().Get("key"); key != "" {
		form.Set("key", key)
	}
	meant.URL.RawQuery = form.Encode()
	meant.Body = http.NoBody
	meant.ContentLength = int64(len(content))
	if content != "" {
		meant.Body = readCloser{strings.NewReader(content)}
	}
	return meant, nil
}

// readCloser is text as a request's body.
type readCloser struct{ *strings.Reader }

// Close does nothing.
func (readCloser) Close() error { return nil }

// xapiAbout tells the versions.
func (c *Collector) xapiAbout(*xapiCall) (xapiAnswer, *failure) {
	return func(w http.ResponseWriter) int {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		c.writeJSON(w, http.StatusOK, map[string][]string{"version": {"1.0.0", "1.0.1", "1.0.2", xapiVersion}})
		return http.StatusOK
	}, nil
}

// xapiStatements writes with POST and PUT, reads with GET.
func (c *Collector) xapiStatements(call *xapiCall) (xapiAnswer, *failure) {
	switch call.r.Method {
	case http.MethodPost, http.MethodPut:
		return c.xapiWrite(call)
	}
	return c.xapiRead(call)
}

// Times of asking the store. While it does not answer, statements are taken as new:
// a store that is down must not stop what comes in.
const (
	storeTimeout  = 3 * time.Second
	storeDownTime = 10 * time.Second
)

// errStoreDown says that the store did not answer a moment ago.
var errStoreDown = errors.New("the store of statements does not answer at this moment")

// askStore runs a question to the store. Without a store there is nothing to find.
func (c *Collector) askStore(ctx context.Context, ask func(context.Context, Statements) error) error {
	if c.deps.Statements == nil {
		return nil
	}
	if time.Now().UnixMilli() < c.xapi.storeDownTil.Load() {
		return errStoreDown
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := ask(ctx, c.deps.Statements)
	if err != nil && !errors.Is(err, context.Canceled) {
		c.xapi.storeErrors.Inc()
		c.xapi.storeDownTil.Store(time.Now().Add(storeDownTime).UnixMilli())
	}
	return err
}

// askByID asks the store for statements by their ids.
func (c *Collector) askByID(ctx context.Context, tenant string, ids []string) (known xapi.Known, err error) {
	err = c.askStore(ctx, func(ctx context.Context, s Statements) (err error) {
		known, err = s.ByID(ctx, tenant, ids)
		return err
	})
	return known, err
}
