package forget_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
)

// view is one view of a document so many days ago.
func (s *stand) view(id string, daysAgo int) *event.Event {
	at := s.now.Truncate(24*time.Hour).AddDate(0, 0, -daysAgo).Add(10 * time.Hour)
	return &event.Event{
		ID: id, Type: event.ContentViewed, Time: at, ReceivedAt: s.now, Tenant: "demo", Portal: "main", PartnerID: "p-1", UserID: "bert",
		Source: event.SourceTracker, Data: []byte(fmt.Sprintf(`{"view_id":"%s","content_id":"c"}`, id)),
	}
}

// Rollups and scores of days whose events have expired stay as they are, whatever
// comes late; days that are complete take late events in.
func TestALateEventDoesNotRecomputeADayWhoseEventsHaveExpired(t *testing.T) {
	s := newStand(t)
	s.now = time.Now().UTC()
	s.send(s.view("old", 60), s.view("old2", 60), s.view("margin", 41), s.view("young", 20))
	s.enrich(s.store)
	s.aggregate()
	s.must(s.store.SetRetention(t.Context(), []chstore.Retention{{Table: "events", Column: "day", Days: 45}}))
	s.must(s.store.Exec(t.Context(), "OPTIMIZE TABLE events FINAL", nil))
	if n := len(s.rows("events", false, "nothing")); n != 2 {
		t.Fatalf("%d events are left, want 2", n)
	}
	before := map[string][]string{}
	days := func(table string, ago ...int) (out []string) {
		for _, n := range ago {
			out = append(out, s.rows(table, true, s.now.AddDate(0, 0, -n).Format(`:"2006-01-02"`))...)
		}
		return out
	}
	for _, table := range []string{"partner_daily", "sessions", "partner_scores"} {
		if before[table] = days(table, 60, 41); len(before[table]) < 2 {
			t.Fatalf("%s has %v", table, before[table])
		}
	}
	s.accepted = 38
	s.send(s.view("late", 60), s.view("late margin", 41), s.view("late young", 20))
	s.enrich(s.store)
	s.aggregate()
	for table, want := range before {
		if diff := cmp.Diff(want, days(table, 60, 41)); diff != "" {
			t.Errorf("%s of expired days changed: %s", table, diff)
		}
	}
	if daily := strings.Join(days("partner_daily", 20), ""); !strings.Contains(daily, `"content_views":2,`) {
		t.Errorf("the complete day is %s", daily)
	}
	// The second reading of the old ones is refused too: they are known, not lost.
	if n := len(s.rows("rejects", true, "too_old")); n < 2 {
		t.Errorf("%d rejects", n)
	}
}
