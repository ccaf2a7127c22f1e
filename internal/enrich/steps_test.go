package enrich_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
	"partnerpulse/internal/secret"
)

func TestBotsAreToldByStrongSignalsOrSeveralWeakOnes(t *testing.T) {
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	for name, c := range map[string]struct {
		change  func(*event.Event)
		signals string
		bot     bool
	}{
		"a person":           {func(*event.Event) {}, "", false},
		"a crawler":          {func(e *event.Event) { e.Context.UserAgent = "Mozilla/5.0 (compatible; bingbot/2.0)" }, "declared", true},
		"a headless browser": {func(e *event.Event) { e.Context.UserAgent = strings.Replace(chrome, "Chrome/", "HeadlessChrome/", 1) }, "declared,headless", true},
		"a library":          {func(e *event.Event) { e.Context.UserAgent = "python-requests/2.32" }, "library", true},
		"behind a VPN":       {func(e *event.Event) { e.IP = "198.51.100.0" }, "datacentre", false},
		"a private browser":  {func(e *event.Event) { e.Context.Timezone = "UTC" }, "timezone", false},
		"a farm":             {func(e *event.Event) { e.IP, e.Context.Timezone = "198.51.100.0", "UTC" }, "timezone,datacentre", true},
		"a scripted browser": {func(e *event.Event) { e.Context.Screen, e.Context.Locale = "800x600", "en-US@posix" }, "screen,locale", true},
		"no size":            {func(e *event.Event) { e.Context.Screen = "0x0" }, "screen", false},
		"a forged agent":     {func(e *event.Event) { e.Context.UserAgent = strings.Replace(firefox, "rv:128", "rv:115", 1) }, "impossible", false},
		"frozen revision": {func(e *event.Event) {
			e.Context.UserAgent = strings.ReplaceAll(strings.Replace(firefox, "Firefox/128", "Firefox/115", 1), "rv:128", "rv:109")
		}, "", false},
		"two systems":           {func(e *event.Event) { e.Context.UserAgent = chrome + " (iPhone; x)" }, "impossible", false},
		"no agent":              {func(e *event.Event) { e.Context.UserAgent = "" }, "no_agent", false},
		"a client of one's own": {func(e *event.Event) { e.Context = event.Context{} }, "", false},
		"half a browser":        {func(e *event.Event) { e.Context.UserAgent, e.Context.Locale = "", "" }, "no_agent,locale", true},
		"a back end in a cloud": {func(e *event.Event) {
			e.Source, e.IP, e.Context = event.SourceAPI, "198.51.100.0", event.Context{UserAgent: "okhttp/4", Timezone: "UTC"}
		}, "", false},
		"a back end that tells of a crawler": {func(e *event.Event) {
			e.Source, e.Context = event.SourceAPI, event.Context{UserAgent: "Mozilla/5.0 (compatible; Googlebot/2.1)"}
		}, "declared", true},
	} {
		e := page()
		c.change(e)
		got := enriched(full(t), e)
		if got.IsBot != c.bot || got.BotSignals.String() != c.signals {
			t.Errorf("%s: bot %v by %q, want %v by %q", name, got.IsBot, got.BotSignals, c.bot, c.signals)
		}
		if e.IP == "198.51.100.0" && !got.IsDatacentre {
			t.Errorf("%s: the datacentre is not told", name)
		}
	}
	careful := full(t, func(c *enrich.Config) { c.Bot.SignalsMin = 3 })
	e := page()
	e.IP, e.Context.Timezone = "198.51.100.0", "UTC"
	if enriched(careful, e).IsBot {
		t.Error("two signals are enough although three are asked for")
	}
}

