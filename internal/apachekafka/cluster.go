package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	readyLimit = 2 * time.Minute
	endLimit   = time.Minute // of an orderly end; SIGKILL takes milliseconds
	pollEvery  = 100 * time.Millisecond
)

// Cluster is a running cluster. Its methods are for one goroutine; nodes are
// counted from 0.
type Cluster struct {
	t     testing.TB
	nodes []*node
}

// Start starts a cluster of the given number of brokers and waits until all of
// them serve. With three, topics have three replicas, of which two must have a
// record before it is acknowledged. The cluster ends with the test.
func Start(t testing.TB, nodes int) *Cluster {
	t.Helper()
	scripts, lib := install(t)
	template, err := os.ReadFile(filepath.Join(scripts, "server.properties"))
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2*nodes)
	c := &Cluster{t: t}
	dir := t.TempDir()
	voters := make([]string, nodes)
	for i := range nodes {
		n := &node{id: i + 1, port: ports[2*i], controllerPort: ports[2*i+1], lib: lib, dir: filepath.Join(dir, "node-"+strconv.Itoa(i+1))}
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", n.id, n.controllerPort)
		c.nodes = append(c.nodes, n)
	}
	var formatting errgroup.Group
	for _, n := range c.nodes {
		formatting.Go(func() error { return n.format(t.Context(), string(template), strings.Join(voters, ","), nodes) })
	}
	if err := formatting.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cleanup)
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
	}
	c.await("all brokers to serve", c.allServe)
	return c
}

// Brokers gives the host:port of each broker.
func (c *Cluster) Brokers() []string {
	out := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		out[i] = n.addr()
	}
	return out
}

// Kill ends a broker with SIGKILL and waits until its process is gone.
func (c *Cluster) Kill(node int) {
	c.t.Helper()
	if err := c.nodes[node].signal(os.Kill, endLimit); err != nil {
		c.t.Fatal(err)
	}
}

// Restart starts a broker on its old data and waits until it serves and every
// partition it holds is in sync. One that runs is ended in an orderly way first.
func (c *Cluster) Restart(node int) {
	c.t.Helper()
	n := c.nodes[node]
	if n.process != nil {
		if err := n.signal(syscall.SIGTERM, endLimit); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := n.start(); err != nil {
		c.t.Fatal(err)
	}
	c.await(fmt.Sprintf("broker %d to be in sync", n.id), func(ctx context.Context) error { return n.inSync(ctx) })
}

// Stop ends all brokers at once, without order: their data goes with the test.
func (c *Cluster) Stop() {
	for _, n := range c.nodes {
		if n.process == nil {
			continue
		}
		if err := n.signal(os.Kill, endLimit); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *Cluster) cleanup() {
	c.Stop()
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		c.t.Logf("the log of broker %d ends with:\n%s", n.id, n.logEnd())
	}
}

// await repeats try until it gives no error, or fails the test when a broker
// ended or after readyLimit.
func (c *Cluster) await(what string, try func(context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), readyLimit)
	defer cancel()
	begin := time.Now()
	for {
		err := try(ctx)
		if err == nil {
			c.t.Logf("waited %s for %s", time.Since(begin).Round(10*time.Millisecond), what)
			return
		}
		for _, n := range c.nodes {
			if gone := n.gone(); gone != nil {
				c.t.Fatal(gone)
			}
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("waited %s for %s: %v", readyLimit, what, err)
		case <-time.After(pollEvery):
		}
	}
}

// allServe asks every broker and expects each of them to know all of them.
func (c *Cluster) allServe(ctx context.Context) error {
	for _, n := range c.nodes {
		m, err := n.metadata(ctx)
		if err != nil {
			return err
		}
		if len(m.Brokers) != len(c.nodes) {
			return fmt.Errorf("broker %d knows %d of %d brokers", n.id, len(m.Brokers), len(c.nodes))
		}
	}
	return nil
}

// inSync asks the node itself: it serves, and is in sync where it has a replica.
func (n *node) inSync(ctx context.Context) error {
	m, err := n.metadata(ctx)
	if err != nil {
		return err
	}
	known := false
	for _, b := range m.Brokers {
		known = known || b.ID == n.id
	}
	if !known {
		return fmt.Errorf("broker %d is not registered", n.id)
	}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			if holds(p.Replicas, n.id) && !holds(p.Isr, n.id) {
				return fmt.Errorf("partition %d of %s is not in sync", p.ID, t.Name)
			}
		}
	}
	return nil
}

func holds(brokers []kafka.Broker, id int) bool {
	for _, b := range brokers {
		if b.ID == id {
			return true
		}
	}
	return false
}

// metadata of all topics, as this broker knows it.
func (n *node) metadata(ctx context.Context) (*kafka.MetadataResponse, error) {
	transport := &kafka.Transport{DialTimeout: time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(n.addr()), Timeout: 5 * time.Second, Transport: transport}
	return client.Metadata(ctx, &kafka.MetadataRequest{})
}

// freePorts finds ports below those that systems give to outgoing connections: a
// client that dials a broker which is down could take the port, or reach itself.
func freePorts(t testing.TB, count int) []int {
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
		port := low + rand.IntN(high-low)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		open, out = append(open, l), append(out, port)
		if len(out) == count {
			return out
		}
	}
	t.Fatal(errors.New("no free ports"))
	return nil
}
