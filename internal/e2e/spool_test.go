package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
)

var (
	spoolEvents = flag.Int("spool.events", 10_000, "least number of events of the broker-outage test")
	spoolFreeze = flag.Duration("spool.freeze", 3*time.Second, "how long the broker is frozen in the broker-outage test")
)

// role is a collector in a process of its own, with a spool.
type role struct {
	t    *testing.T
	url  string
	args []string
	cmd  *exec.Cmd
	done chan error
	log  *bytes.Buffer
	peak int64 // KiB resident, the most of all its processes
}

func collectorRole(t *testing.T, s *stack, dir string) *role {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "collector.yaml")
	config := fmt.Sprintf("keys:\n- {id: outage, tenant: %s, portal: main, kind: server, hash: %s, scopes: [write]}\n", s.Tenant, keys.Hash(s.ServerKey))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &role{t: t, url: "http://" + addr, log: new(bytes.Buffer), args: []string{
		"collector", "--config", file, "--set", "kafka.brokers=" + s.Kafka, "--set", "collector.http.addr=" + addr,
		"--set", "collector.spool.dir=" + filepath.Join(dir, "collector-spool"),
	}}
	r.start()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		if t.Failed() {
			text := r.log.String()
			t.Logf("the log of the collector ends with:\n%s", text[max(0, len(text)-4000):])
		}
	})
	return r
}

func (r *role) start() {
	r.t.Helper()
	r.cmd = exec.Command(binary, r.args...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	cmd := r.cmd
	go func() { done <- cmd.Wait() }()
	r.done = done
	await(r.t, time.Minute, "the collector to listen", func() error {
		select {
		case err := <-done:
			done <- err
			r.t.Fatalf("the collector ended: %v\n%s", err, r.log)
		default:
		}
		_, err := r.get("/healthz")
		return err
	})
}

// kill ends the collector with SIGKILL, noting how much memory it took.
func (r *role) kill() {
	r.t.Helper()
	r.measure()
	if err := r.cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	<-r.done
}

// measure reads the peak of resident memory, where the system tells it.
func (r *role) measure() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			r.peak = max(r.peak, kib)
		}
	}
}

func (r *role) get(path string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), err
}

// metric reads one sample, with whatever labels it has.
func (r *role) metric(name string) (float64, error) {
	text, err := r.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == '{' || rest[0] == ' ') {
			return strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// load sends batches without end, each worker those of one partner, one after
// another, each until it is acknowledged.
type load struct {
	url, key string
	pause    time.Duration // of each worker after each batch
	acked    atomic.Int64
	refused  atomic.Int64 // answers 503
	broken   atomic.Int64 // connections without an answer
	slowest  atomic.Int64 // nanoseconds of a request that was acknowledged
	batches  [loadWorkers]int
}

const (
	loadWorkers = 8
	loadBatch   = 10
)

func loadID(worker, batch, i int) string { return fmt.Sprintf("outage-%d-%06d-%d", worker, batch, i) }

func (l *load) run(ctx context.Context) error {
	var wg sync.WaitGroup
	var failed atomic.Value
	for w := range loadWorkers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := l.send(w, l.batches[w]); err != nil {
					failed.CompareAndSwap(nil, err)
					return
				}
				l.batches[w]++
				l.acked.Add(loadBatch)
				time.Sleep(l.pause)
			}
		})
	}
	wg.Wait()
	err, _ := failed.Load().(error)
	return err
}

// send repeats one batch until all of it is accepted. Ten minutes only end a hanging test.
func (l *load) send(w, batch int) error {
	var events []string
	for i := range loadBatch {
		events = append(events, login(loadID(w, batch, i), fmt.Sprint("outage-", w), time.Now()))
	}
	body := "[" + strings.Join(events, ",") + "]"
	for begin := time.Now(); time.Since(begin) < 10*time.Minute; time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodPost, l.url+"/v1/events", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+l.key)
		sent := time.Now()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			l.broken.Add(1)
			continue
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		var got struct{ Accepted int }
		switch {
		case err != nil:
			l.broken.Add(1)
		case res.StatusCode == http.StatusServiceUnavailable:
			l.refused.Add(1)
		case res.StatusCode != http.StatusAccepted || json.Unmarshal(answer, &got) != nil || got.Accepted != loadBatch:
			return fmt.Errorf("status %d: %s", res.StatusCode, answer)
		default:
			for took := int64(time.Since(sent)); ; {
				if old := l.slowest.Load(); took <= old || l.slowest.CompareAndSwap(old, took) {
					return nil
				}
			}
		}
	}
	return errors.New("a batch was not acknowledged within ten minutes")
}

