package collector

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

const (
	serverKey   = "pp_srv_test"
	backfillKey = "pp_srv_backfill"
	readonlyKey = "pp_srv_readonly"
	otherKey    = "pp_srv_other"
	webKey      = "pp_web_test"
	openKey     = "pp_web_open"
	portalPage  = "https://portal.example"
)

// The producer is what the collector runs with.
var _ Publisher = (*kafkabus.Producer)(nil)

// memoryLog is a Publisher that keeps what it is given.
type memoryLog struct {
	mu   sync.Mutex
	msgs []kafkabus.Message
	err  error
	hold chan struct{} // Publish waits for it to close, or for its context
}

func (l *memoryLog) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	if l.hold != nil {
		select {
		case <-l.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.msgs = append(l.msgs, msgs...)
	return nil
}

func (l *memoryLog) take() (events []*event.Event, rejects []*event.Reject, keysOf []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.msgs {
		keysOf = append(keysOf, string(m.Key))
		switch m.Topic {
		case kafkabus.TopicEvents:
			e, err := event.UnmarshalCloudEvent(m.Value)
			if err != nil {
				panic(err)
			}
			events = append(events, e)
		case kafkabus.TopicRejects:
			r := new(event.Reject)
			if err := json.Unmarshal(m.Value, r); err != nil {
				panic(err)
			}
			rejects = append(rejects, r)
		}
	}
	l.msgs = nil
	return events, rejects, keysOf
}

// rig is a collector with everything around it.
type rig struct {
	t    testing.TB
	c    *Collector
	h    http.Handler
	log  *memoryLog
	reg  *prometheus.Registry
	last *httptest.ResponseRecorder
}

func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Tenants = map[string]Tenant{"custom": {AllowCustom: true, LateMax: 48 * time.Hour}}
	if change != nil {
		change(&cfg)
	}
	ring, err := keys.NewRing([]keys.Key{
		{ID: "srv", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(serverKey), Scopes: []keys.Scope{keys.Write, keys.Directory}},
		{ID: "back", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(backfillKey), Scopes: []keys.Scope{keys.Write, keys.Backfill}},
		{ID: "ro", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(readonlyKey), Scopes: []keys.Scope{keys.Backfill}},
		{ID: "other", Tenant: "custom", Portal: "eu", Kind: keys.Server, Hash: keys.Hash(otherKey)},
		{ID: "web", Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: webKey, Origins: []string{portalPage}},
		{ID: "open", Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: openKey, Origins: []string{"*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, log: &memoryLog{}, reg: prometheus.NewRegistry()}
	r.c, err = New(cfg, Deps{Publisher: r.log, Keys: ring, Schemas: set, TrackerJS: []byte("console.log(1)")}, zap.NewNop(), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	r.h = r.c.Handler()
	return r
}

// call sends one request; mod changes it first.
func (r *rig) call(method, target string, body io.Reader, mod func(*http.Request)) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(method, target, body)
	if mod != nil {
		mod(req)
	}
	r.last = httptest.NewRecorder()
	r.h.ServeHTTP(r.last, req)
	return r.last
}

// post sends a body to /v1/events with a key.
func (r *rig) post(key, body string) *httptest.ResponseRecorder {
	r.t.Helper()
	return r.call(http.MethodPost, "/v1/events", strings.NewReader(body), bearer(key))
}

func bearer(key string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+key) }
}

// refused checks a refusal of the whole request: status, code, and its metric.
func (r *rig) refused(status int, code string) errorDetail {
	r.t.Helper()
	var body errorBody
	if err := json.Unmarshal(r.last.Body.Bytes(), &body); err != nil {
		r.t.Fatalf("answer %d %q is not the error body: %v", r.last.Code, r.last.Body, err)
	}
	if r.last.Code != status || body.Error.Code != code || body.Error.Message == "" || !strings.HasSuffix(body.Error.Docs, "#"+code) {
		r.t.Fatalf("answer %d %+v, want %d %s", r.last.Code, body.Error, status, code)
	}
	docs, err := os.ReadFile("../../docs/COLLECTOR.md")
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Contains(docs, []byte("\n### "+code+"\n")) {
		r.t.Errorf("the docs do not explain %s", code)
	}
	if r.count("partnerpulse_collector_requests_total", fmt.Sprint(status), code) == 0 {
		r.t.Errorf("no metric counts %d %s", status, code)
	}
	return body.Error
}

// answered decodes an answer about events.
func (r *rig) answered(status int) answerBody {
	r.t.Helper()
	var body answerBody
	if err := json.Unmarshal(r.last.Body.Bytes(), &body); err != nil || r.last.Code != status {
		r.t.Fatalf("answer %d %q, want %d (%v)", r.last.Code, r.last.Body, status, err)
	}
	return body
}

// count sums the samples of a counter whose label values include all of want.
func (r *rig) count(name string, want ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			matched := 0
			for _, l := range m.GetLabel() {
				for _, w := range want {
					if l.GetValue() == w {
						matched++
					}
				}
			}
			if matched >= len(want) {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// login is a valid event with the given id and more fields.
func login(id, more string) string {
	return `{"id":"` + id + `","type":"portal.login","partner_id":"p-1","user_id":"u-1"` + more + `}`
}
