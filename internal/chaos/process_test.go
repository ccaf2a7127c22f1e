package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"partnerpulse/internal/fault"
)

// process is one role or engine in a process of its own, started again and again.
type process struct {
	role string // broker, store, collector, enricher, aggregator
	name string // of the log file
	args []string
	dir  string

	cmd      *exec.Cmd
	ended    chan error
	armed    string // of this start; empty: no fault point
	logged   int64  // size of the log when it was started
	frozenAt time.Time
	starts   int
	peakKiB  int64 // most resident memory of all its lives
}

// start starts it, with fault points armed if spec is not empty. The log goes on.
func (p *process) start(spec string) error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), fault.Variable+"="+spec)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = guarded()
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ends a guarded child with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.cmd, p.ended, p.armed, p.logged, p.frozenAt = cmd, ended, spec, info.Size(), time.Time{}
	p.starts++
	return nil
}

func (p *process) log() string   { return filepath.Join(p.dir, p.name+".log") }
func (p *process) running() bool { return p.cmd != nil }

// signal sends a signal; that the process has just ended is no error.
func (p *process) signal(s syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to %s: %w", s, p.name, err)
	}
	return nil
}

// endLimit is how long a process may take to end.
const endLimit = 90 * time.Second

// end sends a signal that ends it and waits until it is gone.
func (p *process) end(s syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	p.measure()
	if err := p.signal(s); err != nil {
		return err
	}
	if !p.frozenAt.IsZero() && s != syscall.SIGKILL {
		if err := p.signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	select {
	case <-p.ended:
		p.cmd = nil
		return nil
	case <-time.After(endLimit):
		return fmt.Errorf("%s did not end within %s of %s; its log ends with:\n%s", p.name, endLimit, s, p.tail())
	}
}

// gone tells whether it ended by itself, and at which fault point.
func (p *process) gone() (ended bool, point string) {
	if p.cmd == nil {
		return false, ""
	}
	select {
	case <-p.ended:
		p.cmd = nil
		if m := struckAt.FindSubmatch(p.recent()); m != nil {
			return true, string(m[1])
		}
		return true, ""
	default:
		return false, ""
	}
}

var (
	struckAt = regexp.MustCompile(`fault: kill at (\S+)`)
	frozeAt  = regexp.MustCompile(`fault: stop at (\S+)`)
)

// froze tells whether it has stopped itself at a fault point, and where.
func (p *process) froze() (point string, ok bool) {
	if p.cmd == nil || !p.frozenAt.IsZero() || !strings.HasSuffix(p.armed, ":stop") {
		return "", false
	}
	m := frozeAt.FindSubmatch(p.recent())
	if m == nil {
		return "", false
	}
	return string(m[1]), true
}

// recent is what it logged since its last start.
func (p *process) recent() []byte {
	b, err := os.ReadFile(p.log())
	if err != nil || int64(len(b)) < p.logged {
		return nil
	}
	return b[p.logged:]
}

// tail is the end of its log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return string(b[max(0, len(b)-most):])
}

// measure notes the peak of resident memory, where the system tells it.
func (p *process) measure() {
	if p.cmd == nil {
		return
	}
	p.peakKiB = max(p.peakKiB, statusKiB(p.cmd.Process.Pid, "VmHWM"))
}

// statusKiB reads a field of /proc/PID/status, 0 where there is none.
func statusKiB(pid int, field string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			var kib int64
			if _, err := fmt.Sscan(string(rest), &kib); err != nil {
				return 0
			}
			return kib
		}
	}
	return 0
}