// TestBrokerOutage freezes the broker, kills it, starts it again, and kills the
// collector twice meanwhile, all under load. What was acknowledged must be in
// ClickHouse, and in Kafka in the order of the acknowledgements of each partner.
func TestBrokerOutage(t *testing.T) {
	dir := t.TempDir()
	s := up(t, dir, nil)
	ports := s.readyFile
	col := collectorRole(t, s, dir)
	l := &load{url: col.url, key: s.ServerKey}
	l.pause = 20 * time.Second * loadWorkers * loadBatch / time.Duration(*spoolEvents)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx) }()
	reach := func(what string, goal int64) {
		t.Helper()
		await(t, 5*time.Minute, "acknowledgements "+what, func() error {
			if n := l.acked.Load(); n < goal {
				return fmt.Errorf("%d of %d", n, goal)
			}
			return nil
		})
	}
	more := func(what string, part int) {
		t.Helper()
		reach(what, l.acked.Load()+int64(*spoolEvents/part))
	}
	spooled := func() float64 {
		n, err := col.metric("partnerpulse_spool_records")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}

	more("before the outage", 6)
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	freeze := time.After(*spoolFreeze)
	more("while the broker is frozen", 20)
	frozen := spooled()
	if frozen == 0 {
		t.Error("nothing is in the spool of a collector whose broker is frozen")
	}
	col.kill()
	col.start()
	more("after kill -9 of the collector", 20)
	<-freeze
	s.kill()
	more("with the broker gone", 6)
	gone := spooled()
	if _, err := col.get("/readyz"); err != nil && strings.Contains(err.Error(), "spool") {
		t.Errorf("the collector is not ready with room in its spool: %v", err)
	}
	s = up(t, dir, &ports)
	await(t, 2*time.Minute, "the spool to be delivered under load", func() error {
		if n := spooled(); n > gone/2 {
			return fmt.Errorf("%v records wait", n)
		}
		return nil
	})
	col.kill()
	col.start()
	more("after the second kill -9", 20)
	reach("to the end", int64(*spoolEvents))
	await(t, 2*time.Minute, "requests to go to Kafka again", func() error {
		n, err := col.metric(`partnerpulse_durable_breaker_state`)
		if err == nil && n != 0 {
			err = fmt.Errorf("breaker state %v, %v records wait", n, spooled())
		}
		return err
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	col.measure()
	counted(t, s, l)
	t.Logf("%d events acknowledged; in the spool: %v at the freeze's kill, %v with the broker gone; %d answers 503, %d broken connections; slowest acknowledged request %s; peak memory of the collector %d MiB",
		l.acked.Load(), frozen, gone, l.refused.Load(), l.broken.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond), col.peak>>10)
	if err := col.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-col.done; err != nil {
		t.Errorf("the collector did not stop cleanly: %v", err)
	}
	s.stop()
}

// counted checks that exactly what was acknowledged is in ClickHouse, and the
// order in Kafka.
func counted(t *testing.T, s *stack, l *load) {
	t.Helper()
	const where = " FROM events FINAL WHERE startsWith(id, 'outage-')"
	await(t, 5*time.Minute, "all acknowledged events in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n" + where)
		if err == nil && n < l.acked.Load() {
			err = fmt.Errorf("%d of %d", n, l.acked.Load())
		}
		return err
	})
	rows, err := query[struct {
		ID string `json:"id"`
	}](s, "SELECT id"+where)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for _, r := range rows {
		stored[r.ID] = true
	}
	lost := 0
	for w := range loadWorkers {
		for batch := range l.batches[w] {
			for i := range loadBatch {
				if !stored[loadID(w, batch, i)] {
					lost++
				}
			}
		}
	}
	if lost > 0 || int64(len(rows)) != l.acked.Load() {
		t.Errorf("%d acknowledged events are lost; %d stored, %d acknowledged", lost, len(rows), l.acked.Load())
	}
	seen, next, copies, late := map[string]bool{}, map[string]int{}, 0, 0
	for _, r := range s.topic(kafkabus.TopicEvents) {
		var e struct{ ID string }
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		var w, batch, i int
		if n, _ := fmt.Sscanf(e.ID, "outage-%d-%d-%d", &w, &batch, &i); n != 3 {
			continue
		}
		if seen[e.ID] {
			copies++
			continue
		}
		seen[e.ID] = true
		key := string(r.Key)
		if batch < next[key] {
			late++
		}
		next[key] = max(next[key], batch)
	}
	if late > 0 {
		t.Errorf("%d events came after those of a later request of the same partner", late)
	}
	t.Logf("%d events found of %d acknowledged, %d lost; Kafka has %d copies more, %d out of order", len(rows), l.acked.Load(), lost, copies, late)
}
