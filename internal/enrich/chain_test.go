package enrich_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
	"partnerpulse/internal/secret"
)

const (
	chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
	key    = "0123456789abcdef0123456789abcdef"
)

// fakePlaces knows documentation networks (RFC 5737, RFC 3849).
type fakePlaces struct{ version string }

func (fakePlaces) Find(address string) (enrich.Place, bool) {
	switch address {
	case "203.0.113.0":
		return enrich.Place{Country: "DE", Region: "BE", City: "Berlin"}, true
	case "2001:db8:1::":
		return enrich.Place{Country: "FR"}, true
	}
	return enrich.Place{}, false
}

func (p fakePlaces) Version() string { return p.version }

type fakeDirectory struct{}

func (fakeDirectory) Partner(tenant, partner string) (enrich.PartnerAttributes, bool) {
	if tenant == "demo" && partner == "p-1" {
		return enrich.PartnerAttributes{Tier: "gold", Segment: "smb", Region: "EMEA"}, true
	}
	return enrich.PartnerAttributes{}, false
}

func (fakeDirectory) Content(tenant, content string) (enrich.ContentAttributes, bool) {
	if tenant == "demo" && content == "c-1" {
		return enrich.ContentAttributes{Title: "Battlecard", Kind: "pdf"}, true
	}
	return enrich.ContentAttributes{}, false
}

