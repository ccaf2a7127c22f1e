package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"partnerpulse/internal/event"
)

// track sends n events whose course ids start with name.
func track(name string, n int) chromedp.Action[chromedp.Void] { return run(tracking(name, n)) }

// tracking is the script of track, for tests in which the page must do something else
// before a timer of its own can run.
func tracking(name string, n int) string {
	return fmt.Sprintf(`for (let i = 0; i < %d; i++) partnerpulse.track("training.started", {course_id: %q + i});`, n, name)
}

// courses gives the course ids of training.started with the times each arrived.
func courses(c *collector) map[string]int {
	n := map[string]int{}
	for _, g := range c.of(event.TrainingStarted) {
		n[g.text("course_id")]++
	}
	return n
}

// wantCourses checks that each of n events arrived, under one id.
func wantCourses(t *testing.T, c *collector, name string, n int) {
	t.Helper()
	all := courses(c)
	for i := range n {
		if id := fmt.Sprint(name, i); all[id] != 1 {
			t.Errorf("%s arrived under %d ids, want 1", id, all[id])
		}
	}
}

func testRetry(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	c.behave(func(n int) (int, string, string) {
		switch n {
		case 0:
			return http.StatusServiceUnavailable, "", `{"code":"unavailable"}`
		case 1:
			return http.StatusTooManyRequests, "1", "{}"
		case 3:
			return http.StatusBadGateway, "", "<html>"
		}
		return 0, "", ""
	}, 0)
	site := newSite(t, c, map[string]string{"/": "TRACKER"})
	do(ctx, t, chromedp.Navigate(site.URL), track("a", 45))
	eventually(t, "all events", func() bool { return len(courses(c)) == 45 })
	wantCourses(t, c, "a", 45)
	q := c.seen()
	for i, retry := range []int{1, 2} {
		if !slices.Equal(q[i].ids, q[retry].ids[:min(len(q[i].ids), len(q[retry].ids))]) {
			t.Errorf("request %d was repeated with other ids", i)
		}
	}
	accepted := map[string]int{}
	for _, r := range q {
		if len(r.ids) > 20 {
			t.Errorf("a batch of %d", len(r.ids))
		}
		for _, id := range r.ids {
			if r.status < 300 {
				accepted[id]++
			}
		}
	}
	for id, n := range accepted {
		if n != 1 {
			t.Errorf("%s was accepted %d times on a page that stayed open", id, n)
		}
	}
	eventually(t, "an empty queue", func() bool { return stored(ctx, t) == 0 })
}

// stored counts the events in the tracker's stored queues.
func stored(ctx context.Context, t *testing.T) int {
	t.Helper()
	return eval[int](ctx, t, `Object.keys(localStorage).filter((k) => k.includes(".q.")).reduce((n, k) => n + JSON.parse(localStorage.getItem(k)).q.length, 0)`)
}

func testRejected(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": "TRACKER data-flush-ms=600000\n<script>reports = []; partnerpulse.on((what, events) => reports.push([what, events.length]))</script>"})
	c.behave(func(n int) (int, string, string) {
		if n == 0 {
			return http.StatusBadRequest, "", `{"accepted":0,"rejected":4,"errors":[{"index":0,"code":"schema","pointer":"/data","message":"no"}]}`
		}
		return 0, "", ""
	}, 0)
	do(ctx, t, chromedp.Navigate(site.URL))
	waitFor(ctx, t, `reports.some((r) => r[0] === "queued" && r[1] === 1)`) // page.viewed
	do(ctx, t, run(tracking("bad", 3)+"partnerpulse.flush()"))
	waitFor(ctx, t, `reports.some((r) => r[0] === "rejected" && r[1] === 4)`)
	do(ctx, t, run(tracking("good", 2)+"partnerpulse.flush()"))
	eventually(t, "the next events", func() bool { return len(courses(c)) == 2 })
	wantCourses(t, c, "good", 2)
	eventually(t, "an empty queue", func() bool { return stored(ctx, t) == 0 })
	for _, q := range c.seen()[1:] {
		if slices.Contains(q.ids, c.seen()[0].ids[1]) {
			t.Error("a rejected event was sent again")
		}
	}
}

