package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

const (
	dayDispersion  = .22 // log standard deviation of a partner's good and bad days
	sessionGap     = 40 * time.Minute
	internalShare  = .006 // of sessions by the vendor's staff
	botShare       = .008 // of visits by programs
	anonymousShare = .03  // of sessions that begin before the login
)

// session is one visit under construction. Instants are offsets until place()
// puts the visit into the day.
type session struct {
	w         *World
	p         *Partner
	r         *rand.Rand
	contents  []float64 // running weights of the catalogue on the day
	id        string
	user      string
	anonymous string
	internal  bool
	context   event.Context // of the visitor, without the page
	at        time.Duration // since the visit began
	events    []event.Event
}

// sessionsOf plans the visits of a partner's people on a day.
func (w *World) sessionsOf(p *Partner, d Day, out []event.Event) []event.Event {
	r := w.rng(streamSessions, uint64(p.index), uint64(d))
	rate := p.normalRate(d) * p.Fate.factor(d)
	starts := make([]time.Duration, poisson(r, rate*logNormal(r, 1, dayDispersion)))
	for i := range starts {
		starts[i] = p.officeTime(r)
	}
	slices.Sort(starts)
	contents := w.catalog.available(d)
	dayStart, dayEnd := d.Start(w.cfg.Location), (d + 1).Start(w.cfg.Location)
	free := make(map[string]time.Duration, len(starts)) // when a visitor's next session may begin
	for _, start := range starts {
		s := w.newSession(p, r, contents)
		s.visit()
		start = max(start, free[s.user])
		if !s.place(dayStart.Add(start), dayEnd) {
			continue
		}
		free[s.user] = start + s.at + sessionGap
		out = append(out, s.events...)
	}
	return out
}

// newSession draws who comes.
func (w *World) newSession(p *Partner, r *rand.Rand, contents []float64) *session {
	n := weighted(r, p.activity)
	s := &session{w: w, p: p, r: r, contents: contents, user: p.Users[n]}
	s.id = s.newID("s")
	s.context = event.Context{UserAgent: p.agents[n], Locale: p.place.locale, Timezone: p.place.zone, Screen: p.screens[n]}
	switch x := r.Float64(); {
	case x < internalShare:
		s.user, s.internal = fmt.Sprintf("staff-%02d", 1+r.IntN(12)), true
	case x < internalShare+botShare:
		s.user, s.anonymous = "", s.newID("a")
		s.context = event.Context{UserAgent: pick(r, bots())}
	case x < internalShare+botShare+anonymousShare:
		s.anonymous = s.newID("a")
	}
	return s
}

// place moves the visit to its instant; false when it would not end the same day,
// which later days could not know of.
func (s *session) place(start, dayEnd time.Time) bool {
	if !start.Add(s.at).Before(dayEnd) {
		return false
	}
	start = start.Truncate(time.Millisecond)
	for i := range s.events {
		e := &s.events[i]
		e.Time = start.Add(e.Time.Sub(time.Time{})).UTC().Truncate(time.Millisecond)
	}
	return true
}

// visit fills the session: arrival, then a few things that people come for.
func (s *session) visit() {
	switch {
	case s.user == "":
		s.crawl()
		return
	case s.anonymous != "":
		s.arriveByEmail()
	default:
		s.login()
	}
	for range 1 + poisson(s.r, .8) {
		s.pause(4, 45)
		switch x := s.r.Float64(); {
		case x < .36:
			s.search()
		case x < .66:
			s.browse()
		case x < .84:
			s.playbook()
		case x < .92:
			s.page("/training", "Training")
		default:
			s.page("/deals", "Deal registration")
		}
	}
}

// crawl is a program that fetches a few documents.
func (s *session) crawl() {
	for range 1 + s.r.IntN(3) {
		c := s.document()
		s.page(c.path(), c.Title)
		s.pause(1, 4)
	}
}

// arriveByEmail is a click in a newsletter: the document before the login.
func (s *session) arriveByEmail() {
	user := s.user
	s.user = ""
	s.context.UTMSource, s.context.UTMMedium, s.context.UTMCampaign = "newsletter", "email", "partner-update"
	s.view(s.document(), origin{source: "email"})
	s.user = user
	s.context.UTMSource, s.context.UTMMedium, s.context.UTMCampaign = "", "", ""
	s.pause(5, 30)
	s.login()
}

func (s *session) login() {
	if chance(s.r, .03) {
		s.add(event.PortalLogin, "/login", "Sign in", newFields().str("method", "password").flag("success", false).end())
		s.pause(6, 25)
	}
	method := pick(s.r, []string{"sso", "sso", "password"})
	s.add(event.PortalLogin, "/login", "Sign in", newFields().str("method", method).flag("success", true).end())
	s.pause(1, 4)
	s.page("/", "Partner portal")
}

func (s *session) page(path, title string) {
	s.add(event.PageViewed, path, title, newFields().str("view_id", s.newID("v")).str("path", path).str("title", title).end())
}

// browse opens the library and one or two documents.
func (s *session) browse() {
	s.page("/library", "Library")
	for range 1 + poisson(s.r, .35) {
		s.pause(4, 25)
		s.view(s.document(), origin{source: pick(s.r, []string{"browse", "browse", "browse", "link"})})
	}
}

// playbook follows a playbook through some of its documents, and pins it at times.
func (s *session) playbook() {
	b := pick(s.r, s.w.catalog.playbooks)
	s.page("/playbooks/"+b.id, b.title)
	for _, n := range b.contents {
		if s.contents[n] == runningBefore(s.contents, n) || !chance(s.r, .4) {
			continue
		}
		s.pause(4, 20)
		s.view(&s.w.catalog.contents[n], origin{source: "playbook", playbook: b.id})
	}
	switch x := s.r.Float64(); {
	case x < .16:
		s.pause(1, 5)
		s.add(event.PlaybookPinned, "/playbooks/"+b.id, b.title, newFields().str("playbook_id", b.id).end())
	case x < .19:
		s.pause(1, 5)
		s.add(event.PlaybookUnpinned, "/playbooks/"+b.id, b.title, newFields().str("playbook_id", b.id).end())
	}
}

// document draws one that is published, by popularity.
func (s *session) document() *Content { return &s.w.catalog.contents[weighted(s.r, s.contents)] }

func runningBefore(running []float64, n int) float64 {
	if n == 0 {
		return 0
	}
	return running[n-1]
}

// add appends an event at the current offset.
func (s *session) add(t event.Type, path, title string, data jsontext.Value) {
	e := event.Event{
		Type: t, Time: time.Time{}.Add(s.at), UserID: s.user, AnonymousID: s.anonymous, SessionID: s.id,
		Internal: s.internal, Context: s.context, Data: data,
	}
	e.Context.URL = "https://" + s.w.cfg.Portal + "." + s.w.cfg.Tenant + ".example" + path
	e.Context.Title = title
	s.events = append(s.events, e)
}

// pause lets some seconds pass.
func (s *session) pause(lo, hi float64) { s.advance(between(s.r, lo, hi)) }

func (s *session) advance(seconds float64) {
	s.at += time.Duration(seconds * float64(time.Second)).Truncate(time.Millisecond)
}

func (s *session) newID(prefix string) string { return fmt.Sprintf("%s-%016x", prefix, s.r.Uint64()) }
