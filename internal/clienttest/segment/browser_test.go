package segment_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/browsertest"
	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/event"
)

// batching makes the SDK collect calls and send them to /v1/b.
const batching = `{integrations: {"Segment.io": {deliveryStrategy: {strategy: "batching", config: {size: 2, timeout: 100}}}}}`

// visit opens the page, whose first calls wait for the SDK, and makes more calls once
// the group call has told whose the user is.
func visit(t *testing.T, ctx context.Context, s *stand) {
	t.Helper()
	before, _ := s.taken()
	if err := chromedp.Do(ctx, chromedp.Navigate(s.site+"/library?utm_source=mail&utm_campaign=spring")); err != nil {
		t.Fatal(err)
	}
	await(t, "the group call", func() bool {
		partner, ok := s.directory.Partner(tenant, "u-17", "")
		return ok && partner == "p-0001" && s.asked("/v1/g")+s.asked("/v1/b") > 0
	})
	for _, call := range []string{
		`analytics.track("Article Viewed", {article_id: "battlecard-7", word_count: 1200})`,
		`analytics.track("Products Searched", {query: "restore test", results_count: 4})`,
		`analytics.track("Beta Enabled", {flag: "x"})`,
		`analytics.screen("Deals")`,
		`analytics.alias("u-18")`,
		`analytics.track("Deal Won", {value: 5})`, // refused: whose deal_id is missing
	} {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](call+"; null")); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
	}
	await(t, "all events and the reject", func() bool {
		events, rejects := s.taken()
		return len(events) >= len(before)+5 && len(rejects) >= 1
	})
}

func checkBrowserEvents(t *testing.T, s *stand) {
	t.Helper()
	events, rejects := s.taken()
	if len(rejects) != 1 || rejects[0].Code != event.CodeSchema || rejects[0].EventType != string(event.DealWon) {
		t.Errorf("rejects %+v", rejects)
	}
	for _, e := range events {
		if e.PartnerID != "p-0001" || e.KeyID != "web" || e.Source != event.SourceSegment || !strings.HasPrefix(e.ID, "ajs-next-") || e.AnonymousID == "" {
			t.Errorf("event %+v", e)
		}
		if age := e.ReceivedAt.Sub(e.Time); age < -time.Minute || age > time.Minute {
			t.Errorf("%s happened %s before it was received", e.Type, age)
		}
	}
	article := s.one(t, event.ContentViewed)
	want := event.Context{
		URL: s.site + "/library?utm_source=mail&utm_campaign=spring", Title: "Library", UserAgent: article.Context.UserAgent,
		Locale: article.Context.Locale, Timezone: article.Context.Timezone, UTMSource: "mail", UTMCampaign: "spring",
	}
	// The SDK gives pages a canonical address without the query when there is a link to it; here there is none.
	if diff := cmp.Diff(want, article.Context); diff != "" || !strings.Contains(article.Context.UserAgent, "Chrom") || article.Context.Locale == "" || article.Context.Timezone == "" {
		t.Errorf("context %+v: %s", article.Context, diff)
	}
	var got []outcome
	for _, e := range outcomes(t, events) {
		if e.Type != event.PageViewed {
			got = append(got, outcome{Type: e.Type, Data: e.Data})
		}
	}
	wantOutcomes := map[event.Type]string{
		event.ContentViewed:   `{"content_id":"battlecard-7","kind":"article","view_id":"ID","words":1200}`,
		event.SearchPerformed: `{"query":"restore test","results_count":4,"search_id":"ID"}`,
		"custom.beta_enabled": `{"flag":"x"}`,
	}
	if len(got) != len(wantOutcomes) {
		t.Errorf("%d events: %+v", len(got), got)
	}
	for _, e := range got {
		if e.Data != canonical(t, wantOutcomes[e.Type]) {
			t.Errorf("%s has data %s", e.Type, e.Data)
		}
	}
	pages := map[string]bool{}
	for _, e := range events {
		if e.Type == event.PageViewed {
			pages[string(e.Data)] = true
			if strings.Contains(string(e.Data), `"path":"/library"`) != strings.Contains(string(e.Data), `"section":"sales"`) {
				t.Errorf("page %s", e.Data)
			}
		}
	}
	if len(pages) != 2 {
		t.Errorf("pages %v", pages)
	}
}

// TestBrowserSDK: Segment's browser SDK takes its settings from the collector and
// sends there, one call a request and in batches.
func TestBrowserSDK(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	ctx, _ := browsertest.NewBrowser(t)
	for name, options := range map[string]string{"one by one": `{}`, "batching": batching} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil, modules, options)
			visit(t, ctx, s)
			checkBrowserEvents(t, s)
			for _, path := range []string{"/v1/p", "/v1/i", "/v1/g", "/v1/t", "/v1/s", "/v1/a"} {
				if single := s.asked(path) > 0; single != (options == `{}`) {
					t.Errorf("%d requests to %s", s.asked(path), path)
				}
			}
			if batches := s.asked("/v1/b") > 0; batches != (options == batching) {
				t.Errorf("%d requests to /v1/b", s.asked("/v1/b"))
			}
		})
	}
}

// TestBrowserSDKRepeats: what could not be made durable is sent again by the SDK.
func TestBrowserSDKRepeats(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	ctx, _ := browsertest.NewBrowser(t)
	s := newStand(t, nil, modules, `{}`)
	s.failures = 1 // the page call
	visit(t, ctx, s)
	checkBrowserEvents(t, s)
	if n := s.asked("/v1/p"); n != 2 {
		t.Errorf("%d requests with the page call, not the failed one and another", n)
	}
}
