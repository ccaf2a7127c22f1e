package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partnerpulse/internal/bench"
	"partnerpulse/internal/embedded/enginetest"
)

// TestBenchEnricher runs the commands as users do: every part is a process of its own,
// and gone afterwards with its files.
func TestBenchEnricher(t *testing.T) {
	enginetest.Need(t)
	dir := t.TempDir()
	program, scratch := filepath.Join(dir, "partnerpulse"), filepath.Join(dir, "tmp")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	if err := os.Mkdir(scratch, 0o750); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(program, append([]string{"bench"}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
		var told strings.Builder
		cmd.Stderr = &told
		out, err := cmd.Output()
		if err != nil {
			t.Log(told.String())
		}
		if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary directory: %v, %v", left, err)
		}
		return out, err
	}
	t.Run("parties", func(t *testing.T) { benchParties(t, run) })
	t.Run("backlog", func(t *testing.T) { benchBacklog(t, run) })
	var exit *exec.ExitError
	for _, args := range [][]string{{"enricher", "--events", "1"}, {"enricher", "--rounds", "0"}, {"backlog", "--events", "0"}} {
		if _, err := run(args...); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// benchParties: the enricher and both floors store the same rows of the same topic; the
// measurement itself fails if they do not.
func benchParties(t *testing.T, run func(...string) ([]byte, error)) {
	const events = 20_000
	out, err := run("enricher", "--json", "--events", "20000", "--rounds", "1", "--set", "enricher.flush_rows_max=4000")
	if err != nil {
		t.Fatal(err)
	}
	var r bench.EnricherReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Name != "enricher" || r.Ours <= 0 || r.Exact.Stored != events || r.Setting.BatchRows != 4000 || r.Setting.EventBytes < 300 || len(r.Parties) != 3 {
		t.Errorf("report %s", out)
	}
	for _, floor := range []string{"columnar_insert", "kafka_engine"} {
		if r.Floors[floor] <= 0 || r.Ratios[floor] <= 0 || len(r.RoundRatios[floor]) != 1 {
			t.Errorf("floor %s in %s", floor, out)
		}
	}
	// The work is where it belongs: bare inserts need no broker, the engine no client.
	for party, p := range r.Parties {
		if p.StoreMicros <= 0 || (p.ClientMicros > 0) != (party != "kafka_engine") {
			t.Errorf("%s: %+v", party, p)
		}
	}
}

// benchBacklog: the enricher's memory stays below the limit while it works off a backlog
// that is larger than what its configuration lets it hold. `bench backlog` alone takes
// five million events.
func benchBacklog(t *testing.T, run func(...string) ([]byte, error)) {
	const events, inFlightBytes = 120_000, 32 << 20
	out, err := run("backlog", "--json", "--events", "120000", "--set", "enricher.in_flight_bytes_max=33554432", "--set", "enricher.hold_bytes_max=16777216", "--set", "enricher.flush_rows_max=20000")
	if err != nil {
		t.Fatal(err)
	}
	var r bench.BacklogReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Events != events || r.Bytes < 2*inFlightBytes {
		t.Errorf("the backlog is too small to show anything: %s", out)
	}
	if r.Ours <= 0 || r.Ours >= bench.MemoryLimitMiB || r.Ratios["limit"] >= 1 {
		t.Errorf("%.0f MiB resident, limit %d", r.Ours, bench.MemoryLimitMiB)
	}
}
