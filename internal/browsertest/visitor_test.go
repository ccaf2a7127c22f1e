package browsertest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"partnerpulse/internal/event"
)

// hosted gives the site's address under a name; browsers resolve *.localhost to this machine.
func hosted(site, name string) string { return strings.Replace(site, "127.0.0.1", name, 1) }

// testCookie: with the option, subdomains have one visitor, also while the collector is
// away; without it, or on another domain, there is no cookie; it goes with the consent.
func testCookie(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{
		"/":      "TRACKER data-cookie=portal.localhost\n<script>reports = []; partnerpulse.on((what) => reports.push(what))</script>",
		"/plain": "TRACKER",
	})
	c.behave(always(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	one, two, other := hosted(site.URL, "one.portal.localhost"), hosted(site.URL, "two.portal.localhost"), hosted(site.URL, "elsewhere.localhost")
	do(ctx, t, chromedp.Navigate(one))
	waitFor(ctx, t, `reports.includes("retry")`)
	if jar := eval[string](ctx, t, "document.cookie"); !strings.HasPrefix(jar, "pp."+browserKey+".anon=") || strings.Contains(jar, ";") {
		t.Errorf("cookies %q", jar)
	}
	c.behave(nil, 0)
	eventually(t, "the first page's view", func() bool { return len(c.of(event.PageViewed)) == 1 })
	do(ctx, t, chromedp.Navigate(two))
	eventually(t, "the second page's view", func() bool { return len(c.of(event.PageViewed)) == 2 })
	do(ctx, t, chromedp.Navigate(other))
	eventually(t, "the other site's view", func() bool { return len(c.of(event.PageViewed)) == 3 })
	if jar := eval[string](ctx, t, "document.cookie"); jar != "" {
		t.Errorf("cookies of another domain: %q", jar)
	}
	do(ctx, t, chromedp.Navigate(hosted(site.URL, "three.portal.localhost")+"/plain"))
	eventually(t, "the view without the option", func() bool { return len(c.of(event.PageViewed)) == 4 })
	p := c.of(event.PageViewed)
	if p[0].AnonymousID == "" || p[1].AnonymousID != p[0].AnonymousID {
		t.Errorf("subdomains have the visitors %q and %q", p[0].AnonymousID, p[1].AnonymousID)
	}
	for _, g := range p[2:] {
		if g.AnonymousID == "" || g.AnonymousID == p[0].AnonymousID {
			t.Errorf("visitor %q on %v", g.AnonymousID, g.Context["url"])
		}
	}

	do(ctx, t, chromedp.Navigate(two), run("partnerpulse.consent(false)"))
	if jar := eval[string](ctx, t, "document.cookie"); jar != "" {
		t.Errorf("cookies after the refusal: %q", jar)
	}
	do(ctx, t, run("partnerpulse.consent(true)"))
	eventually(t, "a view after the consent", func() bool {
		all := c.of(event.PageViewed)
		return all[len(all)-1].AnonymousID != p[0].AnonymousID && strings.Contains(all[len(all)-1].Context["url"].(string), "two.portal")
	})
	jar := eval[string](ctx, t, "document.cookie")
	do(ctx, t, run("partnerpulse.reset()"))
	if now := eval[string](ctx, t, "document.cookie"); jar == "" || now != "" {
		t.Errorf("cookies %q, after signing out %q", jar, now)
	}
	checkSchemas(t, c)
}

// quick gives the content ids of views that ended as a quick-back, with the number of views.
func quick(c *collector) map[string]int {
	views, out := map[string]bool{}, map[string]int{}
	for _, g := range c.of(event.ContentEngaged) {
		if back, _ := g.Data["quick_back"].(bool); back && !views[g.text("view_id")] {
			views[g.text("view_id")] = true
			out[g.text("content_id")]++
		}
	}
	return out
}

// testQuickBackInOnePage: back soon is a quick-back; on to another page, or back later,
// is none. What could not be sent at that moment is sent again.
func testQuickBackInOnePage(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	site := newSite(t, c, map[string]string{"/": `<main></main>
<script>
  function show(path, id) {
    if (path) history.pushState({}, "", path);
    document.querySelector("main").innerHTML = id ? "<article data-pp-content=" + id + "><p>text</p></article>" : "";
  }
  addEventListener("popstate", () => show("", ""));
  reports = [];
</script>
TRACKER data-quick-ms=60000
<script>partnerpulse.on((what) => reports.push(what))</script>`})
	open := func(path, id string) {
		t.Helper()
		do(ctx, t, run(`show("`+path+`", "`+id+`")`))
		eventually(t, "the view of "+id, func() bool {
			for _, g := range c.of(event.ContentViewed) {
				if g.text("content_id") == id {
					return true
				}
			}
			return false
		})
	}
	do(ctx, t, chromedp.Navigate(site.URL))
	open("/results", "results")
	open("/doc-1", "doc-1")
	c.behave(always(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	do(ctx, t, run("history.back()"))
	waitFor(ctx, t, `reports.includes("retry")`)
	c.behave(nil, 0)
	eventually(t, "the quick-back", func() bool { return quick(c)["doc-1"] == 1 })
	open("/doc-2", "doc-2")
	open("/doc-3", "doc-3") // on, not back
	do(ctx, t, run(`history.pushState({}, "", "/doc-2"); show("", "")`))
	eventually(t, "the way back by a link", func() bool { return quick(c)["doc-3"] == 1 })
	if got := quick(c); len(got) != 2 {
		t.Errorf("quick-backs of %v", got)
	}
	for _, g := range c.of(event.ContentEngaged) {
		if back, there := g.Data["quick_back"]; there && back != true {
			t.Errorf("data %v", g.Data)
		}
	}
	checkSchemas(t, c)
}

// testQuickBackOverPages: the page that is returned to says so, of the same view, also
// when nothing could be sent on leaving; a page that is only left or read long is none.
func testQuickBackOverPages(t *testing.T, ctx context.Context) {
	c := newCollector(t)
	link := func(to string) string { return `<a href="` + to + `">to ` + to + `</a>` }
	site := newSite(t, c, map[string]string{
		"/results": "<script>addEventListener('unload', () => 0)</script>" + link("/doc-1") + "\nTRACKER",
		"/cached":  link("/doc-2") + "\nTRACKER",
		"/doc-1":   article("doc-1") + link("/end") + "\nTRACKER data-quick-ms=60000",
		"/doc-2":   article("doc-2") + "\nTRACKER",
		"/doc-3":   article("doc-3") + "\nTRACKER data-quick-ms=1",
		"/end":     link("/doc-3") + "\nTRACKER data-quick-ms=1",
	})
	visit := func(selector, id string) {
		t.Helper()
		before := len(c.of(event.ContentViewed))
		do(ctx, t, chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.CSS("[data-pp-content="+id+"]")))
		eventually(t, "the view of "+id, func() bool { return len(c.of(event.ContentViewed)) == before+1 })
	}
	do(ctx, t, chromedp.Navigate(site.URL+"/results"))
	visit("a", "doc-1")
	c.behave(always(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	do(ctx, t, run("history.back()"))
	c.behave(nil, 0)
	eventually(t, "the quick-back", func() bool { return quick(c)["doc-1"] == 1 })
	viewed := c.of(event.ContentViewed)[0].text("view_id")
	for _, g := range c.of(event.ContentEngaged) {
		if g.text("view_id") != viewed {
			t.Errorf("a quick-back of the view %q, not %q", g.text("view_id"), viewed)
		}
	}
	do(ctx, t, chromedp.Navigate(site.URL+"/cached"))
	visit("a", "doc-2")
	do(ctx, t, run("history.back()"))
	eventually(t, "the quick-back to a page that the browser kept", func() bool { return quick(c)["doc-2"] == 1 })
	do(ctx, t, chromedp.Navigate(site.URL+"/end"))
	visit("a", "doc-3")
	pages := len(c.of(event.PageViewed))
	do(ctx, t, run("history.back()"))
	eventually(t, "the page after a long read", func() bool { return len(c.of(event.PageViewed)) == pages+1 })
	do(ctx, t, chromedp.Navigate(site.URL+"/results"))
	eventually(t, "the last page", func() bool { return len(c.of(event.PageViewed)) == pages+2 })
	if got := quick(c); len(got) != 2 {
		t.Errorf("quick-backs of %v", got)
	}
	checkSchemas(t, c)
}
