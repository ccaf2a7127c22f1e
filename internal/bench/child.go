package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child and its parent speak lines: the child says once, as JSON, where it is; then
// each question is answered by a number, the CPU time in nanoseconds or the most memory
// that was resident in bytes. The end of the child's standard input ends it, so that no
// child outlives its parent.
const (
	cpuQuestion  = "cpu"
	peakQuestion = "peak"
)

// stopTimeout bounds how long a child may take to end.
const stopTimeout = 20 * time.Second

// Address is where a child serves.
type Address struct {
	Addr string `json:"addr"`          // host:port
	Key  string `json:"key,omitempty"` // the server key that it takes events with
}

// Subject is something measured: where it is, and the CPU time that it used.
type Subject interface {
	Address() Address
	CPU() (time.Duration, error) // user and system time of the process since it began
}

// Child is a process that this one started.
type Child struct {
	name    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	lines   *bufio.Reader
	address Address

	stopOnce sync.Once
	stopErr  error
}

// StartChild runs the program itself with other arguments and waits until it serves.
// Its standard error is this process's. When ctx ends it is killed.
func StartChild(ctx context.Context, name string, args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // this program itself
	cmd.Stderr = os.Stderr
	// A signal from the terminal is for the parent, which ends its children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c := &Child{name: name, cmd: cmd}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	c.lines = bufio.NewReader(out)
	line, err := c.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.address)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for the %s to serve: %w", name, err), c.Stop())
	}
	return c, nil
}

// Address is where the child serves.
func (c *Child) Address() Address { return c.address }

// CPU asks the child for the time that it used.
func (c *Child) CPU() (time.Duration, error) {
	ns, err := c.ask(cpuQuestion)
	return time.Duration(ns), err
}

// PeakMemory asks the child for the most memory that it had resident since it began, in
// bytes. It fails where the system does not tell.
func (c *Child) PeakMemory() (int64, error) { return c.ask(peakQuestion) }

// ask puts a question and reads the number.
func (c *Child) ask(question string) (int64, error) {
	if _, err := io.WriteString(c.stdin, question+"\n"); err != nil {
		return 0, fmt.Errorf("asking the %s for its %s: %w", c.name, question, err)
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reading the %s of the %s: %w", question, c.name, err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the %s of the %s: %w", question, c.name, err)
	}
	if n < 0 {
		return 0, fmt.Errorf("reading the %s of the %s: %w", question, c.name, errors.ErrUnsupported)
	}
	return n, nil
}

// Stop asks the child to end and waits for it. More calls give the first one's answer.
func (c *Child) Stop() error {
	c.stopOnce.Do(func() { c.stopErr = c.stop() })
	return c.stopErr
}

func (c *Child) stop() error {
	_ = c.stdin.Close() // that is the request; a child that has gone does not need it
	timer := time.AfterFunc(stopTimeout, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("stopping the %s: %w", c.name, err)
	}
	return nil
}

// Serve is the child's side: it runs run, tells where it serves once run calls ready,
// and answers questions until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, run func(ctx context.Context, ready func(Address) error) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- run(ctx, func(a Address) error {
			if err := json.NewEncoder(out).Encode(a); err != nil {
				return fmt.Errorf("telling the address: %w", err)
			}
			go func() {
				defer stop()
				answer(in, out)
			}()
			return nil
		})
	}()
	err := <-served
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// answer gives a number for every line, until in ends; -1 for what cannot be told.
func answer(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		n := int64(-1)
		switch lines.Text() {
		case cpuQuestion:
			var u syscall.Rusage
			if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
				n = u.Utime.Nano() + u.Stime.Nano()
			}
		case peakQuestion:
			n = peakMemory()
		}
		if _, err := fmt.Fprintln(out, n); err != nil {
			return
		}
	}
}

// peakMemory gives the most memory that this process had resident, in bytes, or -1.
// The system's rusage is of no use here: it starts with the parent's figure.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return -1
			}
			return kib << 10
		}
	}
	return -1
}
