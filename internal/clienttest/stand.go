// Package clienttest lets tests send to a collector with the client libraries that
// people really use. Only tests import it.
package clienttest

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/collector"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

// Keys of the stand's one portal, main of the tenant acme.
const (
	ServerKey  = "pp_srv_clienttest"
	BrowserKey = "pp_web_clienttest"
)

// Stand is a collector that listens and keeps what it would publish.
type Stand struct {
	URL string
	log captured
}

// captured is a Publisher in memory.
type captured struct {
	mu   sync.Mutex
	msgs []kafkabus.Message
}

// Publish keeps the messages.
func (c *captured) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.msgs = append(c.msgs, msgs...)
	return nil
}

// NewStand starts a collector; change changes its configuration first, nil does not.
func NewStand(t testing.TB, change func(*collector.Config, *collector.Deps)) *Stand {
	t.Helper()
	s := new(Stand)
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing([]keys.Key{
		{ID: "lms", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(ServerKey), Scopes: []keys.Scope{keys.Write, keys.Backfill, keys.Directory}},
		{ID: "web", Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: BrowserKey, Origins: []string{"*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := collector.DefaultConfig()
	deps := collector.Deps{Publisher: &s.log, Keys: ring, Schemas: set}
	if change != nil {
		change(&cfg, &deps)
	}
	c, err := collector.New(cfg, deps, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Published gives the events and the rejects so far, in the order of publishing.
func (s *Stand) Published(t testing.TB) (events []*event.Event, rejects []*event.Reject) {
	t.Helper()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, m := range s.log.msgs {
		switch m.Topic {
		case kafkabus.TopicEvents:
			e, err := event.UnmarshalCloudEvent(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		case kafkabus.TopicRejects:
			r := new(event.Reject)
			if err := json.Unmarshal(m.Value, r); err != nil {
				t.Fatal(err)
			}
			rejects = append(rejects, r)
		}
	}
	return events, rejects
}
