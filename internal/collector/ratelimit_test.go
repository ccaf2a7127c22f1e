package collector

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"partnerpulse/internal/keys"
)

func limitedKeys(rate keys.Rate) []keys.Key {
	return []keys.Key{
		{ID: "web", Tenant: "acme", Kind: keys.Browser, Value: webKey, Origins: []string{"*"}, Rate: rate},
		{ID: "open", Tenant: "acme", Kind: keys.Browser, Value: openKey, Origins: []string{"*"}},
		{ID: "srv", Tenant: "acme", Kind: keys.Server, Hash: keys.Hash(serverKey)},
	}
}

func batchOf(n int) string {
	return "[" + strings.Repeat(login("a", "")+",", n-1) + login("a", "") + "]"
}

// limited checks a 429 and gives what it asks to wait.
func (r *rig) limited() time.Duration {
	r.t.Helper()
	if e := r.refused(http.StatusTooManyRequests, "rate_limited"); !strings.Contains(e.Message, "events a second") || !strings.Contains(e.Message, "Retry-After") {
		r.t.Errorf("message %q", e.Message)
	}
	seconds, err := strconv.Atoi(r.last.Header().Get("Retry-After"))
	if err != nil || seconds < 1 {
		r.t.Fatalf("Retry-After %q", r.last.Header().Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := rigOf(t, limitedKeys(keys.Rate{EventsPerSecond: 2, Burst: 10}), nil, nil)
		send := func(n int) {
			t.Helper()
			r.post(webKey, batchOf(n))
		}
		send(9)
		r.answered(http.StatusAccepted)
		send(21) // one token is left: it is taken, and puts the key into debt
		r.answered(http.StatusAccepted)
		body := &unreadable{}
		r.call(http.MethodPost, "/v1/events", body, bearer(webKey))
		wait := r.limited()
		if body.read {
			t.Error("the body of a refused request was read")
		}
		if wait != 11*time.Second { // 20 events of debt and one to come, at 2 a second, rounded up
			t.Errorf("asked to wait %s", wait)
		}
		r.post(openKey, batchOf(1)) // another key is not concerned
		r.answered(http.StatusAccepted)
		time.Sleep(wait - time.Second)
		send(1)
		r.limited()
		time.Sleep(time.Second)
		send(1)
		r.answered(http.StatusAccepted)
		send(1)
		r.answered(http.StatusAccepted) // one and a half had come
		send(1)
		if wait := r.limited(); wait != time.Second {
			t.Errorf("asked to wait %s", wait)
		}
	})
}

func TestRateLimitsFollowTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ring := rigOf(t, limitedKeys(keys.Rate{EventsPerSecond: 0.001, Burst: 1}), nil, func(c *Config) {
			c.BrowserRate = keys.Rate{EventsPerSecond: 1, Burst: 3}
		})
		r.post(webKey, batchOf(1))
		r.answered(http.StatusAccepted)
		r.post(webKey, batchOf(1))
		if wait := r.limited(); wait < 15*time.Minute || wait > time.Hour {
			t.Errorf("asked to wait %s", wait)
		}
		if err := ring.Replace(limitedKeys(keys.Rate{EventsPerSecond: -1})); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			r.post(webKey, batchOf(1000))
			r.answered(http.StatusAccepted)
		}
		for range 3 { // the default of browser keys
			r.post(openKey, batchOf(1))
			r.answered(http.StatusAccepted)
		}
		r.post(openKey, batchOf(1))
		r.limited()
		for range 50 { // server keys have none by default
			r.post(serverKey, batchOf(1000))
			r.answered(http.StatusAccepted)
		}
		// Refused events count as well: nonsense must not be free.
		time.Sleep(3 * time.Second)
		r.post(openKey, `[1,2,3,4]`)
		r.answered(http.StatusBadRequest)
		r.post(openKey, batchOf(1))
		r.limited()
	})
}
