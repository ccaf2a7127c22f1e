package browsertest

import (
	"testing"

	"partnerpulse/internal/event"
)

// A person's way through the demo portal arrives as the events that it is.
func TestVisitOfTheDemoPortal(t *testing.T) {
	c := newCollector(t)
	site := newPortal(t, c)
	ctx, _ := NewBrowser(t)
	v := DefaultVisitor()
	result, err := Visit(ctx, site.URL, v)
	if err != nil {
		t.Fatal(err)
	}
	checkSchemas(t, c)

	received := map[string]*got{}
	for _, g := range c.distinct() {
		received[g.ID] = g
		if g.PartnerID != v.Partner || g.UserID != v.User {
			t.Errorf("%s is of %s/%s", g.Type, g.PartnerID, g.UserID)
		}
	}
	for _, e := range result.Events {
		if received[e.ID] == nil {
			t.Errorf("%s %s was reported as sent and never arrived", e.Type, e.ID)
		}
	}
	for typ, want := range map[event.Type]int{
		event.PortalLogin: 1, event.PageViewed: 7, event.ContentViewed: 2, event.PlaybookPinned: 1, event.PlaybookUnpinned: 0,
		event.SearchPerformed: 2, event.SearchClicked: 1, event.TrainingEnrolled: 1, event.TrainingCompleted: 1,
	} {
		if n := len(c.of(typ)); n != want {
			t.Errorf("%d %s, want %d", n, typ, want)
		}
	}
	checkReading(t, c, v)
	checkSearch(t, c, v)
}

func checkReading(t *testing.T, c *collector, v Visitor) {
	t.Helper()
	viewed := c.of(event.ContentViewed)
	if len(viewed) == 0 {
		t.Fatal("no content.viewed")
	}
	first := viewed[0]
	if first.text("content_id") != v.Document || first.number("words") < 800 || first.text("kind") != "guide" ||
		first.text("playbook_id") != v.Playbook || first.text("entry_source") != "browse" {
		t.Errorf("content.viewed of the document has %v", first.Data)
	}
	var ms, depth float64
	for _, g := range c.of(event.ContentEngaged) {
		if g.text("view_id") == first.text("view_id") {
			ms, depth = max(ms, g.number("engaged_ms")), max(depth, g.number("max_scroll_pct"))
		}
	}
	if want := float64(v.ReadFor.Milliseconds()) * 0.8; ms < want {
		t.Errorf("engaged for %v ms, want at least %v", ms, want)
	}
	if depth != 100 {
		t.Errorf("scrolled to the end, depth is %v", depth)
	}
	if pins := c.of(event.PlaybookPinned); len(pins) == 1 && pins[0].text("content_id") != v.Document {
		t.Errorf("pinned from %q", pins[0].text("content_id"))
	}
}

func checkSearch(t *testing.T, c *collector, v Visitor) {
	t.Helper()
	searches, clicks, viewed := c.of(event.SearchPerformed), c.of(event.SearchClicked), c.of(event.ContentViewed)
	if len(searches) != 2 || len(clicks) != 1 || len(viewed) != 2 {
		t.Fatalf("%d searches, %d clicks, %d views of content", len(searches), len(clicks), len(viewed))
	}
	if searches[0].text("query") != v.Query || searches[0].number("results_count") < 2 {
		t.Errorf("first search is %v", searches[0].Data)
	}
	if searches[1].text("query") != v.Miss || searches[1].number("results_count") != 0 {
		t.Errorf("second search is %v", searches[1].Data)
	}
	id := searches[0].text("search_id")
	if clicks[0].text("search_id") != id || clicks[0].number("position") != 1 {
		t.Errorf("click is %v, search %s", clicks[0].Data, id)
	}
	if d := viewed[1]; d.text("entry_source") != "search" || d.text("search_id") != id || d.number("position") != 1 ||
		d.text("content_id") != clicks[0].text("content_id") {
		t.Errorf("the view after the click is %v", d.Data)
	}
}
