package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"partnerpulse/internal/embedded/enginetest"
)

// settled waits until every dirty key was worked off and nothing changes any more.
func (s *stack) settled() {
	s.t.Helper()
	var last int64 = -1
	await(s.t, 5*time.Minute, "the stack to settle", func() error {
		dirty, err := s.one("SELECT count() AS n FROM (SELECT hour, tenant, partner_id, day FROM dirty_days GROUP BY ALL HAVING sum(marked) > max(done))")
		if err != nil {
			return err
		}
		rows, err := s.one("SELECT count() AS n FROM events")
		if err != nil {
			return err
		}
		// Detection waits for the days to stop changing.
		behind, err := s.one("SELECT count() AS n FROM partner_progress FINAL WHERE detected_through + 1 < " +
			"(SELECT least(today(), maxIf(day, events > 0)) FROM partner_daily FINAL)")
		if err != nil {
			return err
		}
		dirty += behind
		if dirty > 0 || rows != last {
			last = rows
			time.Sleep(1500 * time.Millisecond)
			return fmt.Errorf("%d dirty keys, %d rows", dirty, rows)
		}
		return nil
	})
}

// replayed waits until the consumer group has read the events topic to its end.
func (s *stack) replayed(group string) {
	s.t.Helper()
	await(s.t, 5*time.Minute, "the replay", func() error {
		lag, err := groupLag(s.t.Context(), s.Kafka, group)
		if err == nil && lag != 0 {
			err = fmt.Errorf("lag %d", lag)
		}
		return err
	})
}

// fingerprint is a hash over all columns but ver of each derived table, and of its
// row count. It goes by the text of each row: a hash of the columns is null where one of
// them is, and a sum leaves nulls out.
func (s *stack) fingerprint() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, table := range []string{"partner_daily", "sessions", "partner_scores"} {
		rows, err := query[struct {
			N uint64 `json:"n"`
			H string `json:"h"`
		}](s, "SELECT count() AS n, toString(sum(cityHash64(toString(tuple(*))))) AS h FROM (SELECT * EXCEPT ver FROM "+table+" FINAL)")
		if err != nil {
			s.t.Fatal(err)
		}
		if rows[0].N == 0 {
			s.t.Fatalf("%s is empty", table)
		}
		out[table] = strconv.FormatUint(rows[0].N, 10) + " rows, hash " + rows[0].H
	}
	return out
}

// TestKillNine kills everything several times while a client with retries sends,
// and then counts: distinct acked ids = events FINAL = the rollups' sum.
func TestKillNine(t *testing.T) {
	enginetest.Need(t)
	dir := t.TempDir()
	s := up(t, dir, nil)
	ports := s.readyFile
	acked := filepath.Join(dir, "acked.txt")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	sim := exec.CommandContext(ctx, binary, "simulate", "--collector", ports.Collector, "--key", ports.ServerKey,
		"--events", strconv.Itoa(*crashEvents), "--ack-log", acked)
	out, err := os.Create(filepath.Join(dir, "simulate.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	sim.Stdout, sim.Stderr = out, out
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	finished := make(chan error, 1)
	go func() { finished <- sim.Wait() }()

	kills := 0
	for running := true; running; {
		// Kill after another fifth was acked, so that kills hit the middle whatever the speed.
		goal := (kills + 1) * *crashEvents / 5
		select {
		case err := <-finished:
			if err != nil {
				b, _ := os.ReadFile(out.Name())
				t.Fatalf("simulate: %v\n%s", err, b)
			}
			running = false
		case <-time.After(20 * time.Millisecond):
			if n, _ := countLines(acked); n < goal || kills >= 4 {
				continue
			}
			s.kill()
			kills++
			s = up(t, dir, &ports)
		}
	}
	if kills < 3 {
		t.Fatalf("only %d kills: the test shows too little", kills)
	}
	_, ids := countLines(acked)
	if len(ids) != *crashEvents {
		t.Fatalf("%d distinct ids acked of %d sent", len(ids), *crashEvents)
	}
	await(t, 5*time.Minute, "all acked events in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n FROM events FINAL")
		if err == nil && n < int64(len(ids)) {
			err = fmt.Errorf("%d of %d", n, len(ids))
		}
		return err
	})
	s.settled()
	stored, err := query[struct {
		ID string `json:"id"`
	}](s, "SELECT id FROM events FINAL")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range stored {
		if !ids[e.ID] {
			t.Errorf("event %s is stored and was never acked", e.ID)
		}
		delete(ids, e.ID)
	}
	if len(ids) > 0 {
		t.Errorf("%d acked events are missing", len(ids))
	}
	rollup, err := s.one("SELECT toInt64(sum(events)) AS n FROM partner_daily FINAL")
	if err != nil {
		t.Fatal(err)
	}
	counted, err := s.one("SELECT count() AS n FROM events FINAL WHERE NOT internal AND NOT is_bot AND partner_id != '-' AND type NOT IN ('partner.upserted', 'user.upserted', 'training.commitment_set')")
	if err != nil {
		t.Fatal(err)
	}
	if rollup != counted {
		t.Errorf("the rollups count %d events, ClickHouse holds %d that count", rollup, counted)
	}
	t.Logf("%d kills; %d acked, %d stored, %d in the rollups", kills, *crashEvents, len(stored), rollup)
	s.stop()
}

// countLines gives the complete lines of a file that is still growing, and the set of them.
func countLines(path string) (n int, ids map[string]bool) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, nil
	}
	defer f.Close()
	ids = map[string]bool{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		n++
		ids[sc.Text()] = true
	}
	return n, ids
}
