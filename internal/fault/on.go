//go:build faultpoints

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Enabled tells whether this build has fault points.
const Enabled = true

// trap is one armed point.
type trap struct {
	point  string
	nth    int64   // the pass at which it springs; 0: by chance
	chance float64 // of each pass
	stop   bool    // SIGSTOP instead of SIGKILL
	delay  time.Duration
	passes atomic.Int64
}

// armed reads the environment once: it is that of the whole process.
var armed = sync.OnceValue(func() []*trap {
	traps, err := parse(os.Getenv(Variable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "fault: %s: %v\n", Variable, err)
		os.Exit(2)
	}
	return traps
})

// Point springs the traps that are armed at the named point.
func Point(name string) {
	for _, t := range armed() {
		if t.point == name && t.springs() {
			t.spring()
		}
	}
}

func (t *trap) springs() bool {
	if t.nth > 0 {
		return t.passes.Add(1) == t.nth
	}
	return rand.Float64() < t.chance //nolint:gosec // chance, not secrecy
}

// stopPause is longer than a stop takes to reach all threads.
const stopPause = 100 * time.Millisecond

// spring does not return from a kill without delay.
func (t *trap) spring() {
	how, signal := "kill", syscall.SIGKILL
	if t.stop {
		how, signal = "stop", syscall.SIGSTOP
	}
	strike := func() {
		_, _ = os.Stderr.WriteString("fault: " + how + " at " + t.point + "\n")
		_ = syscall.Kill(syscall.Getpid(), signal)
	}
	if t.delay > 0 {
		time.AfterFunc(t.delay, strike)
		return
	}
	strike()
	if t.stop {
		// The caller's thread may run on until another one has taken the signal: by then
		// a commit was sent. The pause ends when the process has been continued.
		time.Sleep(stopPause)
	} else {
		select {} // nothing more may happen while the signal is on its way
	}
}

// parse reads what the package's documentation describes.
func parse(text string) ([]*trap, error) {
	var out []*trap
	for spec := range strings.SplitSeq(text, ",") {
		if spec == "" {
			continue
		}
		parts := strings.Split(spec, ":")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("%q is not point:when[:how]", spec)
		}
		t := &trap{point: parts[0]}
		var err error
		if t.nth, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
			if t.chance, err = strconv.ParseFloat(parts[1], 64); err != nil {
				return nil, fmt.Errorf("%q: when is neither a number nor a probability", spec)
			}
		}
		if len(parts) == 3 {
			switch parts[2] {
			case "kill":
			case "stop":
				t.stop = true
			default:
				if t.delay, err = time.ParseDuration(parts[2]); err != nil {
					return nil, fmt.Errorf("%q: how is not kill, stop or a duration", spec)
				}
			}
		}
		out = append(out, t)
	}
	return out, nil
}
