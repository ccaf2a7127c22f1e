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
)

// TestBenchCollector runs the command as users do: broker, collector and floor in
// processes of their own, which are gone afterwards with their files.
func TestBenchCollector(t *testing.T) {
	dir := t.TempDir()
	program, scratch, profile := filepath.Join(dir, "partnerpulse"), filepath.Join(dir, "tmp"), filepath.Join(dir, "cpu")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	if err := os.Mkdir(scratch, 0o750); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(program, append([]string{"bench", "collector", "--seconds", "0.2", "--rounds", "1", "--connections", "4"}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
		var told strings.Builder
		cmd.Stderr = &told
		out, err := cmd.Output()
		if err != nil {
			t.Log(told.String())
		}
		return out, err
	}
	out, err := run("--json", "--cpuprofile", profile)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.CollectorReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Name != "collector" || r.Ours <= 0 || len(r.Floors) != 1 || len(r.Ratios) != 1 || r.Exact.Acknowledged <= 0 || r.Exact.Acknowledged != r.Exact.Written {
		t.Errorf("report %s", out)
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("the profile: %v, %v", info, err)
	}
	// A limit that the role is configured with holds in its process, too: nothing is measured.
	if _, err := run("--set", "collector.server_rate.events_per_second=1"); err == nil {
		t.Error("a refused load is a measurement")
	}
	var exit *exec.ExitError
	if _, err := run("--batch", "0"); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("a batch of 0: %v", err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}
