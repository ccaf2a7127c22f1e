package browsertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"partnerpulse/internal/event"
)

// article is marked-up content about six screens long.
func article(id string) string {
	return `<article data-pp-content="` + id + `" data-pp-kind="guide">` + strings.Repeat("<p style='height:300px'>one two three four five</p>", 12) + "</article>"
}

// TestTracker runs the tracker in one browser; each test has its own site, and so
// its own storage, and its own tab.
func TestTracker(t *testing.T) {
	ctx, _ := NewBrowser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, context.Context)
	}{
		{"envelope", testEnvelope},
		{"engaged time", testEngagedTime},
		{"scroll depth", testScrollDepth},
		{"single-page navigation", testNavigation},
		{"declarative and API events", testEvents},
		{"search markup", testSearchMarkup},
		{"session", testSession},
		{"retry", testRetry},
		{"rejected events", testRejected},
		{"wrong key", testWrongKey},
		{"beacon on leaving", testBeacon},
		{"queue outlives the page", testQueueOutlivesPage},
		{"queue is bounded", testQueueBounded},
		{"consent", testConsent},
		{"do not track", testDoNotTrack},
		{"harmless", testHarmless},
		{"visitor shared by a cookie", testCookie},
		{"quick-back in a single page", testQuickBackInOnePage},
		{"quick-back over pages", testQuickBackOverPages},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newTab(ctx, t)) })
	}
}

func testEnvelope(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/a": "<title>A page</title>\nTRACKER data-internal"})
	do(ctx, t, chromedp.Navigate(site.URL+"/a?utm_source=letter&utm_campaign=may&other=1"))
	eventually(t, "page.viewed", func() bool { return len(c.of(event.PageViewed)) == 1 })
	g := c.of(event.PageViewed)[0]
	if g.PartnerID != "p-0007" || g.UserID != "u-1" || g.AnonymousID == "" || g.SessionID == "" || !g.Internal {
		t.Errorf("envelope is %+v", g)
	}
	if g.ID[14] != '7' || !strings.ContainsRune("89ab", rune(g.ID[19])) || len(g.ID) != 36 {
		t.Errorf("id %s is not a version 7 UUID", g.ID)
	}
	if d := time.Since(g.Time); d < -time.Minute || d > 5*time.Minute {
		t.Errorf("time %s is not now", g.Time)
	}
	if g.text("path") != "/a" || g.text("title") != "A page" || g.text("view_id") == "" {
		t.Errorf("data is %v", g.Data)
	}
	for field, want := range map[string]string{
		"url": site.URL + "/a?utm_source=letter&utm_campaign=may&other=1", "title": "A page", "utm_source": "letter", "utm_campaign": "may",
	} {
		if g.Context[field] != want {
			t.Errorf("context.%s is %v, want %s", field, g.Context[field], want)
		}
	}
	for _, field := range []string{"locale", "timezone", "screen"} {
		if s, _ := g.Context[field].(string); s == "" {
			t.Errorf("context.%s is missing", field)
		}
	}
	if q := c.seen()[0]; q.key != browserKey || !strings.HasPrefix(q.contentType, "text/plain") {
		t.Errorf("request is %+v", q)
	}
	if cookies := eval[string](ctx, t, "document.cookie"); cookies != "" {
		t.Errorf("cookies: %s", cookies)
	}
	checkSchemas(t, c)
}

// last gives the newest content.engaged.
func last(c *collector) *got {
	all := c.of(event.ContentEngaged)
	if len(all) == 0 {
		return &got{}
	}
	return all[len(all)-1]
}

