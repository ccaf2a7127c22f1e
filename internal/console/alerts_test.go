package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/keys"
)

// fakeDesk knows one alert and remembers what was asked.
type fakeDesk struct{ taken []alert.Request }

func (f *fakeDesk) List(_ context.Context, tenant string, filter alert.Filter) ([]alert.View, error) {
	if tenant != "demo" || filter.Status == "broken" {
		return nil, fmt.Errorf("asked for %s, %+v", tenant, filter)
	}
	return []alert.View{{ID: "a1", Partner: "p", Rule: filter.Rule}}, nil
}

func (f *fakeDesk) Show(_ context.Context, _, id string) (*alert.Detail, error) {
	if id != "a1" {
		return nil, fmt.Errorf("%w: %s", alert.ErrUnknown, id)
	}
	return &alert.Detail{
		View: alert.View{ID: "a1", Partner: "p", Subject: "p", Rule: "sessions_drop", Status: "firing", BaselineRate: 4, CurrentRate: 1.5}, Steps: []alert.Step{{Status: "firing"}},
	}, nil
}

func (f *fakeDesk) Take(_ context.Context, r alert.Request) (alert.Request, error) {
	switch {
	case r.Alert == "over":
		return r, alert.ErrOver
	case r.Alert != "a1":
		return r, alert.ErrUnknown
	case r.Action == "forget":
		return r, alert.ErrInvalid
	}
	f.taken = append(f.taken, r)
	r.ID = "c1"
	return r, nil
}

const (
	goodKey  = "pp_srv_good"
	writeKey = "pp_srv_write"
	otherKey = "pp_srv_other"
	webKey   = "pp_web_x"
)

func serveAlerts(t *testing.T) (*fakeDesk, *httptest.Server) {
	t.Helper()
	ring, err := keys.NewRing([]keys.Key{
		{ID: "desk", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(goodKey), Scopes: []keys.Scope{keys.Alerts}},
		{ID: "write", Tenant: "demo", Portal: "main", Kind: keys.Server, Hash: keys.Hash(writeKey)},
		{ID: "other", Tenant: "acme", Portal: "main", Kind: keys.Server, Hash: keys.Hash(otherKey), Scopes: []keys.Scope{keys.Alerts}},
		{ID: "web", Tenant: "demo", Portal: "main", Kind: keys.Browser, Value: webKey, Origins: []string{"*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	desk := new(fakeDesk)
	c, err := New(testConfig(), Deps{Store: &fakeStore{}, Alerts: desk, Keys: ring}, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(c.Handler())
	t.Cleanup(s.Close)
	return desk, s
}

func TestAlertsCanBeRead(t *testing.T) {
	_, s := serveAlerts(t)
	for path, want := range map[string]struct {
		status int
		part   string
	}{
		"/api/v1/alerts?rule=ghosting": {200, `"rule":"ghosting"`},
		"/api/v1/alerts?status=broken": {503, `"code":"unavailable"`},
		"/api/v1/alerts/a1":            {200, `"transitions":[{`},
		"/api/v1/alerts/a2":            {404, `"code":"unknown_alert"`},
	} {
		r, body := get(t, s.Client(), s.URL+path)
		if r.StatusCode != want.status || !strings.Contains(body, want.part) {
			t.Errorf("%s: %d %s", path, r.StatusCode, body)
		}
	}
}

func TestWhoMayCommandAlerts(t *testing.T) {
	desk, s := serveAlerts(t)
	post := func(path, key, idempotency, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if idempotency != "" {
			req.Header.Set("Idempotency-Key", idempotency)
		}
		r, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, read(t, r)
	}
	const ack = "/api/v1/alerts/a1/acknowledge"
	for _, test := range []struct {
		path, key, body string
		status          int
		code            string
	}{
		{ack, "", "", 401, "no_key"}, {ack + "?key=" + goodKey, "", "", 401, "no_key"}, {ack, "pp_srv_nobody", "", 401, "unknown_key"},
		{ack, writeKey, "", 403, "forbidden"}, {ack, otherKey, "", 403, "forbidden"}, {ack, webKey, "", 403, "forbidden"},
		{ack, goodKey, "[]", 400, "invalid_body"}, {ack, goodKey, `{"unknown":"x"}`, 400, "invalid_body"},
		{ack, goodKey, `{"note":"` + strings.Repeat("x", 9000) + `"}`, 400, "invalid_body"},
		{"/api/v1/alerts/a1/forget", goodKey, "", 400, "invalid_command"}, {"/api/v1/alerts/a2/snooze", goodKey, "", 404, "unknown_alert"},
		{"/api/v1/alerts/over/snooze", goodKey, "", 409, "alert_over"},
	} {
		status, body := post(test.path, test.key, "", test.body)
		if status != test.status || !strings.Contains(body, `"code":"`+test.code+`"`) {
			t.Errorf("%s with %s: %d %s, want %d %s", test.path, test.key, status, body, test.status, test.code)
		}
	}
	if len(desk.taken) != 0 {
		t.Fatalf("taken: %+v", desk.taken)
	}
	if status, body := post(ack, goodKey, "k1", ""); status != 202 || !strings.Contains(body, `"command_id":"c1"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := post("/api/v1/alerts/a1/snooze", goodKey, "", `{"until":"2026-12-01","actor":"kim","note":"holiday"}`); status != 202 {
		t.Errorf("%d", status)
	}
	want := []alert.Request{
		{Tenant: "demo", Alert: "a1", Action: "acknowledge", Actor: "key:desk", Key: "k1"},
		{Tenant: "demo", Alert: "a1", Action: "snooze", Until: "2026-12-01", Actor: "kim", Note: "holiday"},
	}
	if diff := cmp.Diff(want, desk.taken); diff != "" {
		t.Error(diff)
	}
}
