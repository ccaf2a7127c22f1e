package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/console"
	"partnerpulse/internal/keys"
)

// screenshots is a directory that pictures of pages are kept in; empty: none are.
const screenshots = "BROWSERTEST_SCREENSHOTS"

// desk is a desk that folds commands in at once.
type desk struct {
	mu     sync.Mutex
	alerts []alert.Detail
	taken  []alert.Request
}

func (d *desk) List(_ context.Context, _ string, f alert.Filter) ([]alert.View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []alert.View
	for i := range d.alerts {
		if v := d.alerts[i].View; !f.Open || v.Status != "rebaselined" {
			out = append(out, v)
		}
	}
	return out, nil
}

func (d *desk) Show(_ context.Context, _, id string) (*alert.Detail, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.alerts {
		if d.alerts[i].ID == id {
			found := d.alerts[i]
			return &found, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", alert.ErrUnknown, id)
}

func (d *desk) Take(_ context.Context, r alert.Request) (alert.Request, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.alerts {
		a := &d.alerts[i]
		if a.ID != r.Alert {
			continue
		}
		a.Status = map[string]string{"acknowledge": "acknowledged", "snooze": "snoozed", "unsnooze": "firing", "rebaseline": "rebaselined"}[r.Action]
		a.SnoozedUntil = r.Until
		a.Steps = append(a.Steps, alert.Step{Sequence: uint32(len(a.Steps) + 1), Status: a.Status, Reason: "command", Day: "2026-11-20", Actor: r.Actor, Published: true})
		d.taken = append(d.taken, r)
		return r, nil
	}
	return r, alert.ErrUnknown
}

func (d *desk) commands() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, r := range d.taken {
		out = append(out, fmt.Sprintf("%s %s %s %s %s", r.Alert, r.Action, r.Until, r.Actor, r.Note))
	}
	return out
}

const deskKey = "pp_srv_desk_of_the_browser_test"

// newDesk serves a console with two alerts.
func newDesk(t *testing.T) (*desk, *httptest.Server) {
	t.Helper()
	ring, err := keys.NewRing([]keys.Key{
		{ID: "desk", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(deskKey), Scopes: []keys.Scope{keys.Alerts}},
	})
	if err != nil {
		t.Fatal(err)
	}
	about := func(id, partner, rule, severity string, before, since float64) alert.Detail {
		return alert.Detail{View: alert.View{
			ID: id, Partner: partner, Subject: partner, Rule: rule, Status: "firing", Severity: severity, Owner: "kim", Day: "2026-11-18",
			StartsAt: "2026-11-18", ChangeAt: "2026-11-09", BaselineRate: before, CurrentRate: since, Sequence: 1,
		}, Steps: []alert.Step{{Sequence: 1, Status: "firing", Reason: "fired", Day: "2026-11-18", Published: true}}}
	}
	d := &desk{alerts: []alert.Detail{
		about("a-drop", "p-0007", "sessions_drop", "warning", 4.2, 1.6), about("a-outage", "-", "tenant.activity_drop", "critical", 0, 0),
	}}
	cfg := console.DefaultConfig()
	cfg.Demo = false
	con, err := console.New(cfg, console.Deps{Store: emptyStore{}, Alerts: d, Keys: ring}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(con.Handler())
	t.Cleanup(s.Close)
	return d, s
}

// picture keeps a picture of the page where somebody wants to look at it.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

func statusOf(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#status")))
	if err != nil || strings.TrimSpace(got) != want {
		t.Errorf("the page says %q, want %q: %v", got, want, err)
	}
}

// TestSeeingToAlertsInTheBrowser signs in on the page of an alert, acknowledges,
// snoozes, wakes and rebaselines it, and signs out.
func TestSeeingToAlertsInTheBrowser(t *testing.T) {
	d, s := newDesk(t)
	browser, _ := NewBrowser(t)
	ctx, cancel := context.WithTimeout(browser, 2*time.Minute)
	defer cancel()
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	do("opening the list", chromedp.Navigate(s.URL+"/alerts"), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	picture(ctx, t, "alerts")
	do("opening an alert", chromedp.Click(chromedp.CSS(`a[href="/alerts/a-drop"]`)), chromedp.WaitVisible(chromedp.CSS("#status")))
	do("signing in",
		chromedp.SendKeys(chromedp.CSS(`[name="actor"]`), "Kim"), chromedp.SendKeys(chromedp.CSS(`[name="key"]`), deskKey),
		chromedp.Click(chromedp.CSS("#sign-in")), chromedp.WaitVisible(chromedp.CSS("#acknowledge")))
	picture(ctx, t, "alert")
	do("acknowledging",
		chromedp.SendKeys(chromedp.CSS(`form[action$="/acknowledge"] [name="note"]`), "called them"),
		chromedp.Click(chromedp.CSS("#acknowledge")), chromedp.WaitVisible(chromedp.CSS(".told")))
	statusOf(ctx, t, "acknowledged")
	do("snoozing",
		chromedp.SetValue(chromedp.CSS(`[name="until"]`), "2030-01-02"),
		chromedp.Click(chromedp.CSS("#snooze")), chromedp.WaitVisible(chromedp.CSS("#unsnooze")))
	statusOf(ctx, t, "snoozed")
	picture(ctx, t, "snoozed")
	do("waking", chromedp.Click(chromedp.CSS("#unsnooze")), chromedp.WaitVisible(chromedp.CSS("#snooze")))
	do("accepting the level", chromedp.Click(chromedp.CSS("#rebaseline")), chromedp.WaitNotPresent(chromedp.CSS("#rebaseline")), chromedp.WaitVisible(chromedp.CSS("#status")))
	statusOf(ctx, t, "rebaselined")
	picture(ctx, t, "over")
	do("opening the outage", chromedp.Navigate(s.URL+"/alerts/a-outage"), chromedp.WaitVisible(chromedp.CSS("#acknowledge")))
	if n, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("#rebaseline").length`)); err != nil || n != 0 {
		t.Errorf("the whole programme can be rebaselined on the page: %v", err)
	}
	picture(ctx, t, "outage")
	do("signing out", chromedp.Click(chromedp.CSS(`form[action="/alerts/sign-out"] button`)), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	want := []string{
		"a-drop acknowledge  Kim (key:desk) called them", "a-drop snooze 2030-01-02 Kim (key:desk) ",
		"a-drop unsnooze  Kim (key:desk) ", "a-drop rebaseline  Kim (key:desk) ",
	}
	if got := d.commands(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("taken: %q", got)
	}
}

// TestAnotherSiteCannotSeeToAlerts has a page of another site submit the form of an
// alert in the browser of somebody who is signed in.
func TestAnotherSiteCannotSeeToAlerts(t *testing.T) {
	d, s := newDesk(t)
	// Another name is another site, another port alone another origin of the same.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<form method="post" action="%s/alerts/a-drop/rebaseline"><input name="form" value="x"><button id="go">Win</button></form>`, s.URL)
	}))
	defer evil.Close()
	browser, _ := NewBrowser(t)
	ctx, cancel := context.WithTimeout(browser, 2*time.Minute)
	defer cancel()
	err := chromedp.Do(ctx,
		chromedp.Navigate(s.URL+"/alerts/a-drop"), chromedp.WaitVisible(chromedp.CSS("#sign-in")),
		chromedp.SendKeys(chromedp.CSS(`[name="actor"]`), "Kim"), chromedp.SendKeys(chromedp.CSS(`[name="key"]`), deskKey),
		chromedp.Click(chromedp.CSS("#sign-in")), chromedp.WaitVisible(chromedp.CSS("#acknowledge")))
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{evil.URL, strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)} {
		err := chromedp.Do(ctx, chromedp.Navigate(from), chromedp.Click(chromedp.CSS("#go")), chromedp.WaitNotPresent(chromedp.CSS("#go")))
		if err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
		if err != nil || !strings.Contains(text, "cross-origin") {
			t.Errorf("from %s the console answers %q: %v", from, text, err)
		}
	}
	if got := d.commands(); len(got) != 0 {
		t.Errorf("taken: %q", got)
	}
}