func testEngagedTime(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": article("doc-1") + "\nTRACKER data-heartbeat-ms=500"})
	do(ctx, t, chromedp.Navigate(site.URL))
	eventually(t, "engaged time to grow twice", func() bool { return len(c.of(event.ContentEngaged)) >= 3 })
	if g := c.of(event.ContentViewed)[0]; g.number("words") != 60 {
		t.Errorf("words counted: %v, want 60", g.Data["words"])
	}
	hide(ctx, t)
	eventually(t, "what was flushed on hiding", func() bool { return stored(ctx, t) == 0 })
	hidden, reports := last(c).number("engaged_ms"), len(c.of(event.ContentEngaged))
	do(ctx, t, chromedp.Sleep(4*time.Second))
	if now := last(c).number("engaged_ms"); now != hidden {
		t.Errorf("engaged %v ms before and %v ms after being hidden", hidden, now)
	}
	show(ctx, t)
	eventually(t, "engaged time to grow again", func() bool { return last(c).number("engaged_ms") > hidden })
	// The first report of more: it comes within a second of being shown.
	if again := c.of(event.ContentEngaged)[reports].number("engaged_ms"); again > hidden+2500 {
		t.Errorf("hidden time was counted: %v ms, then %v ms", hidden, again)
	}
	var before float64
	view := c.of(event.ContentViewed)[0].text("view_id")
	for _, g := range c.of(event.ContentEngaged) {
		if g.number("engaged_ms") < before || g.text("view_id") != view {
			t.Errorf("not cumulative within the view: %v after %v", g.Data, before)
		}
		before = g.number("engaged_ms")
	}
	checkSchemas(t, c)
}

// Only the browser's first tab has no focus of its own in headless mode, so only
// there does ending the emulation take the focus and leave the tab visible.
func TestBlur(t *testing.T) {
	ctx, _ := NewBrowser(t)
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": article("doc-1") + "\nTRACKER data-heartbeat-ms=600000"})
	do(ctx, t, chromedp.Navigate(site.URL), chromedp.Sleep(1500*time.Millisecond))
	if n := len(c.of(event.ContentEngaged)); n != 0 {
		t.Fatalf("%d content.engaged before the first heartbeat", n)
	}
	SetFocus(ctx, t, false)
	waitFor(ctx, t, `document.visibilityState === "visible" && !document.hasFocus()`)
	eventually(t, "the flush on blur", func() bool { return len(c.of(event.ContentEngaged)) == 1 })
	ms := last(c).number("engaged_ms")
	if ms < 1000 {
		t.Errorf("engaged %v ms, want more than a second", ms)
	}
	do(ctx, t, chromedp.Sleep(4*time.Second))
	SetFocus(ctx, t, true)
	hide(ctx, t)
	eventually(t, "what was flushed on hiding", func() bool { return stored(ctx, t) == 0 })
	if now := last(c).number("engaged_ms"); now > ms+2500 {
		t.Errorf("time without focus was counted: %v ms, then %v ms", ms, now)
	}
}

func testScrollDepth(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{
		"/long":  article("long") + "\nTRACKER data-heartbeat-ms=300",
		"/short": "<article data-pp-content=short>fits</article>\nTRACKER data-heartbeat-ms=300",
		"/inner": "<div data-pp-content=inner style='height:300px;overflow:auto'><p style='height:1200px'>x</p></div>\nTRACKER data-heartbeat-ms=300",
		"/whole": "<style>html{height:100%}</style><p style='height:2400px'>x</p>\nTRACKER data-heartbeat-ms=300\n<script>partnerpulse.content({content_id:'whole'})</script>",
	})
	depth := func(id string) (deepest float64) {
		for _, g := range c.of(event.ContentEngaged) {
			if g.text("content_id") == id {
				deepest = max(deepest, g.number("max_scroll_pct"))
			}
		}
		return deepest
	}
	for _, p := range []struct {
		id       string
		low, top float64 // of the depth before scrolling
		script   string
	}{
		{"long", 10, 30, "scrollTo(0, 1e6)"},
		{"short", 100, 100, "scrollTo(0, 0)"},
		{"inner", 20, 30, "document.querySelector('div').scrollTop = 1e6"},
		{"whole", 20, 30, "scrollTo(0, 1e6)"},
	} {
		do(ctx, t, chromedp.Navigate(site.URL+"/"+p.id))
		eventually(t, "the first depth of "+p.id, func() bool { return depth(p.id) > 0 })
		if d := depth(p.id); d < p.low || d > p.top {
			t.Errorf("%s: depth before scrolling is %v, want %v to %v", p.id, d, p.low, p.top)
		}
		do(ctx, t, run(p.script))
		eventually(t, p.id+" to be read to the end", func() bool { return depth(p.id) == 100 })
		do(ctx, t, run("scrollTo(0, 0)"))
	}
	checkSchemas(t, c)
}

