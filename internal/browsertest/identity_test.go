package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	role "partnerpulse/internal/collector"
	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/identity"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/schemas"
)

// published is what the real collector made durable.
type published struct {
	mu     sync.Mutex
	events []*event.Event
	reject int
}

// Publish keeps the records.
func (p *published) Publish(_ context.Context, msgs ...kafkabus.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range msgs {
		if m.Topic == kafkabus.TopicRejects {
			p.reject++
			continue
		}
		e, err := event.UnmarshalCloudEvent(m.Value)
		if err != nil {
			return err
		}
		p.events = append(p.events, e)
	}
	return nil
}

// of gives user and partner of the events that track made for a course, by course.
func (p *published) of() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]string{}
	for _, e := range p.events {
		if e.Type == event.TrainingStarted {
			out[string(e.Data)] = e.UserID + " of " + e.PartnerID
		}
	}
	return out
}

func (p *published) rejects() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reject
}

// TestSignedIdentity: the tracker in a real browser, the real collector, and a key
// that needs a signed identity: from data-identity, renewed by identify, across a
// change of users, and with a forged partner.
func TestSignedIdentity(t *testing.T) {
	secret := identity.Secret{ID: "one", Secret: "a-secret-of-at-least-32-bytes-ok!"}
	ring, err := keys.NewRing([]keys.Key{{
		ID: "web", Tenant: "acme", Portal: "main", Kind: keys.Browser, Value: browserKey, Origins: []string{"*"},
		Identity: &identity.Config{Required: true, Secrets: []identity.Secret{secret}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	out := &published{}
	c, err := role.New(role.DefaultConfig(), role.Deps{Publisher: out, Keys: ring, Schemas: set, TrackerJS: script(t)},
		zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(c.Handler())
	t.Cleanup(front.Close)
	sign := func(user, partner string, lives time.Duration) string {
		now := time.Now()
		tok, err := identity.Sign(secret, identity.Claims{User: user, Partner: partner, Expires: now.Add(lives)}, now.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>x</title><script src="%s/tracker.js" data-key="%s" data-partner="p-1" data-user="u-1"
			data-identity="%s" data-flush-ms="50" data-retry-ms="50"></script>`, front.URL, browserKey, sign("u-1", "p-1", time.Hour))
	}))
	t.Cleanup(site.Close)
	ctx, _ := NewBrowser(t)
	start := func(course string) chromedp.Action[chromedp.Void] {
		return run(fmt.Sprintf(`partnerpulse.track("training.started", {course_id: %q})`, course))
	}
	identify := func(fields string) chromedp.Action[chromedp.Void] {
		return run("partnerpulse.identify({" + fields + "})")
	}
	want := func(course, who string) {
		t.Helper()
		eventually(t, course, func() bool { return out.of()[`{"course_id":"`+course+`"}`] != "" })
		if got := out.of()[`{"course_id":"`+course+`"}`]; got != who {
			t.Errorf("%s was started by %q, want %q", course, got, who)
		}
	}
	do(ctx, t, chromedp.Navigate(site.URL), start("first"))
	want("first", "u-1 of p-1")
	// An expired identity is answered 401: what happens meanwhile waits for a fresh one.
	do(ctx, t, identify(fmt.Sprintf("identity: %q", sign("u-1", "p-1", -time.Hour))), start("waiting"), chromedp.Sleep(500*time.Millisecond))
	if got := out.of(); strings.Contains(fmt.Sprint(got), "waiting") {
		t.Errorf("an expired identity was believed: %v", got)
	}
	do(ctx, t, identify(fmt.Sprintf("identity: %q", sign("u-1", "p-1", time.Hour))))
	want("waiting", "u-1 of p-1")
	// Another user signs in at once; what the first one did stays his.
	do(ctx, t, start("before"), identify(fmt.Sprintf(`partner: "p-2", user: "u-2", identity: %q`, sign("u-2", "p-2", time.Hour))), start("after"))
	want("before", "u-1 of p-1")
	want("after", "u-2 of p-2")
	if n := out.rejects(); n != 0 {
		t.Errorf("%d events were refused", n)
	}
	// A page that claims another partner than was signed.
	do(ctx, t, identify(fmt.Sprintf(`partner: "p-1", user: "u-2", identity: %q`, sign("u-2", "p-2", time.Hour))), start("forged"))
	eventually(t, "the refusal", func() bool { return out.rejects() > 0 })
	do(ctx, t, identify(fmt.Sprintf(`partner: "p-2", user: "u-2", identity: %q`, sign("u-2", "p-2", time.Hour))), start("honest"))
	want("honest", "u-2 of p-2")
	if got := out.of(); strings.Contains(fmt.Sprint(got), "forged") {
		t.Errorf("a forged partner was believed: %v", got)
	}
}
