//go:build faultpoints

package fault

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const child = "FAULT_TEST_PASSES"

// TestPointKillsAtTheNthPass runs itself as a child that passes a point thrice.
func TestPointKillsAtTheNthPass(t *testing.T) {
	if os.Getenv(child) != "" {
		for range 3 {
			_, _ = os.Stdout.WriteString("pass\n")
			Point("test.point")
		}
		time.Sleep(50 * time.Millisecond) // for a kill that comes later
		os.Exit(0)
	}
	for spec, want := range map[string]struct {
		passes int
		killed bool
	}{
		"test.point:1": {1, true}, "test.point:2": {2, true}, "other.point:1,test.point:3:kill": {3, true}, "test.point:4": {3, false},
		"other.point:1": {3, false}, "test.point:1.0": {1, true}, "test.point:0.0": {3, false}, "test.point:2:1ms": {3, true}, "": {3, false},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPointKillsAtTheNthPass$")
		cmd.Env = append(os.Environ(), child+"=1", Variable+"="+spec)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if got := strings.Count(string(out), "pass\n"); got != want.passes {
			t.Errorf("%q: %d passes, want %d", spec, got, want.passes)
		}
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != want.killed || strings.Contains(said.String(), "fault: kill at test.point") != want.killed {
			t.Errorf("%q: killed is %v (%v), want %v; it said %q", spec, killed, err, want.killed, said.String())
		}
	}
}

func TestMalformedSpecsAreRefused(t *testing.T) {
	for _, spec := range []string{"point", "point:often", "point:1:slowly", "point:1:kill:more"} {
		if _, err := parse(spec); err == nil {
			t.Errorf("%q was taken", spec)
		}
	}
}