func TestReferrersAreTold(t *testing.T) {
	type result struct {
		Kind       enrich.ReferrerKind
		Host, Name string
	}
	for referrer, want := range map[string]result{
		"":                                      {enrich.ReferrerCampaign, "", ""}, // the page's address has one
		"https://www.google.com/":               {enrich.ReferrerSearch, "www.google.com", "Google"},
		"https://google.co.uk/url?q=x":          {enrich.ReferrerSearch, "google.co.uk", "Google"},
		"https://mail.google.com/mail/u/0":      {enrich.ReferrerMail, "mail.google.com", "Gmail"},
		"https://docs.google.com/document/1":    {enrich.ReferrerLink, "docs.google.com", ""},
		"https://gemini.google.com/":            {enrich.ReferrerAI, "gemini.google.com", "Gemini"},
		"https://google.evil-site.example/":     {enrich.ReferrerLink, "google.evil-site.example", ""},
		"https://notbing.com/":                  {enrich.ReferrerLink, "notbing.com", ""},
		"https://cn.bing.com/search?q=x":        {enrich.ReferrerSearch, "cn.bing.com", "Bing"},
		"https://search.yahoo.co.jp/":           {enrich.ReferrerSearch, "search.yahoo.co.jp", "Yahoo"},
		"https://de.linkedin.com/feed":          {enrich.ReferrerSocial, "de.linkedin.com", "LinkedIn"},
		"https://t.co/abc":                      {enrich.ReferrerSocial, "t.co", "X"},
		"https://outlook.office.com/":           {enrich.ReferrerMail, "outlook.office.com", "Outlook"},
		"https://acme.app.slack.com/":           {enrich.ReferrerChat, "acme.app.slack.com", "Slack"},
		"android-app://com.linkedin.android/":   {enrich.ReferrerSocial, "com.linkedin.android", "LinkedIn"},
		"android-app://org.example.reader":      {enrich.ReferrerLink, "org.example.reader", ""},
		"https://PORTAL.example.com/b":          {enrich.ReferrerInternal, "portal.example.com", ""},
		"https://www.portal.example.com/b":      {enrich.ReferrerInternal, "www.portal.example.com", ""},
		"https://blog.example.com/b":            {enrich.ReferrerLink, "blog.example.com", ""},
		"http://user:pass@intranet.example:80/": {enrich.ReferrerLink, "intranet.example", ""},
		"about:blank":                           {},
		"https://":                              {},
		"nonsense":                              {},
	} {
		e := page()
		e.Context.Referrer = referrer
		got := enriched(full(t), e)
		if diff := cmp.Diff(want, result{got.ReferrerKind, got.ReferrerHost, got.ReferrerName}); diff != "" {
			t.Errorf("%q: %s", referrer, diff)
		}
	}
	direct := page()
	direct.Context.URL, direct.Context.Referrer = "https://portal.example.com/", ""
	if got := enriched(full(t), direct).ReferrerKind; got != enrich.ReferrerDirect {
		t.Errorf("a page without referrer is %q", got)
	}
	direct.Context.URL = ""
	if got := enriched(full(t), direct).ReferrerKind; got != "" {
		t.Errorf("an event without page is %q", got)
	}
}

func TestACampaignOfTheProducerIsNotMixedWithTheAddress(t *testing.T) {
	e := page()
	e.Context.UTMMedium = "email"
	if got := enriched(full(t), e); got.UTMMedium != "email" || got.UTMSource != "" || got.UTMCampaign != "" {
		t.Errorf("%q %q %q", got.UTMMedium, got.UTMSource, got.UTMCampaign)
	}
}

// Host, path and campaign are those that net/url reads.
func TestAddressesAreReadAsNetURLDoes(t *testing.T) {
	chain := full(t)
	rapid.Check(t, func(t *rapid.T) {
		u := url.URL{
			Scheme: rapid.SampledFrom([]string{"http", "https", "HTTPS"}).Draw(t, "scheme"),
			Host:   rapid.StringMatching(`[a-zA-Z0-9-]{1,10}(\.[a-z]{2,5}){0,2}(:[0-9]{1,4})?`).Draw(t, "host"),
			Path:   "/" + rapid.String().Draw(t, "path"), Fragment: rapid.String().Draw(t, "fragment"),
		}
		if rapid.Bool().Draw(t, "with user") {
			u.User = url.UserPassword(rapid.String().Draw(t, "user"), "p@:/?#")
		}
		q := url.Values{"utm_term": {strings.ToValidUTF8(rapid.String().Draw(t, "term"), "?")}, "other": {"utm_source=no"}}
		u.RawQuery = q.Encode()
		e := page()
		e.Context.URL = u.String()
		got := enriched(chain, e)
		if want := strings.ToLower(u.Hostname()); got.URLHost != want || got.URLPath != u.EscapedPath() || got.UTMTerm != q.Get("utm_term") || got.UTMSource != "" {
			t.Errorf("%s: host %q, path %q, term %q, source %q", u.String(), got.URLHost, got.URLPath, got.UTMTerm, got.UTMSource)
		}
	})
}