// A wrong key is a mistake of the page: its events wait for a page that is right.
func testWrongKey(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	c.behave(always(http.StatusUnauthorized), http.StatusUnauthorized)
	site := newSite(t, c, map[string]string{"/": "TRACKER"})
	do(ctx, t, chromedp.Navigate(site.URL), track("a", 2))
	eventually(t, "the refusal", func() bool { return len(c.seen()) > 0 })
	do(ctx, t, track("b", 1), chromedp.Sleep(time.Second))
	if n := len(c.seen()); n != 1 {
		t.Errorf("%d requests with a key that was refused, want 1", n)
	}
	c.behave(nil, 0)
	do(ctx, t, chromedp.Navigate(site.URL))
	eventually(t, "all events", func() bool { return len(courses(c)) == 3 })
}

func testBeacon(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": article("doc-1") + "\nTRACKER data-flush-ms=600000 data-heartbeat-ms=600000", "/next": "no tracker"})
	do(ctx, t, chromedp.Navigate(site.URL), chromedp.Sleep(1200*time.Millisecond), run(`scrollTo(0, 900)`), track("a", 2))
	if n := len(c.seen()); n != 0 {
		t.Fatalf("%d requests before leaving", n)
	}
	do(ctx, t, chromedp.Navigate(site.URL+"/next"))
	eventually(t, "the beacon", func() bool { return len(courses(c)) == 2 })
	q := c.seen()[0]
	if q.path != "/v1/beacon" || !strings.HasPrefix(q.contentType, "text/plain") || q.key != browserKey {
		t.Errorf("request on leaving is %+v", q)
	}
	for _, typ := range []event.Type{event.PageViewed, event.ContentViewed, event.ContentEngaged} {
		if n := len(c.of(typ)); n != 1 {
			t.Errorf("%d %s, want 1", n, typ)
		}
	}
	if g := last(c); g.number("engaged_ms") < 1000 || g.number("max_scroll_pct") < 30 {
		t.Errorf("engagement on leaving is %v", g.Data)
	}
	checkSchemas(t, c)
}

// With the collector away, what a page could not deliver is delivered by a later
// page, after the first tab is long closed, under the same ids and once each.
func testQueueOutlivesPage(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	c.behave(always(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	site := newSite(t, c, map[string]string{"/": article("doc-1") + "\nTRACKER"})
	tab, closeTab := chromedp.NewContext(ctx)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1000, 600)); err != nil {
		t.Fatal(err)
	}
	do(tab, t, chromedp.Navigate(site.URL), track("a", 30))
	eventually(t, "a refused request", func() bool { return len(c.seen()) > 0 })
	do(tab, t, chromedp.Navigate(site.URL), track("b", 5))
	closeTab()
	first := c.seen()[0].ids
	if n := len(c.distinct()); n != 0 {
		t.Fatalf("%d events were accepted", n)
	}
	c.behave(nil, 0)
	do(ctx, t, chromedp.Navigate(site.URL), track("c", 1))
	eventually(t, "all events", func() bool { return len(courses(c)) == 36 })
	wantCourses(t, c, "a", 30)
	wantCourses(t, c, "b", 5)
	got := map[string]bool{}
	for _, g := range c.distinct() {
		got[g.ID] = true
	}
	for _, id := range first {
		if !got[id] {
			t.Errorf("%s was sent and refused, and is lost", id)
		}
	}
	checkSchemas(t, c)
}

