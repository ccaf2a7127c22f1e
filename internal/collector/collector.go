// Package collector takes events over HTTP, checks them, stamps what the log must
// have frozen, and answers only after Kafka has acknowledged.
//
// A request goes through fixed stages: key (401, 403) → limits (413, 415, 503,
// before the body is read) → JSON (400 with the byte offset) → each event by itself
// → accepted events to engagement.events.v1 and refused ones, with their original
// bytes, to engagement.rejects.v1 → answer. One bad event never stops its batch. A
// body that is not JSON at all is refused as a whole and kept as one reject. When
// Kafka does not acknowledge, the answer is 503 and the client sends the same ids
// again: what was already durable then counts once.
//
// An event without a time gets the time of arrival, the same for all such events of
// a request. If that request must be sent again, the copies carry another time and,
// across midnight, another day: producers that retry should send a time.
//
// A body is one JSON object, an array of objects, or NDJSON (one object a line);
// which one is seen from the body, whatever the Content-Type says.
package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
)

// Publisher makes records durable; nil means that all of them are.
type Publisher interface {
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// KeyRing finds the write key of a request and knows the origins of browser keys.
type KeyRing interface {
	Authenticate(r *http.Request) (*keys.Key, error)
	AllowsOrigin(origin string) bool
}

// Schemas checks a type's own fields.
type Schemas interface {
	Known(t event.Type) bool
	CheckData(t event.Type, data jsontext.Value) []event.Problem
}

// Deps is what the collector works with.
type Deps struct {
	Publisher Publisher
	Keys      KeyRing
	Schemas   Schemas
	Directory Directory // whose users are; nil: nobody is known
	TrackerJS []byte    // the script served at /tracker.js
	// Statements finds xAPI statements in the store; nil: only those in memory are found.
	Statements Statements
	// Documents keeps the state documents of courses; nil: in memory.
	Documents Documents
}

// Collector is the HTTP role that takes events. It holds no goroutines of its own.
type Collector struct {
	cfg        Config
	deps       Deps
	log        *zap.Logger
	metrics    *metrics
	proxies    []netip.Prefix
	budget     *budget
	inflate    *inflater
	parsers    *parserPool
	segment    *segmentWay
	xapi       *xapiWay
	limits     *rateLimits
	identities *identities
	failedAt   atomic.Int64 // unix ms of the last failed publish; 0: the last one succeeded
}

// New makes a collector; it starts nothing.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the collector: %w", err)
	}
	proxies, err := cfg.proxies()
	if err != nil {
		return nil, fmt.Errorf("configuring the collector: %w", err)
	}
	if deps.Directory == nil {
		deps.Directory = noDirectory{}
	}
	c := &Collector{
		cfg: cfg, deps: deps, log: log, proxies: proxies,
		budget:  &budget{max: cfg.InFlightBytesMax},
		inflate: newInflater(), parsers: newParserPool(cfg.BatchEventsMax),
	}
	c.metrics = newMetrics(reg, c.budget)
	if c.segment, err = newSegmentWay(cfg.Segment, reg); err != nil {
		return nil, fmt.Errorf("configuring the collector: %w", err)
	}
	if c.limits, err = newRateLimits(cfg.rates()); err != nil {
		return nil, err
	}
	if c.identities, err = newIdentities(reg); err != nil {
		return nil, err
	}
	if c.xapi, err = newXAPIWay(cfg.XAPI, deps.Documents, reg); err != nil {
		return nil, fmt.Errorf("configuring the collector: %w", err)
	}
	return c, nil
}

// unreadyFor is how long a failed publish keeps Ready negative without a success.
const unreadyFor = 10 * time.Second

// ErrNotDurable is given by Ready while Kafka does not acknowledge.
var ErrNotDurable = errors.New("the last publish to Kafka failed: new events are answered 503")

// Ready tells whether events can be taken: not within ten seconds of a failed
// publish, unless one succeeded since, and not before the directory is loaded.
func (c *Collector) Ready(ctx context.Context) error {
	if err := c.deps.Directory.Ready(ctx); err != nil {
		return err
	}
	at := c.failedAt.Load()
	if at != 0 && time.Since(time.UnixMilli(at)) < unreadyFor {
		return ErrNotDurable
	}
	return nil
}

// endpoint is a way in for events: CORS, preflight, method, then collect.
func (c *Collector) endpoint(name string, answer func(http.ResponseWriter, *outcome) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			c.preflight(w, r, name)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST, OPTIONS")
			c.refuse(w, name, &failure{http.StatusMethodNotAllowed, "method_not_allowed", "send events with POST", 0})
			return
		}
		start := time.Now()
		out, fail := c.collect(w, r)
		if fail != nil {
			c.refuse(w, name, fail)
		} else {
			c.metrics.requests.WithLabelValues(name, strconv.Itoa(answer(w, out)), "").Inc()
		}
		c.metrics.requestSeconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
	}
}

// collect takes one request from key to durable.
func (c *Collector) collect(w http.ResponseWriter, r *http.Request) (*outcome, *failure) {
	key, fail := c.authenticate(w, r)
	if fail != nil {
		return nil, fail
	}
	body, fail := c.readBody(w, r)
	if fail != nil {
		return nil, fail
	}
	defer body.release()
	c.metrics.bodyBytes.Add(float64(len(body.bytes)))
	p := c.parsers.get()
	defer c.parsers.put(p)
	drafts, fail := p.parse(body.bytes)
	arrival := c.arrivalOf(r, key)
	if fail != nil {
		if fail.code != string(event.CodeMalformed) {
			c.noteTooLarge(r, len(body.bytes), fail)
			return nil, fail
		}
		// A body that nobody can read is kept whole, so that its sender can be helped.
		problem := event.Problem{Code: event.CodeMalformed, Message: fail.message}
		drafts = []draft{{original: body.bytes, problem: &problem}}
	}
	out := c.judge(drafts, arrival)
	if failed := c.publish(r.Context(), out, arrival); failed != nil {
		return nil, failed
	}
	return out, fail
}
