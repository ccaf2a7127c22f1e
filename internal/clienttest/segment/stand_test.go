// Package segment_test runs Segment's and RudderStack's own client libraries against
// a real collector.
package segment_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gojson "github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/collector"
	"partnerpulse/internal/directory"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

const (
	tenant    = "demo"
	serverKey = "pp_srv_segment"
	webKey    = "pp_web_segment"
	signedKey = "pp_web_signed" // takes events with a signed identity only
)

// portalSecret is what the portal's back end signs with.
func portalSecret() identity.Secret {
	return identity.Secret{ID: "portal", Secret: "the-portals-secret-of-32-bytes-or-more"}
}

// tokenOf is what the back end gives to the page of u-17.
func tokenOf(t *testing.T) string {
	t.Helper()
	token, err := identity.Sign(portalSecret(), identity.Claims{User: "u-17", Partner: "p-0001", Expires: time.Now().Add(time.Hour)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// refusing answers the first requests with a body in the collector's place.
type refusing struct{ status, times int }

// capture is a Publisher that keeps the events and rejects, and passes them on.
type capture struct {
	next     collector.Publisher // nil: they end here
	mu       sync.Mutex
	failures int            // so many publishes fail before one succeeds
	requests map[string]int // by path
	refuse   refusing
	events   []*event.Event
	rejects  []*event.Reject
}

func (c *capture) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures > 0 {
		c.failures--
		return errors.New("the broker does not answer")
	}
	if c.next != nil {
		if err := c.next.Publish(ctx, msgs...); err != nil {
			return err
		}
	}
	for _, m := range msgs {
		switch m.Topic {
		case kafkabus.TopicEvents:
			e, err := event.UnmarshalCloudEvent(m.Value)
			if err != nil {
				return err
			}
			c.events = append(c.events, e)
		case kafkabus.TopicRejects:
			r := new(event.Reject)
			if err := gojson.Unmarshal(m.Value, r); err != nil {
				return err
			}
			c.rejects = append(c.rejects, r)
		}
	}
	return nil
}

// count notes a request with a body, and tells whether it is to be refused, and how.
func (c *capture) count(r *http.Request) (status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method != http.MethodPost {
		return 0
	}
	c.requests[r.URL.Path]++
	if c.refuse.times == 0 {
		return 0
	}
	c.refuse.times--
	return c.refuse.status
}

// asked gives the number of requests to a path.
func (c *capture) asked(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[path]
}

func (c *capture) taken() (events []*event.Event, rejects []*event.Reject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(events, c.events...), append(rejects, c.rejects...)
}

// one gives the only event of a type, or of a custom type.
func (c *capture) one(t *testing.T, typ event.Type) *event.Event {
	t.Helper()
	events, _ := c.taken()
	var found []*event.Event
	for _, e := range events {
		if e.Type == typ {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d events of type %s", len(found), typ)
	}
	return found[0]
}

// stand is a collector on a port of its own, and a web site whose pages use it.
type stand struct {
	*capture
	collector string // its address
	site      string // the pages' origin
	directory *directory.Directory
}

// newStand starts both. options is the JavaScript that the page loads the SDK with;
// modules is where the SDK is.
func newStand(t *testing.T, next collector.Publisher, modules, options string) *stand {
	t.Helper()
	s := &stand{capture: &capture{next: next, requests: map[string]int{}}}
	pages := http.NewServeMux()
	site := httptest.NewServer(pages)
	t.Cleanup(site.Close)
	s.site = site.URL
	ring, err := keys.NewRing([]keys.Key{
		{ID: "srv", Tenant: tenant, Portal: "main", Kind: keys.Server, Hash: keys.Hash(serverKey), Scopes: []keys.Scope{keys.Write, keys.Directory}},
		{ID: "web", Tenant: tenant, Portal: "main", Kind: keys.Browser, Value: webKey, Origins: []string{site.URL}},
		{ID: "signed", Tenant: tenant, Portal: "main", Kind: keys.Browser, Value: signedKey, Origins: []string{site.URL},
			Identity: &identity.Config{Required: true, Secrets: []identity.Secret{portalSecret()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	if s.directory, err = directory.New(directory.DefaultConfig(), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	s.directory.MarkLoaded()
	cfg := collector.DefaultConfig()
	cfg.Tenants = map[string]collector.Tenant{tenant: {AllowCustom: true}}
	deps := collector.Deps{Publisher: s.capture, Keys: ring, Schemas: set, Directory: s.directory}
	c, err := collector.New(cfg, deps, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	handler := c.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.count(r); status != 0 {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.collector = server.URL
	fill := func(path, file, key, options, traits, middleware string) {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("{{KEY}}", key, "{{COLLECTOR}}", server.URL, "{{OPTIONS}}", options, "{{TRAITS}}", traits,
			"{{MIDDLEWARE}}", middleware).Replace(string(page))
		pages.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(text))
		})
	}
	token := tokenOf(t)
	fill("/library", "page.html", webKey, options, "", "")
	fill("/library-signed", "page.html", signedKey, options, "",
		`analytics.addSourceMiddleware(({ payload, next }) => { payload.obj.context.partnerpulse_identity = "`+token+`"; next(payload); });`)
	fill("/rudder", "rudder.html", webKey, "", "", "")
	fill("/rudder-signed", "rudder.html", signedKey, "", `, partnerpulse_identity: "`+token+`"`, "")
	pages.HandleFunc("/rudder.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(modules, "@rudderstack", "analytics-js", "dist", "npm", "modern", "bundled", "umd", "index.js"))
	})
	pages.HandleFunc("/standalone.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(modules, "@segment", "analytics-next", "dist", "umd", "standalone.js"))
	})
	return s
}

// await waits until ok; it bounds, it does not measure.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