func testQueueBounded(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	c.behave(always(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	site := newSite(t, c, map[string]string{"/": "TRACKER"})
	do(ctx, t, chromedp.Navigate(site.URL), track("a", 300))
	if n := stored(ctx, t); n != 200 {
		t.Errorf("%d events stored, want 200", n)
	}
	c.behave(nil, 0)
	eventually(t, "the newest events", func() bool { return courses(c)["a299"] == 1 && courses(c)["a100"] == 1 })
	do(ctx, t, run(`partnerpulse.track("custom.big", {text: "x".repeat(70000)})`), track("after", 1))
	eventually(t, "an event after one too large", func() bool { return courses(c)["after0"] == 1 })
	if n := len(c.of("custom.big")); n != 0 {
		t.Error("an event over the limit was sent")
	}
}

func testConsent(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": article("doc-1") + "\nTRACKER data-consent=required", "/off": article("doc-1") + "\nTRACKER"})
	do(ctx, t, chromedp.Navigate(site.URL), track("before", 2), chromedp.Sleep(time.Second))
	if n := eval[int](ctx, t, "localStorage.length"); n != 0 || len(c.seen()) != 0 {
		t.Fatalf("%d things stored and %d requests sent without consent", n, len(c.seen()))
	}
	do(ctx, t, run(`partnerpulse.consent(true)`))
	eventually(t, "the views after consent", func() bool { return len(c.of(event.PageViewed)) == 1 && len(c.of(event.ContentViewed)) == 1 })
	do(ctx, t, chromedp.Navigate(site.URL+"/off"))
	eventually(t, "the second page", func() bool { return len(c.of(event.PageViewed)) == 2 })
	eventually(t, "an empty queue", func() bool { return stored(ctx, t) == 0 })
	requests := len(c.seen())
	do(ctx, t, run(tracking("pending", 3)+"partnerpulse.consent(false)"))
	do(ctx, t, track("after", 2), chromedp.Navigate(site.URL+"/off"), track("later", 1), chromedp.Sleep(time.Second))
	if all := courses(c); len(all) != 0 || len(c.of(event.PageViewed)) != 2 {
		t.Errorf("sent against the person's will: %v", all)
	}
	if n := len(c.seen()); n != requests {
		t.Errorf("%d requests after consent was withdrawn", n-requests)
	}
	if left := eval[string](ctx, t, "Object.keys(localStorage).join()"); left != "pp."+browserKey+".consent" {
		t.Errorf("still stored: %s", left)
	}
}

func testDoNotTrack(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": "TRACKER", "/ignore": "TRACKER data-dnt=ignore"})
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `Object.defineProperty(Navigator.prototype, "doNotTrack", {get: () => "1"})`,
	})
	if err != nil {
		t.Fatal(err)
	}
	do(ctx, t, chromedp.Navigate(site.URL), track("a", 2), chromedp.Sleep(time.Second))
	if n := len(c.seen()); n != 0 {
		t.Errorf("%d requests in spite of Do Not Track", n)
	}
	do(ctx, t, chromedp.Navigate(site.URL+"/ignore"))
	eventually(t, "a portal that may ignore it", func() bool { return len(c.of(event.PageViewed)) == 1 })
}

// Whatever the page does, the tracker neither throws nor counts twice.
func testHarmless(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{
		"/twice": "TRACKER\nTRACKER",
		"/hostile": `<script>errors = []; addEventListener("error", (e) => errors.push(e.message)); addEventListener("unhandledrejection", (e) => errors.push(String(e.reason)));
for (const s of ["localStorage", "sessionStorage"]) Object.defineProperty(window, s, {get() { throw new Error("refused"); }});</script>
<a id=a href="#" data-pp-download=d>x</a>
TRACKER
<script>
partnerpulse.on(() => { throw new Error("listener"); });
partnerpulse.content(); partnerpulse.content({}); partnerpulse.search(); partnerpulse.searchClick({}); partnerpulse.identify(); partnerpulse.track();
const loop = {}; loop.loop = loop; partnerpulse.track("custom.loop", loop);
partnerpulse.track("training.started", {course_id: "ok"});
</script>`,
		"/nokey": "TRACKER data-key=\n<script>ok = typeof partnerpulse.track</script>",
	})
	do(ctx, t, chromedp.Navigate(site.URL+"/twice"))
	eventually(t, "the page view", func() bool { return len(c.of(event.PageViewed)) > 0 })
	do(ctx, t, run(`history.pushState({}, "", "/twice/more")`))
	eventually(t, "the next page view", func() bool { return len(c.of(event.PageViewed)) > 1 })
	do(ctx, t, chromedp.Sleep(500*time.Millisecond))
	if n := len(c.of(event.PageViewed)); n != 2 {
		t.Errorf("%d page views with the script included twice, want 2", n)
	}
	do(ctx, t, chromedp.Navigate(site.URL+"/hostile"), chromedp.Click(chromedp.CSS("#a")))
	eventually(t, "events from a page without storage", func() bool { return len(c.of(event.TrainingStarted)) == 1 && len(c.of(event.ContentDownloaded)) == 1 })
	if errs := eval[string](ctx, t, `errors.join("; ")`); errs != "" {
		t.Errorf("the page saw errors: %s", errs)
	}
	checkSchemas(t, c)
}
