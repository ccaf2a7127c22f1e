package enrich

import (
	"strings"

	"partnerpulse/internal/event"
)

// ReferrerKind says where a visit came from. The kinds follow the default channel
// group of Google Analytics 4 (https://support.google.com/analytics/answer/9756891),
// told by the referring site instead of by paid media.
type ReferrerKind string

// The kinds.
const (
	ReferrerDirect   ReferrerKind = "direct"    // a page without referrer and campaign
	ReferrerCampaign ReferrerKind = "campaign"  // a page without referrer, with a campaign
	ReferrerInternal ReferrerKind = "internal"  // the same portal
	ReferrerSearch   ReferrerKind = "search"    // a search engine
	ReferrerSocial   ReferrerKind = "social"    // a social network
	ReferrerMail     ReferrerKind = "mail"      // web mail
	ReferrerChat     ReferrerKind = "chat"      // a team's chat or video call
	ReferrerAI       ReferrerKind = "assistant" // an AI assistant
	ReferrerLink     ReferrerKind = "link"      // any other site
)

// site is what is known of a referring site.
type site struct {
	host, name string
	kind       ReferrerKind
}

// applyReferrer tells where the visit came from. Only pages have a referrer: events
// of back ends, which name no page, get no kind.
func applyReferrer(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	if e.Context.Referrer == "" {
		switch {
		case e.Context.URL == "":
			return false
		case out.UTMSource != "" || out.UTMMedium != "" || out.UTMCampaign != "":
			out.ReferrerKind = ReferrerCampaign
		default:
			out.ReferrerKind = ReferrerDirect
		}
		return true
	}
	s := w.referrers.get(e.Context.Referrer, classify)
	if s.host == "" {
		return false
	}
	out.ReferrerHost, out.ReferrerName, out.ReferrerKind = s.host, s.name, s.kind
	if page, ok := split(e.Context.URL); ok && sameSite(page.host, s.host) {
		out.ReferrerName, out.ReferrerKind = "", ReferrerInternal
	}
	return true
}

// sameSite tells whether two hosts are one portal: the same but for "www.".
func sameSite(a, b string) bool {
	return strings.TrimPrefix(a, "www.") == strings.TrimPrefix(b, "www.")
}

// classify tells the site of a referrer, without regard to the page it led to.
func classify(referrer string) site {
	if app, ok := strings.CutPrefix(referrer, "android-app://"); ok {
		host, _, _ := strings.Cut(strings.ToLower(app), "/")
		if known, ok := androidApp(host); ok {
			return known
		}
		return site{host: host, kind: ReferrerLink}
	}
	a, ok := split(referrer)
	if !ok {
		return site{}
	}
	for domain := a.host; domain != ""; {
		if kind, name, ok := knownDomain(domain); ok {
			return site{host: a.host, name: name, kind: kind}
		}
		_, parent, _ := strings.Cut(domain, ".")
		domain = parent
	}
	if name, ok := searchBrand(a.host); ok {
		return site{host: a.host, name: name, kind: ReferrerSearch}
	}
	return site{host: a.host, kind: ReferrerLink}
}

// searchBrand tells search engines with a domain in many countries, such as
// google.de and google.co.uk.
func searchBrand(host string) (string, bool) {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		ending := labels[i+1:]
		if len(ending) == 0 || len(ending) > 2 || len(ending) == 2 && (len(ending[0]) > 3 || len(ending[1]) != 2) {
			continue
		}
		switch label {
		case "google":
			return "Google", true
		case "yahoo":
			return "Yahoo", true
		case "yandex":
			return "Yandex", true
		}
	}
	return "", false
}

// androidApp tells apps, which Android names instead of a page.
func androidApp(name string) (site, bool) {
	switch name {
	case "com.google.android.googlequicksearchbox":
		return site{host: name, name: "Google", kind: ReferrerSearch}, true
	case "com.google.android.gm":
		return site{host: name, name: "Gmail", kind: ReferrerMail}, true
	case "com.linkedin.android":
		return site{host: name, name: "LinkedIn", kind: ReferrerSocial}, true
	case "com.slack":
		return site{host: name, name: "Slack", kind: ReferrerChat}, true
	case "com.microsoft.office.outlook":
		return site{host: name, name: "Outlook", kind: ReferrerMail}, true
	}
	return site{}, false
}

