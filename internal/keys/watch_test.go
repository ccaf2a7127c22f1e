package keys

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"partnerpulse/internal/identity"
)

const oldFile = `
- {id: srv-1, tenant: acme, portal: main, kind: server, hash: HASH1}
`

const bothFile = `
- {id: srv-1, tenant: acme, portal: main, kind: server, hash: HASH1, not_after: 2000-01-02T00:00:00Z}
- {id: srv-2, tenant: acme, portal: main, kind: server, hash: HASH2, rate: {events_per_second: 50, burst: 100}}
`

func put(t *testing.T, path, text string) {
	t.Helper()
	text = strings.NewReplacer("HASH1", Hash(serverSecret), "HASH2", Hash(newSecret)).Replace(text)
	tmp := path + ".tmp"
	if err := errors.Join(os.WriteFile(tmp, []byte(text), 0o600), os.Rename(tmp, path)); err != nil {
		t.Fatal(err)
	}
}

type watched struct {
	*Watcher
	ring   *Ring
	path   string
	reload chan struct{}
	logs   *observer.ObservedLogs
}

func watch(t *testing.T, text string) *watched {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	put(t, path, text)
	core, logs := observer.New(zap.InfoLevel)
	w := &watched{ring: new(Ring), path: path, reload: make(chan struct{}), logs: logs}
	fixed := []Key{{ID: "fixed", Tenant: "acme", Kind: Browser, Value: webValue, Origins: []string{"*"}}}
	w.Watcher = NewWatcher(path, fixed, w.reload, w.ring, zap.New(core), prometheus.NewRegistry())
	if err := w.Load(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watched) valid(secret string) bool {
	_, ok := w.ring.Lookup(secret)
	return ok
}

// TestRotation: the new key is added beside the old one, both work, and then the old
// one ends by its own date, or by being taken out.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01
		w := watch(t, oldFile)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		if !w.valid(serverSecret) || w.valid(newSecret) || !w.valid(webValue) {
			t.Fatal("the file is not what is valid")
		}
		put(t, w.path, bothFile)
		time.Sleep(WatchInterval + time.Millisecond)
		synctest.Wait()
		if !w.valid(serverSecret) || !w.valid(newSecret) || !w.valid(webValue) {
			t.Error("two keys are not valid at once")
		}
		if k, _ := w.ring.Lookup(newSecret); k.Rate != (Rate{EventsPerSecond: 50, Burst: 100}) {
			t.Errorf("rate %+v", k.Rate)
		}
		time.Sleep(24 * time.Hour)
		if w.valid(serverSecret) || !w.valid(newSecret) {
			t.Error("the old key outlives its not_after, or took the new one with it")
		}
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer "+serverSecret)
		if _, err := w.ring.Authenticate(r); !errors.Is(err, ErrExpiredKey) {
			t.Errorf("an expired key is answered %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestABrokenFileKeepsTheKeys(t *testing.T) {
	for name, text := range map[string]string{
		"not YAML":        "- {id: [",
		"unknown field":   "- {id: a, tenant: acme, kind: server, hash: HASH2, limit: 5}",
		"invalid key":     "- {id: a, tenant: acme, kind: server, hash: abc}",
		"twice":           oldFile + oldFile,
		"same as a fixed": "- {id: fixed, tenant: acme, kind: server, hash: HASH2}",
		"two documents":   oldFile + "---\n" + oldFile,
		"gone":            "",
		"huge":            strings.Repeat("# comment\n", fileBytesMax/10+1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, oldFile)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { _ = w.Run(ctx) }()
				if text == "" {
					if err := os.Remove(w.path); err != nil {
						t.Fatal(err)
					}
				} else {
					put(t, w.path, text)
				}
				time.Sleep(5*WatchInterval + time.Millisecond)
				synctest.Wait()
				if !w.valid(serverSecret) || w.valid(newSecret) {
					t.Error("the keys did not stay as they were")
				}
				if n := testutil.ToFloat64(w.loads.WithLabelValues("error")); n != 1 {
					t.Errorf("%v failures counted, want one for one change", n)
				}
				if n := w.logs.FilterMessageSnippet("not usable").Len(); n != 1 {
					t.Errorf("told %d times, want once", n)
				}
				put(t, w.path, bothFile)
				time.Sleep(WatchInterval + time.Millisecond)
				synctest.Wait()
				if !w.valid(newSecret) {
					t.Error("the mended file was not loaded")
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

// TestReloadSignal: a signal reads the file at once, whether it changed or not.
func TestReloadSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, oldFile)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = w.Run(ctx) }()
		put(t, w.path, bothFile)
		start := time.Now()
		w.reload <- struct{}{}
		synctest.Wait()
		if !w.valid(newSecret) || time.Since(start) != 0 {
			t.Errorf("not loaded at once: %v", time.Since(start))
		}
		cancel()
		synctest.Wait()
	})
}

func TestAFileThatIsBrokenAtStartIsAnError(t *testing.T) {
	for name, path := range map[string]string{"absent": filepath.Join(t.TempDir(), "none"), "a directory": t.TempDir()} {
		w := NewWatcher(path, nil, nil, new(Ring), zap.NewNop(), prometheus.NewRegistry())
		if err := w.Load(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	put(t, empty, "# nothing yet\n")
	w := NewWatcher(empty, nil, nil, new(Ring), zap.NewNop(), prometheus.NewRegistry())
	if err := w.Load(); err == nil {
		t.Error("no keys at all were taken")
	}
}

func TestRates(t *testing.T) {
	byDefault := Rate{EventsPerSecond: 200, Burst: 3000}
	for name, c := range map[string]struct{ rate, want Rate }{
		"default":        {Rate{}, byDefault},
		"rate":           {Rate{EventsPerSecond: 7}, Rate{7, 70}},
		"small rate":     {Rate{EventsPerSecond: 0.01}, Rate{0.01, 1}},
		"both":           {Rate{EventsPerSecond: 7, Burst: 9}, Rate{7, 9}},
		"burst":          {Rate{Burst: 9}, Rate{200, 9}},
		"no limit":       {Rate{EventsPerSecond: -1}, Rate{-1, 1}},
		"enormous burst": {Rate{EventsPerSecond: 1e18}, Rate{1e18, 1<<31 - 1}},
	} {
		if got := c.rate.Or(byDefault); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if (Rate{Burst: -1}).Validate() == nil {
		t.Error("a negative burst was taken")
	}
}

func TestIdentityOfKeys(t *testing.T) {
	web := Key{ID: "web", Tenant: "acme", Kind: Browser, Value: webValue, Origins: []string{"*"}}
	web.Identity = &identity.Config{Required: true, Secrets: []identity.Secret{{ID: "a", Secret: "a-secret-of-at-least-32-bytes-ok"}}}
	ring, err := NewRing([]Key{web})
	if err != nil {
		t.Fatal(err)
	}
	k, ok := ring.Lookup(webValue)
	if !ok || k.Verifier() == nil || !k.NeedsIdentity() {
		t.Errorf("found %v, verifier %v", ok, k)
	}
	short := web
	short.Identity = &identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: "short"}}}
	server := Key{ID: "srv", Tenant: "acme", Kind: Server, Hash: Hash(serverSecret), Identity: web.Identity}
	for name, bad := range map[string]Key{"short secret": short, "server key": server} {
		if err := ring.Replace([]Key{bad}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, ok := ring.Lookup(webValue); !ok {
		t.Error("a refused set took the place of the old one")
	}
}
