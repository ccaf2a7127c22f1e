package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"partnerpulse/internal/bench"
	"partnerpulse/internal/embedded/enginetest"
)

// benchE2E: all events of a small load are stored, every probe comes to be in a score,
// and what the report says of it is possible.
func benchE2E(t *testing.T, program, scratch string) {
	enginetest.Need(t)
	cmd := exec.Command(program, "bench", "e2e", "--json", "--rate", "200", "--warm-up", "1", "--seconds", "2", "--partners", "40",
		"--visits", "64", "--connections", "4", "--probes", "10")
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, told.String())
	}
	var r bench.E2EReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Requests of ten are due every 50 ms for three seconds; so are ten probes a second.
	if r.Load.Accepted != 600+30 || r.Load.Stored != r.Load.Accepted {
		t.Errorf("load %+v", r.Load)
	}
	if r.Scored.Samples != 20 || r.Stored.Samples != 20 || r.Answers.Samples != 40 {
		t.Errorf("%d and %d probes, %d requests; want 20, 20, 40", r.Scored.Samples, r.Stored.Samples, r.Answers.Samples)
	}
	if r.Stored.P50 <= 0 || r.Scored.P50 < r.Stored.P50 || r.Due.P99 < r.Scored.P99 || r.Ours != r.Scored.P99 || r.Floors["visible_in_events"] != r.Stored.P99 {
		t.Errorf("a score is visible after its event, and what was due was not accepted before: %s", out)
	}
	for _, name := range []string{"broker", "clickhouse", "collector", "enricher", "aggregator", "generator"} {
		if p := r.Processes[name]; p.CPUSeconds <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if r.Tick.Ticks == 0 || r.Tick.Partners == 0 || len(r.Tick.Statements) == 0 {
		t.Errorf("the aggregator's metrics: %+v", r.Tick)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	var exit *exec.ExitError
	if err := exec.Command(program, "bench", "e2e", "--rate", "0").Run(); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("rate 0: %v", err)
	}
}
