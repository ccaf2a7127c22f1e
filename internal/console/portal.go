package console

import (
	"net/http"
	"regexp"
	"strings"
)

// The demo portal remembers who is signed in with cookies of its own, as portals
// do; the tracker uses none.
const (
	partnerCookie = "demo_partner"
	userCookie    = "demo_user"
)

// Defaults of the sign-in form.
const (
	partnerDefault = "p-0001"
	userDefault    = "demo-user"
)

// visit is what every page of the portal knows.
type visit struct {
	Config       Config
	Partner      string
	User         string
	Path         string
	Title        string
	JustSignedIn bool
	Problem      string

	Documents []*document
	Document  *document
	Related   []*document
	Playbooks []*playbook
	Courses   []course
	Kinds     []string
	Query     string
	Kind      string
	Searched  bool
}

// portalRoutes adds the demo portal.
func (c *Console) portalRoutes(handle func(string, http.HandlerFunc)) {
	handle("GET /demo/{$}", c.signInPage)
	handle("GET /demo", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/demo/", http.StatusSeeOther) })
	handle("POST /demo/signin", c.signIn)
	handle("POST /demo/signout", c.signOut)
	for route, page := range map[string]struct {
		file, title string
		fill        func(*visit, *http.Request) bool
	}{
		"home":         {"portal_home.html", "Home", c.fillHome},
		"library":      {"portal_library.html", "Library", c.fillLibrary},
		"library/{id}": {"portal_document.html", "", c.fillDocument},
		"search":       {"portal_search.html", "Search", c.fillSearch},
		"playbooks":    {"portal_playbooks.html", "Playbooks", c.fillHome},
		"training":     {"portal_training.html", "Training", c.fillHome},
	} {
		handle("GET /demo/"+route, func(w http.ResponseWriter, r *http.Request) {
			v := c.visitOf(r)
			if v.Partner == "" {
				http.Redirect(w, r, "/demo/", http.StatusSeeOther)
				return
			}
			v.Title = page.title
			if !page.fill(v, r) {
				v.Title = "Not found"
				c.render(w, http.StatusNotFound, "portal_missing.html", "portal", v)
				return
			}
			c.render(w, http.StatusOK, page.file, "portal", v)
		})
	}
	handle("GET /demo/download/{id}", c.download)
}

// visitOf reads who is signed in; both are empty when nobody is.
func (c *Console) visitOf(r *http.Request) *visit {
	v := &visit{Config: c.cfg, Path: r.URL.Path, JustSignedIn: r.URL.Query().Has("welcome")}
	partner, err := r.Cookie(partnerCookie)
	if err != nil || !validName(partner.Value) {
		return v
	}
	user, err := r.Cookie(userCookie)
	if err != nil || !validName(user.Value) {
		return v
	}
	v.Partner, v.User = partner.Value, user.Value
	return v
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	v := c.visitOf(r)
	if v.Partner == "" {
		v.Partner, v.User = partnerDefault, userDefault
	}
	v.Title = "Sign in"
	c.render(w, http.StatusOK, "portal_signin.html", "signin", v)
}

// signIn accepts any well-formed names: this is a demo, and says so.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	partner, user := strings.TrimSpace(r.PostFormValue("partner")), strings.TrimSpace(r.PostFormValue("user"))
	if !validName(partner) || !validName(user) {
		v := &visit{Config: c.cfg, Path: r.URL.Path, Title: "Sign in", Partner: partnerDefault, User: userDefault}
		v.Problem = "Partner and user are 1–64 letters, digits or any of . _ : - each."
		c.render(w, http.StatusUnprocessableEntity, "portal_signin.html", "signin", v)
		return
	}
	setCookie(w, partnerCookie, partner, 0)
	setCookie(w, userCookie, user, 0)
	http.Redirect(w, r, "/demo/home?welcome", http.StatusSeeOther)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	setCookie(w, partnerCookie, "", -1)
	setCookie(w, userCookie, "", -1)
	http.Redirect(w, r, "/demo/", http.StatusSeeOther)
}

// setCookie sets a cookie of the browser session, or deletes it with age -1.
func setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // a demonstration on http, and no secret is in it
		Name: name, Value: value, Path: "/demo", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

func validName(s string) bool { return namePattern.MatchString(s) }

func (c *Console) fillHome(v *visit, _ *http.Request) bool {
	v.Documents, v.Playbooks, v.Courses = c.library.documents, c.library.playbooks, c.library.courses
	return true
}

func (c *Console) fillLibrary(v *visit, _ *http.Request) bool {
	v.Documents = c.library.documents
	return true
}

func (c *Console) fillDocument(v *visit, r *http.Request) bool {
	d := c.library.document(r.PathValue("id"))
	if d == nil {
		return false
	}
	v.Document, v.Title = d, d.Title
	if p := c.library.playbook(d.Playbook); p != nil {
		v.Playbooks = []*playbook{p}
		for _, other := range p.Documents {
			if other != d {
				v.Related = append(v.Related, other)
			}
		}
	}
	return true
}

func (c *Console) fillSearch(v *visit, r *http.Request) bool {
	v.Query, v.Kind = strings.TrimSpace(r.URL.Query().Get("q")), r.URL.Query().Get("kind")
	v.Kinds, v.Searched = c.library.kinds(), v.Query != ""
	v.Documents = c.library.search(v.Query, v.Kind)
	return true
}

// download sends a document as plain text.
func (c *Console) download(w http.ResponseWriter, r *http.Request) {
	d := c.library.document(r.PathValue("id"))
	if d == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.ID+`.txt"`)
	_, _ = w.Write([]byte(d.plain))
}
