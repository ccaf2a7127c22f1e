package aggregator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
)

// TestCollateralIsTold: a document that none of a hundred partners opens, and a term
// that finds nothing.
func TestCollateralIsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	c := newChronicle(t, "UTC", now)
	begin := now.AddDate(0, 0, -31)
	facts := []fact{{
		Partner: event.TenantWide, ID: "doc", Type: event.ContentPublished, Actor: "cms", Time: begin, Received: begin,
		Data: map[string]any{"content_id": "battlecard", "title": "Battlecard"},
	}}
	for i := range 100 {
		partner := fmt.Sprintf("p-%03d", i)
		facts = append(facts, fact{
			Partner: partner, ID: "up", Type: event.PartnerUpserted, Actor: "crm", Time: begin, Received: begin,
			Data: map[string]any{"partner_id": partner, "status": "active"},
		})
	}
	for i := range 12 {
		at := now.AddDate(0, 0, -1-i%3).Add(time.Duration(i) * time.Minute)
		facts = append(facts, fact{
			Partner: "p-000", ID: fmt.Sprintf("search-%d", i), Type: event.SearchPerformed, Actor: "u1", Time: at, Received: at,
			Data: map[string]any{"search_id": fmt.Sprintf("s%d", i), "query": "Pricing  Guide", "results_count": 0},
		})
	}
	for i := range 4 {
		at := now.AddDate(0, 0, -i)
		facts = append(facts, fact{
			Partner: "p-000", ID: fmt.Sprintf("view-%d", i), Type: event.ContentViewed, Actor: "u1", Time: at, Received: at,
			Data: map[string]any{"view_id": fmt.Sprintf("v%d", i), "content_id": "guide"},
		})
	}
	c.tell(usual, facts...)
	c.settle()
	got := make(map[string]string)
	for _, m := range c.told(kafkabus.TopicCollateral) {
		got[m.Data.Rule+" "+m.Subject] = m.Data.Status + " " + m.Data.StartsAt
	}
	// 4 searches on each of three days: the tenth falls on the last of them. The
	// document is 30 days old on the last completed day.
	want := map[string]string{"search_gap pricing guide": "firing 2026-06-09", "neglected battlecard": "firing 2026-06-09"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	validate(t, "collateral.json", c.bus.on(kafkabus.TopicCollateral))
	var states []kafkabus.Message
	for _, m := range c.bus.on(kafkabus.TopicAlertState) {
		if key, subject, ok := strings.Cut(string(m.Key), event.EntitySeparator); ok {
			states = append(states, m)
			if key != "demo/-" || subject != "battlecard" && subject != "pricing guide" {
				t.Errorf("a state with the key %q", m.Key)
			}
		}
	}
	validate(t, "alert-state.json", states)
	for _, m := range c.bus.on(kafkabus.TopicCollateral) {
		if string(m.Key) != "demo/-" {
			t.Errorf("key %q", m.Key)
		}
	}
	for _, m := range c.told(kafkabus.TopicCollateral) {
		c.ask(t, m.Data.Alert, alert.Acknowledge, "")
		if diff := gocmp.Diff([]string{"firing fired", "acknowledged command"}, of(c.told(kafkabus.TopicCollateral), m.Subject, m.Data.Rule)); diff != "" {
			t.Errorf("%s: %s", m.Subject, diff)
		}
	}
	if n := c.openCommands(t); n != 0 {
		t.Errorf("%d commands are not folded in", n)
	}
	before := len(c.bus.messages)
	c.restart()
	c.mark(c.all())
	c.settle()
	if n := len(c.bus.messages); n != before {
		t.Errorf("a replay published %d messages", n-before)
	}
}
