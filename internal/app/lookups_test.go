package app_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/obs"
)

const (
	oldKey = "pp_srv_the_old_one"
	newKey = "pp_srv_the_new_one"
)

// replica is a collector that runs on a broker.
type replica struct {
	t      *testing.T
	url    string
	reload chan struct{}
	stop   func()
}

func brokers(t *testing.T) config.List {
	t.Helper()
	k := kafka.New(kafka.Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), Partitions: 3}, zaptest.NewLogger(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	select {
	case <-k.Ready():
	case err := <-done:
		t.Fatalf("the broker ended: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the broker: %v", err)
		}
	})
	list := config.List{k.Addr()}
	if err := kafkabus.EnsureTopics(t.Context(), kafkabus.Config{Brokers: list}, kafkabus.Topics(3)); err != nil {
		t.Fatal(err)
	}
	return list
}

func start(t *testing.T, at config.List, keysFile string) *replica {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	r := &replica{t: t, url: "http://" + addr, reload: make(chan struct{})}
	cfg := app.DefaultConfig()
	cfg.Kafka.Brokers, cfg.Collector.HTTP.Addr = at, addr
	cfg.Collector.KeysFile, cfg.Reload = keysFile, r.reload
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.RunRole(ctx, app.Collector, cfg, zaptest.NewLogger(t), obs.NewRegistry()) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the collector: %v", err)
		}
	}
	t.Cleanup(r.stop)
	r.await("ready", func() bool {
		res, err := http.Get(r.url + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return r
}

// await polls until ok or fails the test after a generous time.
func (r *replica) await(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never happened: %s", what)
		}
	}
}

func (r *replica) post(key, body string) (status int, answer string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/v1/events", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func writeKeys(t *testing.T, path string, secrets ...string) {
	t.Helper()
	var b strings.Builder
	for i, s := range secrets {
		fmt.Fprintf(&b, "- {id: k%d-%s, tenant: acme, portal: main, kind: server, hash: %s, scopes: [write, directory]}\n", i, s[len(s)-3:], keys.Hash(s))
	}
	if err := os.WriteFile(path+".tmp", []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

const login = `{"id":"l-1","type":"portal.login","partner_id":"p-1","user_id":"u-1"}`

// TestKeysRotateWithoutRestart: a running collector takes a second key, then lets go
// of the first, and keeps what it has when the file breaks.
func TestKeysRotateWithoutRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	writeKeys(t, path, oldKey)
	r := start(t, brokers(t), path)
	expect := func(what, key string, want int) {
		t.Helper()
		if got, answer := r.post(key, login); got != want {
			t.Errorf("%s: %d %s, want %d", what, got, answer, want)
		}
	}
	expect("old key", oldKey, http.StatusAccepted)
	expect("new key before it is there", newKey, http.StatusUnauthorized)
	writeKeys(t, path, oldKey, newKey)
	r.await("the new key is seen by itself", func() bool { got, _ := r.post(newKey, login); return got == http.StatusAccepted })
	expect("old key beside the new one", oldKey, http.StatusAccepted)
	if err := os.WriteFile(path, []byte("- {id: broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload <- struct{}{}
	expect("old key while the file is broken", oldKey, http.StatusAccepted)
	expect("new key while the file is broken", newKey, http.StatusAccepted)
	writeKeys(t, path, newKey)
	r.reload <- struct{}{}
	r.reload <- struct{}{} // taken only when the first is done
	expect("old key after it was taken out", oldKey, http.StatusUnauthorized)
	expect("new key", newKey, http.StatusAccepted)
}

// TestDirectoryIsSharedAndSurvives: a user described to one collector is known to
// another, and to one that starts later; his events carry his partner in the log.
func TestDirectoryIsSharedAndSurvives(t *testing.T) {
	at := brokers(t)
	path := filepath.Join(t.TempDir(), "keys.yaml")
	writeKeys(t, path, oldKey)
	first, second := start(t, at, path), start(t, at, path)
	const nobodys = `{"id":"n-%d","type":"portal.login","user_id":"u-7"}`
	if got, answer := second.post(oldKey, fmt.Sprintf(nobodys, 0)); got != http.StatusBadRequest || !strings.Contains(answer, "unresolved_partner") {
		t.Errorf("an unknown user: %d %s", got, answer)
	}
	if got, answer := first.post(oldKey, `{"id":"up","type":"user.upserted","partner_id":"p-7","data":{"user_id":"u-7"}}`); got != http.StatusAccepted {
		t.Fatalf("describing the user: %d %s", got, answer)
	}
	if got, answer := first.post(oldKey, fmt.Sprintf(nobodys, 1)); got != http.StatusAccepted {
		t.Errorf("the collector that was told: %d %s", got, answer)
	}
	second.await("the other collector learns it", func() bool {
		got, _ := second.post(oldKey, fmt.Sprintf(nobodys, 2))
		return got == http.StatusAccepted
	})
	first.stop()
	second.stop()
	third := start(t, at, path) // ready, so the directory is read
	if got, answer := third.post(oldKey, fmt.Sprintf(nobodys, 3)); got != http.StatusAccepted {
		t.Errorf("a collector that started later: %d %s", got, answer)
	}
	third.stop()
	found := 0
	err := kafkabus.ReadAll(t.Context(), kafkabus.Config{Brokers: at}, kafkabus.TopicEvents, func(rec kafkabus.Record) error {
		e, err := event.UnmarshalCloudEvent(rec.Value)
		if err == nil && e.Type == event.PortalLogin {
			found++
			if e.PartnerID != "p-7" || string(rec.Key) != "acme/p-7" {
				t.Errorf("event %s has partner %q and key %q", e.ID, e.PartnerID, rec.Key)
			}
		}
		return err
	})
	if err != nil || found != 3 {
		t.Errorf("%d events of the user in the log, %v", found, err)
	}
}

func TestAFileOfKeysIsChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	cfg := app.DefaultConfig()
	cfg.Collector.KeysFile = path
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an absent file: %v", err)
	}
	writeKeys(t, path, oldKey, oldKey)
	if err := cfg.Validate(); err == nil {
		t.Error("the same key twice was taken")
	}
	writeKeys(t, path, oldKey)
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