func prefixes(t testing.TB, text string) *enrich.Prefixes {
	t.Helper()
	p, err := enrich.ParsePrefixes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// full is a chain with all reference data.
func full(t testing.TB, change ...func(*enrich.Config)) *enrich.Chain {
	t.Helper()
	cfg := enrich.DefaultConfig()
	cfg.Internal = []enrich.InternalRule{
		{Name: "staff", UserDomains: []string{"acme.example"}},
		{Name: "office", IPPrefixes: []string{"192.0.2.0/24", "2001:db8:f::/48"}, Tenants: []string{"demo"}},
		{Name: "probe", UserAgents: []string{"SyntheticProbe"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	chain, err := enrich.New(cfg, fakeDirectory{})
	if err != nil {
		t.Fatal(err)
	}
	chain.SetReference(enrich.Reference{Places: fakePlaces{"places-1"}, Datacentres: prefixes(t, "198.51.100.0/24 # cloud\n")})
	return chain
}

func page() *event.Event {
	at := time.Date(2026, 11, 3, 9, 15, 0, 0, time.UTC)
	return &event.Event{
		ID: "e1", Type: event.ContentViewed, Time: at, PartnerID: "p-1", UserID: "anna@partner.example", Tenant: "demo",
		ReceivedAt: at.Add(1500 * time.Millisecond), Source: event.SourceTracker, IP: "203.0.113.0",
		Data: []byte(`{"view_id":"v","content_id":"c-1"}`),
		Context: event.Context{
			URL: "https://portal.example.com:8443/docs/a?utm_source=mail&utm_campaign=q4%20push#top", Referrer: "https://www.google.de/",
			UserAgent: chrome, Locale: "de-DE", Timezone: "Europe/Berlin", Screen: "1920x1080",
		},
	}
}

// sorted orders names that commas separate.
func sorted(names string) string {
	return strings.Join(slices.Sorted(strings.SplitSeq(names, ",")), ",")
}

func enriched(chain *enrich.Chain, e *event.Event) (out enrich.Enriched) {
	fields := enrich.NewExtractor().Extract(e.Type, e.Data)
	chain.Worker().Enrich(e, &fields, &out)
	return out
}

func TestEveryStepFillsItsColumnsAndIsListed(t *testing.T) {
	e := page()
	want := enrich.Enriched{
		UserID: e.UserID, IP: "203.0.113.0", URL: e.Context.URL, Referrer: e.Context.Referrer, Data: e.Data,
		Agent:   enrich.Agent{Device: "desktop", OS: "Windows", Browser: "Chrome"},
		Country: "DE", Region: "BE", City: "Berlin", URLHost: "portal.example.com", URLPath: "/docs/a",
		UTMSource: "mail", UTMCampaign: "q4 push", ReferrerKind: enrich.ReferrerSearch, ReferrerHost: "www.google.de", ReferrerName: "Google",
		ClockSkewMS: 1500, Partner: enrich.PartnerAttributes{Tier: "gold", Segment: "smb", Region: "EMEA"},
		Content: enrich.ContentAttributes{Title: "Battlecard", Kind: "pdf"},
	}
	got := enriched(full(t), e)
	var names []string
	steps := strings.Split(got.Steps, ",")
	for _, s := range steps {
		name, _, _ := strings.Cut(s, "/")
		names = append(names, name)
	}
	wantNames := slices.DeleteFunc(enrich.DefaultSteps(), func(s string) bool { return s == "pseudonym" }) // the tenant has no key
	if !slices.Equal(names, wantNames) || !slices.Contains(steps, "geo/1+places-1") {
		t.Errorf("steps are %v", got.Steps)
	}
	got.Steps = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStepThatIsOffLeavesItsColumnsEmpty(t *testing.T) {
	for _, off := range enrich.DefaultSteps() {
		chain := full(t, func(c *enrich.Config) {
			c.Steps = slices.DeleteFunc(enrich.DefaultSteps(), func(s string) bool { return s == off })
			c.PseudonymKeys = map[string]secret.Text{"demo": key}
		})
		got := enriched(chain, page())
		empty := map[string]bool{
			"ip": true, "user_agent": got.Agent == (enrich.Agent{}), "datacentre": !got.IsDatacentre, "bot": !got.IsBot,
			"geo": got.Country == "", "url": got.URLHost == "", "utm": got.UTMSource == "", "referrer": got.ReferrerKind == "",
			"internal": !got.Internal, "clock": got.ClockSkewMS == 0, "directory": got.Partner.Tier == "" && got.Content.Title == "",
			"pseudonym": got.UserID == "anna@partner.example" && strings.Contains(got.URL, "?"),
		}
		if !empty[off] {
			t.Errorf("%s is off, but %+v", off, got)
		}
		for s := range strings.SplitSeq(got.Steps, ",") {
			if strings.HasPrefix(s, off+"/") {
				t.Errorf("%s is off and listed in %v", off, got.Steps)
			}
		}
	}
}

func TestWrongConfigurationsAreRefusedWithAllReasons(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*enrich.Config)
		want   []string
	}{
		"unknown":   {func(c *enrich.Config) { c.Steps = []string{"geo", "weather"} }, []string{`"weather" is no step`}},
		"twice":     {func(c *enrich.Config) { c.Steps = []string{"geo", "geo"} }, []string{`"geo" stands twice`}},
		"bot first": {func(c *enrich.Config) { c.Steps = []string{"bot", "user_agent"} }, []string{"put user_agent before bot"}},
		"referrer before both": {
			func(c *enrich.Config) { c.Steps = []string{"referrer", "utm", "url"} },
			[]string{"put utm before referrer", "put url before referrer"},
		},
		"rules": {
			func(c *enrich.Config) {
				c.Internal = []enrich.InternalRule{{Name: "x", IPPrefixes: []string{"192.0.2.128/25", "nonsense"}}, {UserAgents: []string{""}}, {Name: "y"}}
			},
			[]string{"192.0.2.128/25 is longer than /24", "nonsense", "internal[1]: name is empty", "user_agents has an empty entry", "internal[2]: it matches nothing"},
		},
		"bits":  {func(c *enrich.Config) { c.IP.V4Bits = 25 }, []string{"v4_bits must be within 0–24"}},
		"bot":   {func(c *enrich.Config) { c.Bot.SignalsMin = 0 }, []string{"signals_min must be positive"}},
		"key":   {func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"acme": "short"} }, []string{"pseudonym key of tenant acme has 5 bytes"}},
		"valid": {func(*enrich.Config) {}, nil},
		"few":   {func(c *enrich.Config) { c.Steps = []string{"bot"} }, nil},
		"none":  {func(c *enrich.Config) { c.Steps = nil }, nil},
	} {
		cfg := enrich.DefaultConfig()
		c.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "short") {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
}

// drawEvent makes events whose fields hit and miss what the steps look for.
func drawEvent(t *rapid.T) *event.Event {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC()
	data, err := json.Marshal(map[string]any{
		"content_id": pick("content", "c-1", "c-2", ""), pick("member", "email", "user_id", "plain", "actor"): rapid.String().Draw(t, "value"),
		"nested": map[string]any{"user_id": "anna", "mbox": "mailto:anna@partner.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &event.Event{
		ID: "e", Type: rapid.SampledFrom(event.Types()).Draw(t, "type"), Time: at, ReceivedAt: at.Add(time.Duration(rapid.Int32().Draw(t, "late")) * time.Millisecond),
		PartnerID: pick("partner", "p-1", "p-2", "-"), Tenant: pick("tenant", "demo", "keyed"), Internal: rapid.Bool().Draw(t, "internal"),
		UserID: pick("user", "", "anna@partner.example", "bob@acme.example", "eve@notacme.example"),
		Source: rapid.SampledFrom([]event.Source{event.SourceTracker, event.SourceAPI, event.SourceSegment, event.SourcePixel}).Draw(t, "source"),
		IP:     pick("ip", "", "203.0.113.0", "198.51.100.0", "192.0.2.0", "2001:db8:1::", "203.0.113.77", "junk"), Data: data,
		Context: event.Context{
			URL:      pick("url", "", "https://portal.example.com/a?utm_source=x&q=1", "https://u:p@portal.example.com", "junk", "https://portal.example.com/%zz?utm_medium=%zz"),
			Referrer: pick("referrer", "", "https://www.google.co.uk/search", "https://portal.example.com/b", "android-app://com.slack/", "https://lnkd.in/x", "://"),
			UserAgent: pick("agent", "", chrome, "curl/8.0", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "SyntheticProbe/2",
				"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/129.0"),
			Locale: pick("locale", "", "de", "en-US@posix"), Timezone: pick("zone", "", "UTC", "Europe/Berlin"), Screen: pick("screen", "", "800x600", "1920x1080", "0x0", "axb"),
			UTMSource: pick("utm", "", "newsletter"),
		},
	}
}

func clone(e *event.Event) event.Event {
	c := *e
	c.Data = slices.Clone(e.Data)
	return c
}

// The chain is a pure function: same in, same out, whatever the worker saw before,
// and the event stays as it was.
func TestTheChainIsPure(t *testing.T) {
	chain := full(t, func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"keyed": key} })
	used := chain.Worker()
	rapid.Check(t, func(rt *rapid.T) {
		e := drawEvent(rt)
		before := clone(e)
		fields := enrich.NewExtractor().Extract(e.Type, e.Data)
		var first, again, fresh enrich.Enriched
		used.Enrich(e, &fields, &first)
		used.Enrich(e, &fields, &again)
		chain.Worker().Enrich(e, &fields, &fresh)
		if diff := cmp.Diff(first, again) + cmp.Diff(first, fresh); diff != "" {
			rt.Errorf("not the same again: %s", diff)
		}
		if diff := cmp.Diff(before, *e); diff != "" {
			rt.Errorf("the event was changed: %s", diff)
		}
	})
}

// Any permitted order of the steps gives the same row.
func TestTheOrderOfStepsDoesNotMatterWhereItIsAllowed(t *testing.T) {
	usual := full(t, func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"keyed": key} })
	rapid.Check(t, func(rt *rapid.T) {
		cfg := enrich.DefaultConfig()
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		for {
			random.Shuffle(len(cfg.Steps), func(i, j int) { cfg.Steps[i], cfg.Steps[j] = cfg.Steps[j], cfg.Steps[i] })
			if cfg.Validate() == nil {
				break
			}
		}
		other := full(t, func(c *enrich.Config) {
			c.Steps, c.PseudonymKeys = cfg.Steps, map[string]secret.Text{"keyed": key}
		})
		e := drawEvent(rt)
		a, b := enriched(usual, e), enriched(other, e)
		a.Steps, b.Steps = sorted(a.Steps), sorted(b.Steps)
		if diff := cmp.Diff(a, b); diff != "" {
			rt.Errorf("order %v: %s", cfg.Steps, diff)
		}
	})
}

