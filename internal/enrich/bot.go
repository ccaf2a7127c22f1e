package enrich

import (
	"strconv"
	"strings"

	"partnerpulse/internal/event"
)

// Signals is a set of reasons to take somebody for a bot.
type Signals uint16

// The signals. A strong one makes a bot alone, weak ones together: each of them
// has an innocent explanation (docs/ENRICHMENT.md names it).
const (
	SignalDeclared   Signals = 1 << iota // strong: the user agent names a crawler
	SignalHeadless                       // strong: the user agent names a browser under automation
	SignalLibrary                        // strong where a browser must be: an HTTP library
	SignalImpossible                     // weak: the user agent contradicts itself
	SignalNoAgent                        // weak: a browser without user agent
	SignalScreen                         // weak: a screen that no device has, or that of a headless browser
	SignalTimezone                       // weak: a desktop in the time zone UTC
	SignalLocale                         // weak: a browser without language
	SignalDatacentre                     // weak: the network of a datacentre
	signalsEnd
)

const signalsStrong = SignalDeclared | SignalHeadless

// signalNames are the names by bit.
func signalNames() []string {
	return []string{"declared", "headless", "library", "impossible", "no_agent", "screen", "timezone", "locale", "datacentre"}
}

// String lists the names, separated by commas.
func (s Signals) String() string {
	if s == 0 {
		return ""
	}
	var names []string
	for i, name := range signalNames() {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

func (s Signals) count() (n int) {
	for ; s != 0; s &= s - 1 {
		n++
	}
	return n
}

// automation are marks of browsers that a program drives, as their makers write
// them into the user agent.
func automation() []string {
	return []string{"HeadlessChrome", "Headless", "PhantomJS", "Selenium", "Puppeteer", "Playwright", "Cypress", "jsdom", "Nightmare", "SlimerJS"}
}

// libraries are how HTTP clients name themselves, at the start.
func libraries() []string {
	return []string{
		"curl/", "Wget/", "python-requests/", "Python-urllib/", "python-httpx/", "aiohttp/", "Go-http-client/", "okhttp/",
		"Java/", "Apache-HttpClient/", "axios/", "node-fetch", "node", "undici", "got (", "Ruby", "Faraday", "libwww-perl/",
		"PostmanRuntime/", "insomnia/", "Scrapy/", "GuzzleHttp/", "PHP/", "HTTPie/",
	}
}

// agentSignals is what the user agent alone says.
func agentSignals(s string, a *Agent) (out Signals) {
	if a.Bot || namesCrawler(s) {
		out |= SignalDeclared
	}
	for _, mark := range automation() {
		if strings.Contains(s, mark) {
			out |= SignalHeadless
			break
		}
	}
	for _, name := range libraries() {
		if strings.HasPrefix(s, name) {
			out |= SignalLibrary
			break
		}
	}
	if isImpossible(s) {
		out |= SignalImpossible
	}
	return out
}

// namesCrawler tells the user agents of crawlers that the parser does not know: by
// custom they carry one of these words, or an address that explains them.
func namesCrawler(s string) bool {
	lower := strings.ToLower(s)
	for _, mark := range []string{"bot/", "bot;", "spider", "crawler", "+http://", "+https://"} {
		if strings.Contains(lower, mark) {
			return true
		}
	}
	return false
}

// firefoxFrozen are the versions whose rv: stayed at 109.0 on purpose
// (https://developer.mozilla.org/docs/Web/HTTP/Headers/User-Agent/Firefox).
const (
	firefoxFrozenFirst = 110
	firefoxFrozenLast  = 119
)

// isImpossible tells a user agent that no browser sends: two operating systems at
// once, a Windows that does not exist, a Chromium without its engine, or a Firefox
// whose two version numbers differ.
func isImpossible(s string) bool {
	systems := 0
	for _, mark := range []string{"Windows NT", "Macintosh;", "iPhone;", "iPad;", "CrOS "} {
		if strings.Contains(s, mark) {
			systems++
		}
	}
	if systems > 1 {
		return true
	}
	if v, ok := numberAfter(s, "Windows NT "); ok && v > 11 {
		return true
	}
	if strings.Contains(s, " Chrome/") && !strings.Contains(s, "AppleWebKit/") {
		return true
	}
	version, ok := numberAfter(s, " Firefox/")
	revision, ok2 := numberAfter(s, "rv:")
	if !ok || !ok2 || version == revision {
		return false
	}
	return version < firefoxFrozenFirst || version > firefoxFrozenLast || revision != firefoxFrozenFirst-1
}

// numberAfter reads the whole number behind a mark.
func numberAfter(s, mark string) (int, bool) {
	at := strings.Index(s, mark)
	if at < 0 {
		return 0, false
	}
	s = s[at+len(mark):]
	end := 0
	for end < len(s) && end < 6 && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, err == nil
}

// applyBot decides by all signals. Only what claims to be a browser is held to be
// one: a back end rightly sends from a datacentre, with a library, without a screen.
func applyBot(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	browser := e.Source == event.SourceTracker
	if !browser {
		// What the parts say of the end user's agent counts from everywhere.
		out.BotSignals &= signalsStrong
		out.IsBot = out.BotSignals != 0
		return e.Context.UserAgent != ""
	}
	out.BotSignals |= contextSignals(&e.Context, &out.Agent)
	if out.IsDatacentre {
		out.BotSignals |= SignalDatacentre
	}
	strong := out.BotSignals & (signalsStrong | SignalLibrary)
	weak := out.BotSignals &^ (signalsStrong | SignalLibrary)
	out.IsBot = strong != 0 || weak.count() >= w.chain.cfg.Bot.SignalsMin
	return true
}

// contextSignals is what a browser told of itself besides the user agent. Who sends
// no context at all has written a client of his own, and is not judged by it.
func contextSignals(c *event.Context, a *Agent) (out Signals) {
	if c.UserAgent == "" && c.Locale == "" && c.Timezone == "" && c.Screen == "" {
		return 0
	}
	if c.UserAgent == "" {
		out |= SignalNoAgent
	}
	if c.Locale == "" || c.Locale == "C" || strings.Contains(c.Locale, "@") {
		out |= SignalLocale
	}
	if a.Device == "desktop" && (c.Timezone == "UTC" || c.Timezone == "Etc/UTC" || c.Timezone == "Etc/Unknown") {
		out |= SignalTimezone
	}
	if isImpossibleScreen(c.Screen, a) {
		out |= SignalScreen
	}
	return out
}

// screenMin is less than any device has that can show a portal, in CSS pixels.
const screenMin = 120

// isImpossibleScreen tells a size that no device has. 800x600 on a desktop is what
// Chromium's headless mode has unless its switch --screen-info says otherwise.
func isImpossibleScreen(screen string, a *Agent) bool {
	if screen == "" {
		return false
	}
	width, height, ok := strings.Cut(screen, "x")
	w, err := strconv.Atoi(width)
	h, err2 := strconv.Atoi(height)
	if !ok || err != nil || err2 != nil {
		return true
	}
	return w < screenMin || h < screenMin || a.Device == "desktop" && w == 800 && h == 600
}
