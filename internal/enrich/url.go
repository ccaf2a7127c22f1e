package enrich

import (
	"net/url"
	"strings"

	"partnerpulse/internal/event"
)

// address is a URL in parts, as substrings of it.
type address struct {
	host, path, query string
}

// split takes an http or https URL apart without allocating, apart from a host in
// capitals. ok is false for anything else.
func split(raw string) (a address, ok bool) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return a, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, a.query, _ = strings.Cut(rest, "?")
	host, path := rest, ""
	if at := strings.IndexByte(rest, '/'); at >= 0 {
		host, path = rest[:at], rest[at:]
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:at]
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || strings.ContainsAny(host, " \t\"<>\\") {
		return address{}, false
	}
	if path == "" {
		path = "/"
	}
	a.host, a.path = host, path
	return a, true
}

// applyURL takes the page's address apart.
func applyURL(_ *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	a, ok := split(e.Context.URL)
	if ok {
		out.URLHost, out.URLPath = a.host, a.path
	}
	return ok
}

// applyUTM reads the campaign from the page's address, unless the producer named
// one: two campaigns are never mixed.
func applyUTM(_ *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	c := &e.Context
	if c.UTMSource != "" || c.UTMMedium != "" || c.UTMCampaign != "" || c.UTMTerm != "" || c.UTMContent != "" ||
		!strings.Contains(c.URL, "utm_") {
		return false
	}
	a, ok := split(c.URL)
	if !ok {
		return false
	}
	found := false
	for pair := range strings.SplitSeq(a.query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var target *string
		switch name {
		case "utm_source":
			target = &out.UTMSource
		case "utm_medium":
			target = &out.UTMMedium
		case "utm_campaign":
			target = &out.UTMCampaign
		case "utm_term":
			target = &out.UTMTerm
		case "utm_content":
			target = &out.UTMContent
		default:
			continue
		}
		text, err := url.QueryUnescape(value)
		if err != nil || *target != "" || text == "" {
			continue // the first one counts
		}
		*target = strings.ToValidUTF8(text, "?")
		found = true
	}
	return found
}
