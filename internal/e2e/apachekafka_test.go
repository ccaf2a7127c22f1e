package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"partnerpulse/internal/apachekafka"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/internal/kafkabus"
)

// TestOneEventOnApacheKafka is the main job on a real broker.
func TestOneEventOnApacheKafka(t *testing.T) {
	enginetest.Need(t)
	c := apachekafka.Start(t, 1)
	mainJob(t, "--set", "kafka.brokers="+c.Brokers()[0])
}

// The load comes in rounds, each sent to its last acknowledgement, until the faults
// are over: so they all fall into it, however fast the machine is.
const (
	roundEvents      = 1200
	roundRate        = 400 // events a second
	clusterEventsMin = 5000
)

// TestThreeBrokersOneKilledAndARollingRestart sends through a replicated cluster
// while a broker is killed and comes back, and while all three restart one after
// the other. Then the distinct acked ids are those in ClickHouse.
func TestThreeBrokersOneKilledAndARollingRestart(t *testing.T) {
	enginetest.Need(t)
	c := apachekafka.Start(t, 3)
	dir := t.TempDir()
	s := up(t, dir, nil, "--set", "kafka.brokers="+strings.Join(c.Brokers(), ","), "--set", "kafka.replication_factor=3")
	replicated(t, c.Brokers()[0], 3)
	acked := filepath.Join(dir, "acked.txt")
	faulted, finished := make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	sent := 0
	go func() {
		var err error
		sent, err = s.sendInRounds(ctx, acked, faulted)
		finished <- err
	}()
	ended := false
	t.Cleanup(func() {
		cancel()
		if !ended {
			<-finished
		}
	})

	awaitAcks(t, acked, "the first acks", roundEvents/2)
	step := func(what string, fault func()) {
		before, _ := countLines(acked)
		fault()
		after, _ := countLines(acked)
		t.Logf("%s: %d acked before, %d after", what, before, after)
	}
	step("kill -9 of broker 2", func() { c.Kill(1) })
	alone, _ := countLines(acked)
	awaitAcks(t, acked, "acks by two brokers of three", alone+roundEvents/2)
	step("its return", func() { c.Restart(1) })
	for i := range c.Brokers() {
		step("restart of broker "+strconv.Itoa(i+1), func() { c.Restart(i) })
	}
	close(faulted)
	err := <-finished
	ended = true
	if err != nil {
		t.Fatal(err)
	}

	_, ids := countLines(acked)
	if len(ids) != sent || sent < clusterEventsMin {
		t.Fatalf("%d distinct ids acked of %d sent", len(ids), sent)
	}
	await(t, time.Minute, "all acked events in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n FROM events FINAL")
		if err == nil && n < int64(len(ids)) {
			err = fmt.Errorf("%d of %d", n, len(ids))
		}
		return err
	})
	s.settled()
	s.holdsExactly(ids)
	s.stop()
}

// replicated checks that each partition of the events topic is on so many brokers.
func replicated(t *testing.T, broker string, replicas int) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: 10 * time.Second}
	m, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{kafkabus.TopicEvents}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Topics[0].Partitions {
		if len(p.Replicas) != replicas {
			t.Fatalf("partition %d of the events topic has %d replicas, want %d", p.ID, len(p.Replicas), replicas)
		}
	}
}

func awaitAcks(t *testing.T, acked, what string, least int) {
	t.Helper()
	await(t, time.Minute, what, func() error {
		if n, _ := countLines(acked); n < least {
			return fmt.Errorf("%d of %d", n, least)
		}
		return nil
	})
}

// sendInRounds runs the simulator again and again, until enough is done and sent; it
// gives how many events it sent.
func (s *stack) sendInRounds(ctx context.Context, acked string, enough <-chan struct{}) (sent int, err error) {
	for round := 1; ; round++ {
		said, err := exec.CommandContext(ctx, binary, "simulate", "--collector", s.Collector, "--key", s.ServerKey,
			"--no-backfill", "--seed", strconv.Itoa(round), "--rate", strconv.Itoa(roundRate),
			"--events", strconv.Itoa(roundEvents), "--ack-log", acked).CombinedOutput()
		if err != nil {
			return sent, fmt.Errorf("round %d of the simulator: %w\n%s", round, err, said)
		}
		sent += roundEvents
		select {
		case <-enough:
			if sent >= clusterEventsMin {
				return sent, nil
			}
		default:
		}
	}
}

// holdsExactly compares the stored events with the acked ids, both ways.
func (s *stack) holdsExactly(acked map[string]bool) {
	s.t.Helper()
	stored, err := query[struct {
		ID string `json:"id"`
	}](s, "SELECT id FROM events FINAL")
	if err != nil {
		s.t.Fatal(err)
	}
	seen, strange := make(map[string]bool, len(stored)), 0
	for _, e := range stored {
		if !acked[e.ID] || seen[e.ID] {
			strange++
		}
		seen[e.ID] = true
	}
	missing := 0
	for id := range acked {
		if !seen[id] {
			missing++
		}
	}
	if strange > 0 || missing > 0 {
		s.t.Errorf("%d acked, %d stored: %d are missing, %d were never acked or are stored twice", len(acked), len(stored), missing, strange)
		return
	}
	s.t.Logf("%d acked = %d stored", len(acked), len(stored))
}
