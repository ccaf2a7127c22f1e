package notifier

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/secret"
	"partnerpulse/schemas"
)

// childVariable makes the test binary a notifier that a test kills.
const childVariable = "TEST_NOTIFIER_CHILD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childVariable); spec != "" {
		child(spec)
		os.Exit(0)
	}
	os.Exit(enginetest.Main(m))
}

// Two secrets of 32 bytes.
var (
	oldSecret = []byte("0123456789abcdef0123456789abcdef")
	newSecret = []byte("fedcba9876543210fedcba9876543210")
)

func whsec(key []byte) config.Secret {
	return secret.Text("whsec_" + base64.StdEncoding.EncodeToString(key))
}

func storeConfig(addr, database string) chstore.Config {
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = config.List{"http://" + addr}, database
	return cfg
}

// newStore gives a migrated database.
func newStore(t *testing.T) (store *chstore.Store, addr, database string) {
	t.Helper()
	addr, database = enginetest.ClickHouse(t), fmt.Sprintf("notifier_%d", time.Now().UnixNano())
	store, err := chstore.Open(storeConfig(addr, database), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Exec(context.Background(), "DROP DATABASE IF EXISTS "+database, nil); err != nil {
			t.Error(err)
		}
		_ = store.Close()
	})
	migrations, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), migrations); err != nil {
		t.Fatal(err)
	}
	return store, addr, database
}

// request is what a receiver got.
type request struct {
	id, timestamp, signature string
	body                     []byte
}

// receiver is a real HTTP server that answers as told.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   http.HandlerFunc // nil: 204
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.requests = append(r.requests, request{
			req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp"), req.Header.Get("webhook-signature"), body,
		})
		answer := r.answer
		r.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) say(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

// signed checks a signature by the text of the specification, not by the library:
// v1, and the base64 of HMAC-SHA256 over id.timestamp.body.
func (q request) signed(key []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(q.id + "." + q.timestamp + "."))
	mac.Write(q.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Split(q.signature, " ") {
		if hmac.Equal([]byte(s), []byte(want)) {
			return true
		}
	}
	return false
}

// rig is a notifier whose steps the tests take one by one.
type rig struct {
	*Notifier
	t     *testing.T
	store *chstore.Store
	now   time.Time
}

func newRig(t *testing.T, store *chstore.Store, change func(*Config), endpoints ...Endpoint) *rig {
	t.Helper()
	r := &rig{t: t, store: store, now: noon}
	cfg := DefaultConfig()
	cfg.Endpoints, cfg.Timeout = endpoints, 2*time.Second
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg, Deps{Store: store, Now: func() time.Time { return r.now }}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r.Notifier = n
	return r
}

// know puts alerts in the place of those read from the topics.
func (r *rig) know(alerts ...Alert) {
	r.t.Helper()
	if err := r.store.InsertColumns(r.t.Context(), "notifier_alerts", alertColumns(alerts)); err != nil {
		r.t.Fatal(err)
	}
}

// round plans and sends once.
func (r *rig) round() {
	r.t.Helper()
	if err := r.Plan(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for i := range r.cfg.Endpoints {
		if err := r.send(r.t.Context(), &r.cfg.Endpoints[i]); err != nil {
			r.t.Fatal(err)
		}
	}
}

// fates lists the deliveries as "status attempts".
func (r *rig) fates() []string {
	r.t.Helper()
	var rows []struct {
		Fate string `ch:"fate"`
	}
	q := "SELECT concat(status, ' ', toString(attempts)) AS fate FROM notifier_deliveries FINAL ORDER BY created_at, delivery_id"
	if err := r.store.Select(r.t.Context(), &rows, q, nil); err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, row := range rows {
		out = append(out, row.Fate)
	}
	return out
}

func local(url string) Endpoint {
	e := endpoint()
	e.URL, e.AllowPrivate, e.Secrets = url, true, []config.Secret{whsec(oldSecret)}
	return e
}

// childSpec is what a notifier in a process of its own works with.
type childSpec struct {
	Addr, Database, URL string
	Broker              string // empty: it plans and sends once, and reads no topic
}

// child is a notifier in a process of its own, until it is killed or has sent.
func child(spec string) {
	var s childSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := chstore.Open(storeConfig(s.Addr, s.Database), zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	if s.Broker != "" {
		ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := member(ended, s, store); err != nil {
			panic(err)
		}
		return
	}
	cfg := DefaultConfig()
	cfg.Endpoints, cfg.Timeout = []Endpoint{local(s.URL)}, 30*time.Second
	n, err := New(cfg, Deps{Store: store}, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	if err := n.Plan(ctx); err != nil {
		panic(err)
	}
	if err := n.send(ctx, &n.cfg.Endpoints[0]); err != nil {
		panic(err)
	}
}
