package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/apachekafka"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/keys"
)

const (
	group      = "chaos"
	partitions = 8
	database   = "partnerpulse"
	// sessionTimeout of enrichers and aggregators is the least that Kafka allows: it is how long
	// the partitions of a killed one wait.
	sessionTimeout = 6 * time.Second
)

// broker is the log: embedded in a process of ours, or Apache Kafka.
type broker interface {
	addrs() []string
	kill() error  // SIGKILL
	start() error // on its old data; returns when it serves
	process() *process
}

// cluster is an installation in many processes.
type cluster struct {
	t     *testing.T
	dir   string
	keys  map[string]string // secret by tenant
	ports map[string]int

	broker      broker
	store       *process
	collector   *process
	enrichers   []*process
	aggregators []*process
}

// settings are what differs between installations of the tests.
type settings struct {
	apache   bool
	database string
	store    *process // of another cluster, to share; nil: its own
	extra    string   // more of the configuration file
}

func newCluster(t *testing.T, s settings) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), keys: map[string]string{}, ports: map[string]int{}}
	names := []string{"broker", "store", "collector", "enricher-0", "enricher-1", "enricher-2", "enricher-3", "aggregator-0", "aggregator-1", "aggregator-2", "spare-0", "spare-1"}
	for i, port := range freePorts(t, len(names)) {
		c.ports[names[i]] = port
	}
	t.Cleanup(c.cleanup)
	if s.apache {
		c.broker = &apacheBroker{apachekafka.Start(t, 1)}
	} else {
		c.broker = &embeddedBroker{c: c, p: c.engine("kafka", "broker")}
		must(t, c.broker.start())
	}
	if c.store = s.store; c.store == nil {
		c.store = c.engine("clickhouse", "store")
		must(t, c.store.start(""))
		must(t, c.awaitStore())
	}
	c.writeConfig(s)
	must(t, c.command("migrate"))
	c.collector = c.role("collector", "collector")
	return c
}

func (c *cluster) engine(kind, role string) *process {
	dir := filepath.Join(c.dir, role)
	must(c.t, os.MkdirAll(dir, 0o700))
	return &process{role: role, name: role, dir: c.dir, args: []string{
		engineBinary, "-kind", kind, "-addr", c.at(role), "-data-dir", dir, "-partitions", strconv.Itoa(partitions),
	}}
}

// role makes a process of the binary; its metrics are at the port of its name.
func (c *cluster) role(role, name string, sets ...string) *process {
	args := []string{binary, role, "--config", c.configFile()}
	if role != "collector" {
		args = append(args, "--set", "ops.addr="+c.at(name))
	}
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	return &process{role: role, name: name, dir: c.dir, args: args}
}

func (c *cluster) at(name string) string { return "127.0.0.1:" + strconv.Itoa(c.ports[name]) }
func (c *cluster) configFile() string    { return filepath.Join(c.dir, "config.yaml") }

func (c *cluster) storeURL() string {
	return "http://" + c.store.args[4] // the address after -addr
}

func (c *cluster) writeConfig(s settings) {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], partitions: %d}\n", strings.Join(c.broker.addrs(), ", "), partitions)
	fmt.Fprintf(&b, "clickhouse: {addr: [%q], database: %s}\n", c.storeURL(), firstOf(s.database, database))
	fmt.Fprintf(&b, "collector: {http: {addr: %q}, spool: {dir: %q}}\n", c.at("collector"), filepath.Join(c.dir, "spool"))
	// Little is held, so that many batches are streamed, and smaller ones are not.
	fmt.Fprintf(&b, "enricher: {group: %s, hold_rows_max: 600, session_timeout: %s, heartbeat_interval: 500ms, rebalance_timeout: 10s, retry_max: 2s, rejects: {group: rejects}}\n", group, sessionTimeout)
	// Thresholds of the detector are tabulated at every start otherwise, a second each.
	fmt.Fprintf(&b, "aggregator: {interval: 500ms, takeover_after: %s, retry_max: 2s, settle: 3s, settle_max: 1m, detect: {thresholds: lorden}}\n", sessionTimeout)
	b.WriteString("tenants:\n")
	for _, t := range tenants {
		fmt.Fprintf(&b, "  %s: {timezone: %s}\n", t.id, t.zone)
	}
	b.WriteString("keys:\n")
	for _, t := range tenants {
		c.keys[t.id] = keys.Generate(keys.Server)
		fmt.Fprintf(&b, "- {id: chaos-%s, tenant: %s, portal: main, kind: server, hash: %s, scopes: [write, backfill, directory], rate: {events_per_second: -1}}\n",
			t.id, t.id, keys.Hash(c.keys[t.id]))
	}
	b.WriteString(s.extra)
	must(c.t, os.WriteFile(c.configFile(), []byte(b.String()), 0o600))
}

