package segment_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"partnerpulse/internal/browsertest"
	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/event"
)

// makeCalls makes calls of an SDK in the page that is open.
func makeCalls(t *testing.T, ctx context.Context, calls ...string) {
	t.Helper()
	for _, call := range calls {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](call+"; null")); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
	}
}

// open opens a page of the site.
func open(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
}

// TestRudderBrowserSDK: RudderStack's browser SDK takes its configuration from the
// collector and sends there; what is refused for the moment it sends again.
func TestRudderBrowserSDK(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	ctx, _ := browsertest.NewBrowser(t)
	for name, refuse := range map[string]refusing{
		"at once": {}, "after 429": {http.StatusTooManyRequests, 2}, "after 503": {http.StatusServiceUnavailable, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil, modules, "{}")
			s.refuse = refuse
			open(t, ctx, s.site+"/rudder?utm_source=mail")
			await(t, "the group call", func() bool {
				partner, ok := s.directory.Partner(tenant, "u-17", "")
				return ok && partner == "p-0001"
			})
			await(t, "the page", func() bool { events, _ := s.taken(); return len(events) == 1 })
			makeCalls(t, ctx, `sdk.track("Article Viewed", {article_id: "battlecard-7", word_count: 1200})`,
				`sdk.track("Products Searched", {query: "restore test", results_count: 4})`, `sdk.track("Beta Enabled", {flag: "x"})`,
				`sdk.track("Deal Won", {value: 5})`)
			await(t, "all events and the reject", func() bool {
				events, rejects := s.taken()
				return len(events) >= 4 && len(rejects) >= 1
			})
			checkRudderEvents(t, s)
		})
	}
}

func checkRudderEvents(t *testing.T, s *stand) {
	t.Helper()
	events, rejects := s.taken()
	if len(rejects) != 1 || rejects[0].Code != event.CodeSchema || rejects[0].EventType != string(event.DealWon) {
		t.Errorf("rejects %+v", rejects)
	}
	want := map[event.Type]string{
		event.PageViewed:      `{"name":"Library","path":"/rudder"`,
		event.ContentViewed:   `{"content_id":"battlecard-7","kind":"article","view_id":"ID","words":1200}`,
		event.SearchPerformed: `{"query":"restore test","results_count":4,"search_id":"ID"}`,
		"custom.beta_enabled": `{"flag":"x"}`,
	}
	if len(events) != len(want) {
		t.Errorf("%d events", len(events))
	}
	for _, o := range outcomes(t, events) {
		ok := o.Data == want[o.Type]
		if o.Type == event.PageViewed { // the SDK adds what it knows of the page
			ok = strings.Contains(o.Data, `"path":"/rudder"`) && strings.Contains(o.Data, `"section":"sales"`)
		}
		if !ok || o.Actor != "u-17" {
			t.Errorf("%+v", o)
		}
	}
	for _, e := range events {
		if e.PartnerID != "p-0001" || e.KeyID != "web" || e.Source != event.SourceSegment || uuid.Validate(e.ID) != nil || e.AnonymousID == "" || e.SessionID == "" {
			t.Errorf("event %+v", e)
		}
		if e.Context.URL != s.site+"/rudder?utm_source=mail" || !strings.Contains(e.Context.UserAgent, "Chrom") {
			t.Errorf("context %+v", e.Context)
		}
	}
}

// TestBrowserSDKsCarryTheIdentity: where a key takes signed events only, both browser
// SDKs bring the token with settings of their own, and a page cannot claim another
// partner.
func TestBrowserSDKsCarryTheIdentity(t *testing.T) {
	modules := npm.Install(t, "segment", ".")
	ctx, _ := browsertest.NewBrowser(t)
	for page, track := range map[string]func(name, properties, options string) string{
		"/library-signed": func(n, p, o string) string { return `analytics.track("` + n + `", ` + p + `, ` + o + `)` },
		"/rudder-signed":  func(n, p, o string) string { return `sdk.track("` + n + `", ` + p + `, ` + o + `)` },
	} {
		t.Run(strings.Trim(page, "/"), func(t *testing.T) {
			s := newStand(t, nil, modules, "{}")
			open(t, ctx, s.site+page)
			await(t, "the page", func() bool { events, _ := s.taken(); return len(events) == 1 })
			makeCalls(t, ctx, track("Signed In", `{}`, `{}`), track("Signed In", `{}`, `{context: {groupId: "p-0002"}}`))
			await(t, "the event and the reject", func() bool {
				events, rejects := s.taken()
				return len(events) >= 2 && len(rejects) >= 1
			})
			events, rejects := s.taken()
			var types []event.Type
			for _, e := range events {
				types = append(types, e.Type)
				if e.PartnerID != "p-0001" || e.UserID != "u-17" || e.KeyID != "signed" || strings.Contains(string(e.Data), tokenPart) {
					t.Errorf("event %+v %s", e, e.Data)
				}
			}
			if !slices.Equal(types, []event.Type{event.PageViewed, event.PortalLogin}) || len(rejects) != 1 ||
				rejects[0].Code != event.CodeForbiddenPartner || strings.Contains(rejects[0].Original, tokenPart) {
				t.Errorf("%v, rejects %+v", types, rejects)
			}
		})
	}
}

// tokenPart is how every token begins: the header of a JWT.
const tokenPart = "eyJ"
