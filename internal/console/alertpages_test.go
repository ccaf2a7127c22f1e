package console

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browserOf is a client with cookies that follows no redirects.
func browserOf(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// submit posts a form, with headers as "name: value", and gives status, target of the
// redirect and body.
func submit(t *testing.T, c *http.Client, address string, fields url.Values, headers ...string) (status int, location, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	r, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header.Get("Location"), string(b)
}

// hidden gives the hidden fields of the first form on a page that has both.
func hidden(t *testing.T, page string) url.Values {
	t.Helper()
	out := url.Values{}
	for _, name := range []string{"form", "once"} {
		m := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no field %s on %s", name, page)
		}
		out.Set(name, m[1])
	}
	return out
}

// TestSeeingToAnAlertOnItsPage signs in, gives commands, and signs out.
func TestSeeingToAnAlertOnItsPage(t *testing.T) {
	desk, s := serveAlerts(t)
	c := browserOf(t)
	if _, page := get(t, c, s.URL+"/alerts/a1"); strings.Contains(page, `id="acknowledge"`) || !strings.Contains(page, `id="sign-in"`) {
		t.Errorf("nobody is signed in: %s", page)
	}
	signIn := url.Values{"actor": {"Kim <b>"}, "key": {goodKey}, "alert": {"a1"}}
	status, location, _ := submit(t, c, s.URL+"/alerts/sign-in", signIn)
	if status != http.StatusSeeOther || location != "/alerts/a1" {
		t.Fatalf("signing in: %d %s", status, location)
	}
	_, page := get(t, c, s.URL+"/alerts/a1")
	if !strings.Contains(page, "Kim &lt;b&gt;") || strings.Contains(page, goodKey) {
		t.Errorf("who is signed in: %s", page)
	}
	fields := hidden(t, page)
	fields.Set("note", "on holiday")
	fields.Set("until", "2026-12-01")
	for action, until := range map[string]string{"acknowledge": "", "snooze": "2026-12-01", "rebaseline": ""} {
		before := len(desk.taken)
		status, location, body := submit(t, c, s.URL+"/alerts/a1/"+action, fields)
		if status != http.StatusSeeOther || location != "/alerts/a1?done="+action || len(desk.taken) != before+1 {
			t.Fatalf("%s: %d %s %s", action, status, location, body)
		}
		got := desk.taken[before]
		if got.Tenant != "demo" || got.Alert != "a1" || got.Action != action || got.Actor != "Kim <b> (key:desk)" ||
			got.Note != "on holiday" || got.Until != until || got.Key != fields.Get("once") {
			t.Errorf("%s was taken as %+v", action, got)
		}
	}
	if status, location, _ := submit(t, c, s.URL+"/alerts/sign-out", nil); status != http.StatusSeeOther || location != "/alerts" {
		t.Errorf("signing out: %d %s", status, location)
	}
	taken := len(desk.taken)
	if status, _, _ := submit(t, c, s.URL+"/alerts/a1/acknowledge", fields); status != http.StatusUnauthorized || len(desk.taken) != taken {
		t.Errorf("after signing out: %d, %d commands more", status, len(desk.taken)-taken)
	}
}

// TestFormsOfOthersDoNothing: no command without session, token or from another site,
// and no session with another key.
func TestFormsOfOthersDoNothing(t *testing.T) {
	desk, s := serveAlerts(t)
	for name, key := range map[string]string{"without the scope": writeKey, "another tenant's": otherKey, "a browser's": webKey, "none": "", "unknown": "pp_srv_x"} {
		c := browserOf(t)
		status, _, _ := submit(t, c, s.URL+"/alerts/sign-in", url.Values{"actor": {"kim"}, "key": {key}})
		if u, err := url.Parse(s.URL + "/alerts"); err != nil || status != http.StatusForbidden || len(c.Jar.Cookies(u)) != 0 {
			t.Errorf("key %s: %d, cookies %v", name, status, c.Jar.Cookies(u))
		}
	}
	c := browserOf(t)
	good := url.Values{"actor": {"kim"}, "key": {goodKey}, "alert": {"//evil.example/"}}
	if status, _, _ := submit(t, c, s.URL+"/alerts/sign-in", good, "Sec-Fetch-Site: cross-site"); status != http.StatusForbidden {
		t.Errorf("signing in from another site: %d", status)
	}
	if status, location, _ := submit(t, c, s.URL+"/alerts/sign-in", good); status != http.StatusSeeOther || location != "/alerts" {
		t.Fatalf("signing in: %d %s", status, location)
	}
	_, page := get(t, c, s.URL+"/alerts/a1")
	fields := hidden(t, page)
	other := browserOf(t)
	if status, _, _ := submit(t, other, s.URL+"/alerts/sign-in", good); status != http.StatusSeeOther {
		t.Fatalf("signing in: %d", status)
	}
	ack := s.URL + "/alerts/a1/acknowledge"
	for name, try := range map[string]struct {
		client  *http.Client
		fields  url.Values
		headers []string
		status  int
	}{
		"no session":              {http.DefaultClient, fields, nil, http.StatusUnauthorized},
		"no token":                {c, url.Values{"once": {"1"}}, nil, http.StatusForbidden},
		"another session's token": {other, fields, nil, http.StatusForbidden},
		"from another site":       {c, fields, []string{"Sec-Fetch-Site: cross-site"}, http.StatusForbidden},
		"from a neighbour":        {c, fields, []string{"Sec-Fetch-Site: same-site"}, http.StatusForbidden},
		"from another origin":     {c, fields, []string{"Origin: https://evil.example"}, http.StatusForbidden},
		"a made-up cookie":        {http.DefaultClient, fields, []string{"Cookie: " + sessionCookie + "=AAAA"}, http.StatusUnauthorized},
		"too large":               {c, url.Values{"form": fields["form"], "note": {strings.Repeat("x", formBytesMax)}}, nil, http.StatusForbidden},
	} {
		if status, _, _ := submit(t, try.client, ack, try.fields, try.headers...); status != try.status {
			t.Errorf("%s: %d, want %d", name, status, try.status)
		}
	}
	if len(desk.taken) != 0 {
		t.Errorf("taken: %+v", desk.taken)
	}
	for address, want := range map[string]int{"/alerts/a1/forget": 400, "/alerts/over/acknowledge": 404, "/alerts/nowhere/acknowledge": 404} {
		if status, _, body := submit(t, c, s.URL+address, fields); status != want || len(desk.taken) != 0 {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
}

// The cookie stays with the alerts' pages, and out of scripts' and other sites' reach.
func TestCookieOfASession(t *testing.T) {
	_, s := serveAlerts(t)
	for _, header := range []string{"X-Forwarded-Proto: http", "X-Forwarded-Proto: https"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/alerts/sign-in",
			strings.NewReader(url.Values{"actor": {"kim"}, "key": {goodKey}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
		r, err := browserOf(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if len(r.Cookies()) != 1 {
			t.Fatalf("cookies %v", r.Cookies())
		}
		k := r.Cookies()[0]
		if !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/alerts" || k.Secure != (value == "https") || len(k.Value) < 26 {
			t.Errorf("%s: %+v", header, k)
		}
	}
}