// command runs a subcommand to its end.
func (c *cluster) command(args ...string) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, append(args, "--config", c.configFile())...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// run starts the roles: the collector, and so many enrichers and aggregators.
func (c *cluster) run(enrichers, aggregators int) {
	c.t.Helper()
	for i := range enrichers {
		c.enrichers = append(c.enrichers, c.role("enricher", "enricher-"+strconv.Itoa(i)))
	}
	for i := range aggregators {
		c.aggregators = append(c.aggregators, c.role("aggregator", "aggregator-"+strconv.Itoa(i)))
	}
	for _, p := range c.roles() {
		must(c.t, p.start(""))
	}
	await(c.t, time.Minute, "the collector", func() error { _, err := c.get(c.at("collector"), "/healthz"); return err })
}

// roles are the processes of the binary.
func (c *cluster) roles() []*process {
	return slices.Concat([]*process{c.collector}, c.enrichers, c.aggregators)
}

// processes are all that run, in the order in which they may end.
func (c *cluster) processes() []*process {
	out := append(c.roles(), c.store)
	if p := c.broker.process(); p != nil {
		out = append(out, p)
	}
	return out
}

func (c *cluster) cleanup() {
	for _, p := range c.processes() {
		if p == nil || !p.running() {
			continue
		}
		if err := p.end(syscall.SIGKILL); err != nil {
			c.t.Error(err)
		}
	}
	if !c.t.Failed() {
		return
	}
	for _, p := range c.processes() {
		if p != nil {
			c.t.Logf("the log of %s ends with:\n%s", p.name, p.tail())
		}
	}
}

func (c *cluster) awaitStore() error {
	return awaitErr(time.Minute, func() error {
		if ended, _ := c.store.gone(); ended {
			return errFatal{fmt.Errorf("the store ended:\n%s", c.store.tail())}
		}
		_, err := c.get(strings.TrimPrefix(c.storeURL(), "http://"), "/ping")
		return err
	})
}

// get reads a page of a process.
func (c *cluster) get(addr, path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return "", err
	}
	res, err := nethttp.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != nethttp.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), err
}

// open connects to the installation's database.
func (c *cluster) open(database string) *chstore.Store {
	c.t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr, cfg.Database = config.List{c.storeURL()}, database
	s, err := chstore.Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	must(c.t, err)
	c.t.Cleanup(func() { must(c.t, s.Close()) })
	return s
}

// embeddedBroker is kfake in a process of its own.
type embeddedBroker struct {
	c *cluster
	p *process
}

func (b *embeddedBroker) addrs() []string   { return []string{b.c.at("broker")} }
func (b *embeddedBroker) process() *process { return b.p }
func (b *embeddedBroker) kill() error       { return b.p.end(syscall.SIGKILL) }

func (b *embeddedBroker) start() error {
	if err := b.p.start(""); err != nil {
		return err
	}
	return awaitErr(2*time.Minute, func() error {
		if ended, _ := b.p.gone(); ended {
			return errFatal{fmt.Errorf("the broker ended:\n%s", b.p.tail())}
		}
		conn, err := net.DialTimeout("tcp", b.addrs()[0], time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// apacheBroker is one broker of Apache Kafka.
type apacheBroker struct{ cluster *apachekafka.Cluster }

func (b *apacheBroker) addrs() []string   { return b.cluster.Brokers() }
func (b *apacheBroker) process() *process { return nil }
func (b *apacheBroker) kill() error       { b.cluster.Kill(0); return nil }
func (b *apacheBroker) start() error      { b.cluster.Restart(0); return nil }

// freePorts finds ports below those that systems give to outgoing connections.
func freePorts(t *testing.T, count int) []int {
	t.Helper()
	const low, high, tries = 12_000, 30_000, 1000
	var open []net.Listener
	defer func() {
		for _, l := range open {
			_ = l.Close()
		}
	}()
	var out []int
	for range tries {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(low+rand.IntN(high-low)))
		if err != nil {
			continue
		}
		open, out = append(open, l), append(out, l.Addr().(*net.TCPAddr).Port)
		if len(out) == count {
			return out
		}
	}
	t.Fatal(errors.New("no free ports"))
	return nil
}