// knownDomain is the table of sites: the public host names of the services that a
// business user comes from, as their operators publish them. The longest name that
// fits counts, so mail.google.com is mail and www.google.com a search.
func knownDomain(domain string) (ReferrerKind, string, bool) {
	switch domain {
	case "bing.com":
		return ReferrerSearch, "Bing", true
	case "duckduckgo.com":
		return ReferrerSearch, "DuckDuckGo", true
	case "baidu.com":
		return ReferrerSearch, "Baidu", true
	case "ecosia.org":
		return ReferrerSearch, "Ecosia", true
	case "search.brave.com":
		return ReferrerSearch, "Brave Search", true
	case "startpage.com":
		return ReferrerSearch, "Startpage", true
	case "qwant.com":
		return ReferrerSearch, "Qwant", true
	case "kagi.com":
		return ReferrerSearch, "Kagi", true
	case "naver.com":
		return ReferrerSearch, "Naver", true
	case "daum.net":
		return ReferrerSearch, "Daum", true
	case "sogou.com":
		return ReferrerSearch, "Sogou", true
	case "seznam.cz":
		return ReferrerSearch, "Seznam", true
	case "ya.ru":
		return ReferrerSearch, "Yandex", true
	}
	if name, ok := socialDomain(domain); ok {
		return ReferrerSocial, name, true
	}
	if name, ok := mailDomain(domain); ok {
		return ReferrerMail, name, true
	}
	switch domain {
	case "app.slack.com", "slack-redir.net":
		return ReferrerChat, "Slack", true
	case "teams.microsoft.com", "teams.cloud.microsoft", "statics.teams.cdn.office.net":
		return ReferrerChat, "Microsoft Teams", true
	case "chat.google.com", "meet.google.com":
		return ReferrerChat, "Google Chat", true
	case "zoom.us":
		return ReferrerChat, "Zoom", true
	case "chatgpt.com", "chat.openai.com":
		return ReferrerAI, "ChatGPT", true
	case "claude.ai":
		return ReferrerAI, "Claude", true
	case "gemini.google.com":
		return ReferrerAI, "Gemini", true
	case "copilot.microsoft.com":
		return ReferrerAI, "Copilot", true
	case "perplexity.ai":
		return ReferrerAI, "Perplexity", true
	case "docs.google.com", "drive.google.com", "sites.google.com", "accounts.google.com":
		return ReferrerLink, "", true // Google, but no search
	}
	return "", "", false
}

func socialDomain(domain string) (string, bool) {
	switch domain {
	case "linkedin.com", "lnkd.in":
		return "LinkedIn", true
	case "facebook.com", "fb.com", "fb.me":
		return "Facebook", true
	case "instagram.com":
		return "Instagram", true
	case "twitter.com", "t.co", "x.com":
		return "X", true
	case "youtube.com", "youtu.be":
		return "YouTube", true
	case "reddit.com":
		return "Reddit", true
	case "xing.com":
		return "XING", true
	case "tiktok.com":
		return "TikTok", true
	case "pinterest.com":
		return "Pinterest", true
	case "bsky.app":
		return "Bluesky", true
	case "mastodon.social":
		return "Mastodon", true
	case "threads.net", "threads.com":
		return "Threads", true
	case "news.ycombinator.com":
		return "Hacker News", true
	case "vk.com":
		return "VK", true
	case "weibo.com":
		return "Weibo", true
	}
	return "", false
}

func mailDomain(domain string) (string, bool) {
	switch domain {
	case "mail.google.com":
		return "Gmail", true
	case "outlook.live.com", "outlook.office.com", "outlook.office365.com", "outlook.cloud.microsoft":
		return "Outlook", true
	case "mail.yahoo.com":
		return "Yahoo Mail", true
	case "mail.proton.me":
		return "Proton Mail", true
	case "mail.zoho.com":
		return "Zoho Mail", true
	case "mail.aol.com":
		return "AOL Mail", true
	case "mail.yandex.ru", "mail.yandex.com":
		return "Yandex Mail", true
	case "webmail.gmx.net", "navigator.gmx.net":
		return "GMX", true
	case "deref-web.de", "navigator.web.de":
		return "WEB.DE", true
	case "app.fastmail.com":
		return "Fastmail", true
	}
	return "", false
}