// A row is a fixed point: what is left of address, URL and data, enriched again, is
// the same.
func TestWhatWasRemovedStaysRemoved(t *testing.T) {
	chain := full(t, func(c *enrich.Config) { c.PseudonymKeys = map[string]secret.Text{"keyed": key} })
	rapid.Check(t, func(rt *rapid.T) {
		e := drawEvent(rt)
		e.Tenant = "keyed"
		first := enriched(chain, e)
		again := *e
		again.IP, again.Context.URL, again.Context.Referrer = first.IP, first.URL, first.Referrer
		again.Data = first.Data
		second := enriched(chain, &again)
		if first.IP != second.IP || first.URL != second.URL || first.Referrer != second.Referrer {
			rt.Errorf("%+v, then %+v", first, second)
		}
		for _, secret := range []string{"anna", "mbox", `"email"`, `"actor"`} {
			if strings.Contains(string(first.Data), secret) {
				rt.Errorf("data still holds %s: %s", secret, first.Data)
			}
		}
		if !json.Valid(first.Data) {
			rt.Errorf("data is no JSON: %s", first.Data)
		}
	})
}

func TestRulesMarkInternalTrafficAndSayWhich(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*event.Event)
		want   string
		marked bool
	}{
		"nobody":             {func(*event.Event) {}, "", false},
		"the producer":       {func(e *event.Event) { e.Internal = true }, "", true},
		"staff":              {func(e *event.Event) { e.UserID = "Bob@ACME.example" }, "staff", true},
		"staff of a part":    {func(e *event.Event) { e.UserID = "bob@de.acme.example" }, "staff", true},
		"another domain":     {func(e *event.Event) { e.UserID = "bob@notacme.example" }, "", false},
		"no address":         {func(e *event.Event) { e.UserID = "acme.example" }, "", false},
		"office":             {func(e *event.Event) { e.IP = "192.0.2.0" }, "office", true},
		"office by v6":       {func(e *event.Event) { e.IP = "2001:db8:f::" }, "office", true},
		"office of another":  {func(e *event.Event) { e.IP, e.Tenant = "192.0.2.0", "other" }, "", false},
		"probe":              {func(e *event.Event) { e.Context.UserAgent = "SyntheticProbe/2" }, "probe", true},
		"the first one wins": {func(e *event.Event) { e.UserID, e.IP = "b@acme.example", "192.0.2.0" }, "staff", true},
	} {
		e := page()
		c.change(e)
		got := enriched(full(t), e)
		if got.Internal != c.marked || got.InternalRule != c.want {
			t.Errorf("%s: internal %v by %q", name, got.Internal, got.InternalRule)
		}
	}
}

func TestAddressesAreCutAndLookedUpByNetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"203.0.113.77": "203.0.113.0", "203.0.113.0": "203.0.113.0", "::ffff:203.0.113.9": "203.0.113.0",
		"2001:db8:1:2:3::4": "2001:db8:1::", "fe80::1%eth0": "fe80::", "junk": "", "": "",
	} {
		e := page()
		e.IP = ip
		if got := enriched(full(t), e).IP; got != want {
			t.Errorf("%q is kept as %q, want %q", ip, got, want)
		}
	}
	none := full(t, func(c *enrich.Config) { c.IP = enrich.IPConfig{V4Bits: 0, V6Bits: 32} })
	if got := enriched(none, page()); got.IP != "" || got.Country != "DE" {
		t.Errorf("without an address: %q, %q", got.IP, got.Country)
	}
	coarse := page()
	coarse.IP = "2001:db8:1::"
	if got := enriched(none, coarse); got.IP != "2001:db8::" || got.Country != "FR" {
		t.Errorf("coarse: %q, %q", got.IP, got.Country)
	}
}

func TestNewReferenceDataShowsInTheRow(t *testing.T) {
	chain := full(t)
	w := chain.Worker()
	e, fields := page(), enrich.Fields{}
	var out enrich.Enriched
	w.Enrich(e, &fields, &out)
	chain.SetReference(enrich.Reference{Places: fakePlaces{"places-2"}})
	w.Enrich(e, &fields, &out)
	if !strings.Contains(out.Steps, "geo/1+places-1") {
		t.Errorf("new data within a batch: %v", out.Steps)
	}
	w.Refresh()
	w.Enrich(e, &fields, &out)
	if !strings.Contains(out.Steps, "geo/1+places-2") || strings.Contains(out.Steps, "datacentre/") {
		t.Errorf("after a change: %v", out.Steps)
	}
}

func TestPrefixesAgreeWithTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, bitsMin int) netip.Prefix {
			a := netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(0, 3).Draw(t, name+" 1")), byte(rapid.IntRange(0, 3).Draw(t, name+" 2")), byte(rapid.IntRange(0, 255).Draw(t, name+" 3"))})
			return netip.PrefixFrom(a, rapid.IntRange(bitsMin, 30).Draw(t, name+" bits"))
		}
		var text strings.Builder
		var list []netip.Prefix
		for i := range rapid.IntRange(0, 12).Draw(t, "count") {
			p := draw(fmt.Sprint("prefix ", i), 20)
			list = append(list, p.Masked())
			fmt.Fprintln(&text, p, "name", i)
		}
		set, err := enrich.ParsePrefixes([]byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		asked := draw("asked", 24).Masked()
		want := true // every address is in some prefix
		for a := asked.Addr(); asked.Contains(a); a = a.Next() {
			want = want && slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		if got := set.Holds(asked); got != want {
			t.Errorf("%v holds %v: %v, want %v", list, asked, got, want)
		}
	})
	for _, bad := range []string{"10.0.0.0", "x/8", "10.0.0.0/33", "::ffff:10.0.0.0/104"} {
		if _, err := enrich.ParsePrefixes([]byte("# list\n" + bad + "\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