func TestUsersArePseudonymisedByTheKeyOfTheirTenant(t *testing.T) {
	chain := full(t, func(c *enrich.Config) {
		c.PseudonymKeys = map[string]secret.Text{"demo": key, "other": "another key of the other tenant"}
	})
	mac := hmac.New(sha256.New, []byte(key)) // RFC 2104 by the standard library
	mac.Write([]byte("user\x00anna@partner.example"))
	want := "u_" + hex.EncodeToString(mac.Sum(nil))[:32]
	e := page()
	e.Type = event.UserUpserted
	e.Data = []byte(`{"user_id":"anna@partner.example","name":"Anna","role":"sales","email":"anna@partner.example","statement":{"actor":{"mbox":"mailto:a@b"},"verb":{"name":"did"},"user_id":"anna@partner.example"}}`)
	e.Context.URL, e.Context.Referrer = "https://x:y@portal.example.com/a?mail=anna#f", "https://intranet.example/?u=anna"
	got := enriched(chain, e)
	if got.UserID != want || enrich.Pseudonym(key, "anna@partner.example") != want {
		t.Errorf("user is %q, want %q", got.UserID, want)
	}
	if got.URL != "https://portal.example.com/a" || got.Referrer != "https://intranet.example/" {
		t.Errorf("addresses are %q, %q", got.URL, got.Referrer)
	}
	if data := `{"user_id":"` + want + `","role":"sales","statement":{"verb":{"name":"did"},"user_id":"` + want + `"}}`; string(got.Data) != data {
		t.Errorf("data is %s, want %s", got.Data, data)
	}
	other := *e
	other.Tenant = "other"
	second := enriched(chain, &other)
	if second.UserID == want || second.UserID == e.UserID || second.Steps == got.Steps {
		t.Errorf("the other tenant's user is %q, its step %v", second.UserID, second.Steps)
	}
	plain := *e
	plain.Tenant = "plain"
	if third := enriched(chain, &plain); third.UserID != e.UserID || !bytes.Equal(third.Data, e.Data) || third.URL != e.Context.URL {
		t.Errorf("a tenant without key: %+v", third)
	}
}

func TestUnreadableDataIsNotKeptUnderAPseudonym(t *testing.T) {
	chain := full(t, func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"demo": key} })
	for _, data := range []string{`{"user_id":"anna"`, `{"email":`, `{"\u0065mail":"anna"`} {
		e := page()
		e.Data = []byte(data)
		if got := string(enriched(chain, e).Data); got != "{}" {
			t.Errorf("%s is kept as %s", data, got)
		}
	}
	e := page()
	e.Data = []byte(`{"\u0065mail":"anna","\u0075ser_id":5}`)
	if got := string(enriched(chain, e).Data); got != `{"user_id":5}` {
		t.Errorf("escaped names: %s", got)
	}
}

// Whatever comes, nothing panics, the data stays JSON, and no address keeps a query.
func FuzzChain(f *testing.F) {
	f.Add("https://a.example/?utm_source=x", "https://www.google.com/", chrome, "1x1", "203.0.113.0", `{"user_id":"u"}`)
	f.Add("http://[::1]:80/%", "android-app://", "Mozilla/5.0 Firefox/ rv:", "x", "::ffff:1.2.3.4", `{"\u0061ctor":[1,{"mbox":2}]}`)
	chain := full(f, func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"demo": key} })
	f.Fuzz(func(t *testing.T, link, referrer, agent, screen, ip, data string) {
		if !json.Valid([]byte(data)) || !strings.HasPrefix(data, "{") {
			return
		}
		e := page()
		e.Context.URL, e.Context.Referrer, e.Context.UserAgent, e.Context.Screen = link, referrer, agent, screen
		e.IP, e.Data = ip, []byte(data)
		got := enriched(chain, e)
		if !json.Valid(got.Data) {
			t.Errorf("%s became %s", data, got.Data)
		}
		if strings.ContainsAny(got.URL+got.Referrer, "?#") {
			t.Errorf("%q, %q", got.URL, got.Referrer)
		}
		if strings.Contains(got.URLHost, "/") || got.URLPath != "" && got.URLHost == "" {
			t.Errorf("host %q, path %q of %q", got.URLHost, got.URLPath, link)
		}
	})
}

// BenchmarkStep measures each step alone, on an event that gives it work.
func BenchmarkStep(b *testing.B) {
	for _, name := range append(enrich.DefaultSteps(), "all", "none") {
		b.Run(name, func(b *testing.B) {
			chain := full(b, func(c *enrich.Config) {
				switch name {
				case "all":
				case "none":
					c.Steps = nil
				default:
					c.Steps = []string{name}
				}
				if name == "pseudonym" {
					c.PseudonymKeys = map[string]secret.Text{"demo": key}
				}
			})
			e := page()
			fields := enrich.NewExtractor().Extract(e.Type, e.Data)
			w := chain.Worker()
			var out enrich.Enriched
			b.ReportAllocs()
			for b.Loop() {
				w.Enrich(e, &fields, &out)
			}
		})
	}
}
