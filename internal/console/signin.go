package console

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"partnerpulse/internal/keys"
)

// Bounds of signing in.
const (
	sessionCookie  = "pp_desk"
	sessionLife    = 8 * time.Hour
	sessionsMax    = 1000
	actorRunesMax  = 100
	formBytesMax   = 16 << 10
	signInHere     = "/alerts/sign-in"
	signOutHere    = "/alerts/sign-out"
	refusedMessage = "This key may not see to alerts: it needs to be a valid server key of this programme with the scope “alerts”."
)

// session is somebody who signed in with a key. The key is kept and asked about each
// time, so that one that is revoked is of no use at once.
type session struct {
	secret  string
	actor   string
	form    string // token of every form of the session
	expires time.Time
}

// sessions are kept in memory: who signs in at one console is not signed in at another
// replica, and not after a restart.
type sessions struct {
	mu sync.Mutex
	of map[string]session // by the cookie's value
}

// open begins a session and gives the cookie's value; false when there are too many.
func (s *sessions) open(secret, actor string, now time.Time) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, old := range s.of {
		if now.After(old.expires) {
			delete(s.of, id)
		}
	}
	if len(s.of) >= sessionsMax {
		return "", false
	}
	if s.of == nil {
		s.of = make(map[string]session)
	}
	id := rand.Text()
	s.of[id] = session{secret: secret, actor: actor, form: rand.Text(), expires: now.Add(sessionLife)}
	return id, true
}

func (s *sessions) get(id string, now time.Time) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.of[id]
	return found, ok && now.Before(found.expires)
}

func (s *sessions) close(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

// signedIn gives the session of a request, if its key may still give commands.
func (c *Console) signedIn(r *http.Request) (session, *keys.Key, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, nil, false
	}
	s, ok := c.sessions.get(cookie.Value, time.Now())
	if !ok {
		return session{}, nil, false
	}
	key, ok := c.mayCommand(r, s.secret)
	return s, key, ok
}

// mayCommand asks whether a secret is that of a key that may give commands.
func (c *Console) mayCommand(r *http.Request, secret string) (*keys.Key, bool) {
	asked := r.Clone(r.Context())
	asked.Header = http.Header{"Authorization": {"Bearer " + secret}}
	key, _, problem := c.commander(asked)
	return key, problem == nil
}

// ours tells whether a form was sent from a page of the session: the token that other
// sites cannot read is in it. Cross-origin requests are refused before that, and the
// cookie is not sent with them.
func (s *session) ours(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(s.form)) == 1
}

// deskSignIn takes a server key and a name, and begins a session.
func (c *Console) deskSignIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	back := "/alerts"
	if id := r.PostFormValue("alert"); validAlertID(id) {
		back += "/" + id
	}
	actor := r.PostFormValue("actor")
	if actor == "" || utf8.RuneCountInString(actor) > actorRunesMax {
		c.alertTrouble(w, r, http.StatusBadRequest, "Say who you are, in 1 to 100 characters: it is recorded with what you do.")
		return
	}
	secret := r.PostFormValue("key")
	if _, ok := c.mayCommand(r, secret); !ok {
		c.alertTrouble(w, r, http.StatusForbidden, refusedMessage)
		return
	}
	id, ok := c.sessions.open(secret, actor, time.Now())
	if !ok {
		c.alertTrouble(w, r, http.StatusServiceUnavailable, "Too many people are signed in. Try again later.")
		return
	}
	http.SetCookie(w, deskCookie(r, id, int(sessionLife/time.Second)))
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (c *Console) deskSignOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.sessions.close(cookie.Value)
	}
	http.SetCookie(w, deskCookie(r, "", -1))
	http.Redirect(w, r, "/alerts", http.StatusSeeOther)
}

// deskCookie is for the alerts' pages alone, out of scripts' reach, and never sent
// along with another site's request.
func deskCookie(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure wherever the browser came by https; the console also serves plain http on loopback
		Name: sessionCookie, Value: value, Path: "/alerts", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}