func testNavigation(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": "<div id=app>" + article("one") + "</div>\nTRACKER"})
	do(ctx, t, chromedp.Navigate(site.URL))
	eventually(t, "the first view", func() bool { return len(c.of(event.ContentViewed)) == 1 })
	do(ctx, t, run(`history.replaceState(null, "", "/?filter=1")`), run(`location.hash = "part"`))
	do(ctx, t, run(`history.pushState({}, "", "/two"); document.title = "Two"; document.getElementById("app").innerHTML = '<article data-pp-content="two">new words</article>'`))
	eventually(t, "the second view", func() bool { return len(c.of(event.ContentViewed)) == 2 })
	do(ctx, t, run(`history.back()`))
	eventually(t, "the way back", func() bool { return len(c.of(event.PageViewed)) == 3 })
	do(ctx, t, run(`document.querySelector("article").dataset.ppContent = "three"`))
	eventually(t, "changed markup", func() bool { return len(c.of(event.ContentViewed)) == 3 })

	var paths []string
	views := map[string]bool{}
	for _, g := range c.of(event.PageViewed) {
		paths = append(paths, g.text("path"))
		views[g.text("view_id")] = true
	}
	if want := []string{"/", "/two", "/"}; !slices.Equal(paths, want) {
		t.Errorf("pages %v, want %v", paths, want)
	}
	second := c.of(event.PageViewed)[1]
	if second.text("title") != "Two" || second.Context["referrer"] != site.URL+"/?filter=1#part" {
		t.Errorf("second page has %v, %v", second.Data, second.Context)
	}
	var contents []string
	for _, g := range c.of(event.ContentViewed) {
		contents = append(contents, g.text("content_id"))
		views[g.text("view_id")] = true
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(contents, want) {
		t.Errorf("contents %v, want %v", contents, want)
	}
	if len(views) != 6 {
		t.Errorf("%d distinct view ids, want 6", len(views))
	}
	if n := len(c.of(event.ContentEngaged)); n < 2 {
		t.Errorf("%d content.engaged, want the ended views'", n)
	}
	checkSchemas(t, c)
}

func testEvents(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": `<button id=plain data-pp-pin=pb-1>p</button>
<button id=pressed data-pp-pin=pb-2 aria-pressed=true onclick="this.setAttribute('aria-pressed','false')">p</button>
<input id=box type=checkbox data-pp-pin=pb-3 data-pp-content-id=doc-9>
<a id=get href="#x" data-pp-download=doc-2 data-pp-channel=library>get</a>
<a id=share href="#y" data-pp-share=doc-2 data-pp-channel=email>share</a>
<script>partnerpulse = [["track", "training.started", {course_id: "early"}]]</script>
TRACKER`})
	do(ctx, t, chromedp.Navigate(site.URL))
	for _, id := range []string{"plain", "plain", "pressed", "box", "get", "share"} {
		do(ctx, t, chromedp.Click(chromedp.CSS("#"+id)))
	}
	do(ctx, t, run(`partnerpulse.login({method: "saml"}); partnerpulse.pin("pb-4"); partnerpulse.unpin("pb-4");
		partnerpulse.track("deal.won", {deal_id: "d-1"}); partnerpulse.identify({partner: "p-0008", user: "u-2"}); partnerpulse.track("training.passed", {course_id: "c"})`))
	eventually(t, "all events", func() bool { return len(c.of(event.TrainingPassed)) == 1 })

	var pins []string
	for _, g := range c.distinct() {
		if g.Type == event.PlaybookPinned || g.Type == event.PlaybookUnpinned {
			pins = append(pins, strings.TrimPrefix(string(g.Type), "playbook.")+" "+g.text("playbook_id")+g.text("content_id"))
		}
	}
	if want := []string{"pinned pb-1", "unpinned pb-1", "unpinned pb-2", "pinned pb-3doc-9", "pinned pb-4", "unpinned pb-4"}; !slices.Equal(pins, want) {
		t.Errorf("pins are %v, want %v", pins, want)
	}
	for typ, channel := range map[event.Type]string{event.ContentDownloaded: "library", event.ContentShared: "email"} {
		if some := c.of(typ); len(some) != 1 || some[0].text("content_id") != "doc-2" || some[0].text("channel") != channel {
			t.Errorf("%s: %d events", typ, len(some))
		}
	}
	for _, typ := range []event.Type{event.PortalLogin, event.TrainingStarted, event.DealWon, event.PageViewed} {
		if some := c.of(typ); len(some) != 1 || some[0].PartnerID != "p-0007" {
			t.Errorf("%d %s of the first partner, want 1", len(some), typ)
		}
	}
	if g := c.of(event.TrainingPassed)[0]; g.PartnerID != "p-0008" || g.UserID != "u-2" || g.SessionID == c.of(event.DealWon)[0].SessionID {
		t.Errorf("after identify: %+v", g)
	}
	checkSchemas(t, c)
}

func testSearchMarkup(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	results := `<section data-pp-search-results data-pp-query="backup" data-pp-count="2"><a href="/doc" data-pp-search-result="doc" data-pp-position="2">d</a></section>`
	site := newSite(t, c, map[string]string{
		"/":        "<form action=/results data-pp-search><input type=hidden name=token value=secret><input name=q value=backup><input name=kind value=pdf><button>go</button></form>\nTRACKER",
		"/results": results + "\nTRACKER",
		"/doc":     article("doc") + "\nTRACKER",
	})
	do(ctx, t, chromedp.Navigate(site.URL), chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("[data-pp-search-result]")))
	eventually(t, "search.performed", func() bool { return len(c.of(event.SearchPerformed)) == 1 })
	do(ctx, t, chromedp.Click(chromedp.CSS("a")), chromedp.WaitVisible(chromedp.CSS("article")))
	eventually(t, "the view", func() bool { return len(c.of(event.ContentViewed)) == 1 })
	do(ctx, t, run("history.back()"))
	eventually(t, "the page of results again", func() bool { return len(c.of(event.PageViewed)) == 4 })
	do(ctx, t, run(`partnerpulse.search({query: "nothing", results_count: 0})`))
	eventually(t, "the second search", func() bool { return len(c.of(event.SearchPerformed)) > 1 })

	searches, clicks := c.of(event.SearchPerformed), c.of(event.SearchClicked)
	if len(searches) != 2 || searches[1].text("query") != "nothing" {
		t.Errorf("coming back counted as a search: %d searches", len(searches))
	}
	filters, _ := searches[0].Data["filters"].(map[string]any)
	if searches[0].text("query") != "backup" || searches[0].number("results_count") != 2 || filters["kind"] != "pdf" || len(filters) != 1 {
		t.Errorf("search is %v", searches[0].Data)
	}
	view := c.of(event.ContentViewed)[0]
	if len(clicks) != 1 || clicks[0].text("search_id") != searches[0].text("search_id") || clicks[0].number("position") != 2 {
		t.Fatalf("%d clicks", len(clicks))
	}
	if view.text("entry_source") != "search" || view.text("search_id") != clicks[0].text("search_id") || view.number("position") != 2 {
		t.Errorf("view is %v", view.Data)
	}
	checkSchemas(t, c)
}

func testSession(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": "TRACKER"})
	tabs := []context.Context{ctx, newTab(ctx, t)}
	for i, tab := range tabs {
		do(tab, t, chromedp.Navigate(site.URL))
		eventually(t, "a page view", func() bool { return len(c.of(event.PageViewed)) == i+1 })
	}
	age := func(minutes int) string {
		key := "pp." + browserKey + ".session"
		return fmt.Sprintf(`{const s = JSON.parse(localStorage.getItem(%q)); s.at -= %d * 60000; localStorage.setItem(%q, JSON.stringify(s))}`, key, minutes, key)
	}
	for i, minutes := range []int{29, 31} {
		do(ctx, t, run(age(minutes)), chromedp.Navigate(site.URL))
		eventually(t, "a page view", func() bool { return len(c.of(event.PageViewed)) == i+3 })
	}
	p := c.of(event.PageViewed)
	for i := range p {
		if p[i].AnonymousID != p[0].AnonymousID {
			t.Error("the anonymous id changed")
		}
	}
	if p[1].SessionID != p[0].SessionID || p[2].SessionID != p[0].SessionID || p[3].SessionID == p[0].SessionID {
		t.Errorf("sessions are %s, %s, after 29 minutes %s, after 31 minutes %s", p[0].SessionID, p[1].SessionID, p[2].SessionID, p[3].SessionID)
	}
}
