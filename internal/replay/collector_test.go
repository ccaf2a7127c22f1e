package replay

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/collector"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

// memory is a publisher that keeps what it is given.
type memory struct{ msgs []kafkabus.Message }

func (m *memory) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	m.msgs = append(m.msgs, msgs...)
	return nil
}

// take gives the events and the rejects so far, and forgets them.
func (m *memory) take(t *testing.T) (events []*event.Event, rejects []row) {
	t.Helper()
	for i, msg := range m.msgs {
		switch msg.Topic {
		case kafkabus.TopicEvents:
			e, err := event.UnmarshalCloudEvent(msg.Value)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		case kafkabus.TopicRejects:
			var r event.Reject
			if err := json.Unmarshal(msg.Value, &r); err != nil {
				t.Fatal(err)
			}
			original, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, r.RejectedAt)
			if err != nil {
				t.Fatal(err)
			}
			rejects = append(rejects, row{ID: uint64(i + 1), RejectedAt: at, Tenant: r.Tenant, Stage: r.Stage, Source: string(r.Source),
				Code: string(r.Code), EventID: r.EventID, Original: string(original), Truncated: r.Truncated})
		}
	}
	m.msgs = nil
	return events, rejects
}

// realCollector is one whose tenant allows custom types, or not.
func realCollector(t *testing.T, custom bool) (url string, log *memory) {
	t.Helper()
	cfg := collector.DefaultConfig()
	cfg.Tenants = map[string]collector.Tenant{"demo": {AllowCustom: custom}}
	ring, err := keys.NewRing([]keys.Key{{ID: "srv", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash("k"), Scopes: []keys.Scope{keys.Write}}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	log = &memory{}
	c, err := collector.New(cfg, collector.Deps{Publisher: log, Keys: ring, Schemas: set}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close)
	return srv.URL, log
}

// TestRealCollectorsRefuseAndTake: what one collector refused of every protocol,
// another takes in a replay, as the same events each time.
func TestRealCollectorsRefuseAndTake(t *testing.T) {
	strict, refused := realCollector(t, false)
	const partner = `"https://schemas.partnerpulse.dev/xapi/partner_id":"p-1"`
	for _, call := range [][3]string{
		{"/v1/events", "application/json", `{"id":"api","type":"custom.a","partner_id":"p-1","user_id":"u"}`},
		{"/v1/events", "application/json", `{"id":"api-wrong","type":"nothing.known","partner_id":"p-1","user_id":"u"}`},
		{"/v1/batch", "application/json", `{"batch":[{"type":"track","event":"Odd Thing","userId":"u","properties":{"partner_id":"p-1"},"timestamp":"2026-11-03T09:15:00Z","sentAt":"2026-11-03T09:15:01Z"},
			{"type":"track","event":"Odd Thing","userId":"u","messageId":"m","properties":{"partner_id":"p-1"}}]}`},
		{"/v1/cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"custom.c","subject":"p-1","userid":"u","data":{}}`},
		{"/xapi/statements", "application/json", `{"actor":{"account":{"homePage":"https://l.example","name":"u"}},"verb":{"id":"http://example.com/verbs/waved"},
			"object":{"id":"https://l.example/c1"},"context":{"extensions":{` + partner + `}}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strict+call[0], strings.NewReader(call[2]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer k")
		req.Header.Set("Content-Type", call[1])
		req.Header.Set("X-Experience-API-Version", "1.0.3")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	events, rejects := refused.take(t)
	if len(events) != 0 || len(rejects) != 6 {
		t.Fatalf("%d events, %d rejects: %+v", len(events), len(rejects), rejects)
	}
	arrivals := map[string]time.Time{}
	for _, r := range rejects {
		arrivals[r.EventID] = r.RejectedAt
	}
	slices.SortFunc(rejects, func(a, b row) int { // as the table gives them
		if c := a.RejectedAt.Compare(b.RejectedAt); c != 0 {
			return c
		}
		return int(a.ID) - int(b.ID)
	})
	var first []*event.Event
	for n := range 2 {
		open, taken := realCollector(t, true)
		r, err := New(Config{Filter: Filter{Tenant: "demo"}, Collector: open, Key: "k"}, Deps{Store: &table{rejects}}, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		report, err := r.Run(t.Context())
		if err != nil || report.Replayed != 6 || report.Accepted != 5 || report.Refused["unknown_type"] != 1 {
			t.Fatalf("replay %d: %v, %+v", n, err, report)
		}
		events, _ := taken.take(t)
		for _, e := range events {
			if e.ReceivedAt = arrivals[e.ID]; e.ReceivedAt.IsZero() {
				t.Errorf("%s was never refused", e.ID)
			}
			// All but the first Segment call had no time of their own.
			if e.Source != event.SourceSegment && !e.Time.Equal(arrivals[e.ID]) {
				t.Errorf("%s is at %s and arrived at %s", e.ID, e.Time, arrivals[e.ID])
			}
		}
		slices.SortFunc(events, func(a, b *event.Event) int { return strings.Compare(a.ID, b.ID) })
		if n == 0 {
			first = events
			continue
		}
		if diff := cmp.Diff(first, events); diff != "" {
			t.Errorf("the second replay gave other events: %s", diff)
		}
	}
}
