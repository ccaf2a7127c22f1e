package notifier

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"partnerpulse/internal/config"
	"partnerpulse/internal/detect"
)

func TestDeliveryAndRotation(t *testing.T) {
	store, _, _ := newStore(t)
	receiver := newReceiver(t)
	e := local(receiver.URL)
	e.Secrets = []config.Secret{whsec(newSecret), whsec(oldSecret)}
	r := newRig(t, store, nil, e)
	r.know(firing("a1", "p", detect.RuleDrop, "kim"), firing("a2", "q", detect.RuleDrop, "kim"))
	r.round()
	r.round() // told is told
	got := receiver.got()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	q := got[0]
	if !q.signed(oldSecret) || !q.signed(newSecret) || q.signed([]byte("another")) {
		t.Errorf("signature %q", q.signature)
	}
	if q.timestamp != fmt.Sprint(noon.Unix()) || !strings.HasPrefix(q.id, "msg_") {
		t.Errorf("timestamp %s, id %s", q.timestamp, q.id)
	}
	var m struct {
		Type string `json:"type"`
		Data struct {
			Owner  string `json:"owner"`
			Alerts []struct {
				Partner string         `json:"partner_id"`
				Alert   map[string]any `json:"alert"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := json.Unmarshal(q.body, &m); err != nil {
		t.Fatal(err)
	}
	if m.Type != "partnerpulse.alerts.v1" || m.Data.Owner != "kim" || len(m.Data.Alerts) != 2 ||
		m.Data.Alerts[1].Partner != "q" || m.Data.Alerts[1].Alert["drop_pct"] != 70.4 {
		t.Errorf("%s", q.body)
	}
	if diff := cmp.Diff([]string{"delivered 1"}, r.fates()); diff != "" {
		t.Error(diff)
	}
}

func TestFailuresAreRetriedThenDeadThenSentAgain(t *testing.T) {
	store, _, _ := newStore(t)
	receiver := newReceiver(t)
	receiver.say(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	r := newRig(t, store, func(c *Config) { c.Retries, c.Jitter = []time.Duration{time.Minute, time.Hour}, .2 }, local(receiver.URL))
	r.know(firing("a1", "p", detect.RuleDrop, "kim"))
	r.round()
	r.now = noon.Add(47 * time.Second) // 60 s less a fifth have not passed
	r.round()
	if diff := cmp.Diff([]string{"queued 1"}, r.fates()); diff != "" || len(receiver.got()) != 1 {
		t.Fatalf("%d requests, %s", len(receiver.got()), diff)
	}
	r.now = noon.Add(73 * time.Second) // 60 s and a fifth have
	r.round()
	r.now = r.now.Add(73 * time.Minute)
	r.round()
	r.now = r.now.Add(100 * time.Hour)
	r.round()
	if diff := cmp.Diff([]string{"dead 3"}, r.fates()); diff != "" || len(receiver.got()) != 3 {
		t.Fatalf("%d requests, %s", len(receiver.got()), diff)
	}
	dead, err := Dead(t.Context(), store, "crm")
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].LastError, "500") {
		t.Fatalf("dead: %v, %v", dead, err)
	}
	receiver.say(nil)
	if again, err := Resend(t.Context(), store, "", []string{dead[0].ID}, r.now); err != nil || len(again) != 1 {
		t.Fatalf("resent %v, %v", again, err)
	}
	r.round()
	if diff := cmp.Diff([]string{"delivered 1"}, r.fates()); diff != "" {
		t.Error(diff)
	}
	got := receiver.got()
	for _, q := range got {
		if q.id != got[0].id || string(q.body) != string(got[0].body) || !q.signed(oldSecret) {
			t.Errorf("attempt with id %s, first was %s", q.id, got[0].id)
		}
	}
	if n := testutil.ToFloat64(r.metrics.attempts.WithLabelValues("crm", "failed")); n != 2 {
		t.Errorf("%v failed attempts counted, want 2 and a dead one", n)
	}
}

func TestGoneDisables(t *testing.T) {
	store, _, _ := newStore(t)
	receiver, fine := newReceiver(t), newReceiver(t)
	receiver.say(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	other := local(fine.URL)
	other.Name = "chat"
	r := newRig(t, store, nil, local(receiver.URL), other)
	r.know(firing("a1", "p", detect.RuleDrop, "kim"))
	r.round()
	r.know(firing("a2", "q", detect.RuleDrop, "lee"))
	r.now = noon.Add(time.Hour)
	r.round()
	if n := len(receiver.got()); n != 1 {
		t.Errorf("the endpoint that is gone got %d requests", n)
	}
	if n := len(fine.got()); n != 2 {
		t.Errorf("the other endpoint got %d requests", n)
	}
	if n := testutil.ToFloat64(r.metrics.disabled.WithLabelValues("crm")); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	receiver.say(nil)
	if _, err := Resend(t.Context(), store, "crm", nil, r.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Minute)
	r.round()
	if n := len(receiver.got()); n != 3 {
		t.Errorf("after a resend of two it has got %d requests", n)
	}
}

func TestRedirectsAndPrivateAddressesAreRefused(t *testing.T) {
	store, _, _ := newStore(t)
	inside := newReceiver(t)
	outside := newReceiver(t)
	outside.say(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, inside.URL, http.StatusTemporaryRedirect)
	})
	// A name, so that the check has to be made after the look-up.
	named := local("https://" + strings.Replace(strings.TrimPrefix(inside.URL, "http://"), "127.0.0.1", "localhost", 1))
	named.Name, named.AllowPrivate = "named", false
	literal := local(strings.Replace(inside.URL, "http://", "https://", 1))
	literal.Name, literal.AllowPrivate = "literal", false
	r := newRig(t, store, nil, local(outside.URL), named, literal)
	r.know(firing("a1", "p", detect.RuleDrop, "kim"))
	r.round()
	if n := len(inside.got()); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	var rows []struct {
		Endpoint string `ch:"endpoint"`
		Error    string `ch:"last_error"`
	}
	if err := store.Select(t.Context(), &rows, "SELECT endpoint, last_error FROM notifier_deliveries FINAL WHERE status = 'queued' ORDER BY endpoint", nil); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || !strings.Contains(rows[0].Error, "redirect") ||
		!strings.Contains(rows[1].Error, "not a public one") || !strings.Contains(rows[2].Error, "not a public one") {
		t.Errorf("%v", rows)
	}
}

func TestASlowReceiverIsGivenUp(t *testing.T) {
	store, _, _ := newStore(t)
	receiver := newReceiver(t)
	release := make(chan struct{})
	defer close(release)
	receiver.say(func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	r := newRig(t, store, func(c *Config) { c.Timeout = 100 * time.Millisecond }, local(receiver.URL))
	r.know(firing("a1", "p", detect.RuleDrop, "kim"))
	r.round()
	if diff := cmp.Diff([]string{"queued 1"}, r.fates()); diff != "" {
		t.Error(diff)
	}
}

// TestKillBetweenDeliveryAndRecord: the receiver has the message, the notifier is
// killed before it knows; another one sends it again, under the same id.
func TestKillBetweenDeliveryAndRecord(t *testing.T) {
	store, addr, database := newStore(t)
	receiver := newReceiver(t)
	rig := newRig(t, store, nil, local(receiver.URL))
	rig.know(firing("a1", "p", detect.RuleDrop, "kim"))
	killed := make(chan struct{})
	start := func() *exec.Cmd {
		spec, err := json.Marshal(map[string]string{"Addr": addr, "Database": database, "URL": receiver.URL})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), childVariable+"="+string(spec)), os.Stderr
		return cmd
	}
	first := start()
	arrived := make(chan struct{})
	receiver.say(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-killed
	})
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := first.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	receiver.say(nil)
	close(killed)
	if diff := cmp.Diff([]string{"queued 0"}, rig.fates()); diff != "" {
		t.Fatal(diff)
	}
	if err := start().Run(); err != nil {
		t.Fatal(err)
	}
	got := receiver.got()
	if len(got) != 2 || got[0].id != got[1].id || string(got[0].body) != string(got[1].body) {
		t.Errorf("%d requests, ids %v", len(got), got)
	}
	if diff := cmp.Diff([]string{"delivered 1"}, rig.fates()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := local("https://hooks.example/x")
	good.AllowPrivate = false
	for name, spoil := range map[string]func(*Config){
		"http":         func(c *Config) { c.Endpoints[0].URL = "http://hooks.example/x" },
		"no host":      func(c *Config) { c.Endpoints[0].URL = "https:///x" },
		"no secret":    func(c *Config) { c.Endpoints[0].Secrets = nil },
		"short secret": func(c *Config) { c.Endpoints[0].Secrets = []config.Secret{whsec([]byte("short"))} },
		"hour":         func(c *Config) { c.Endpoints[0].Hour = 24 },
		"zone":         func(c *Config) { c.Endpoints[0].Timezone = "Mars/Base" },
		"format":       func(c *Config) { c.Endpoints[0].Format = "fax" },
		"schedule":     func(c *Config) { c.Endpoints[0].Schedule = "" },
		"twice":        func(c *Config) { c.Endpoints = append(c.Endpoints, c.Endpoints[0]) },
		"jitter":       func(c *Config) { c.Jitter = 1 },
		"alerts":       func(c *Config) { c.AlertsMax = 0 },
	} {
		cfg := DefaultConfig()
		cfg.Endpoints = []Endpoint{good}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
