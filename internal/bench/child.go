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
	"syscall"
	"time"
)

// A child and its parent speak lines: the child says once, as JSON, where it is; then
// each question for its CPU time is answered in nanoseconds. The end of the child's
// standard input ends it, so that no child outlives its parent.
const cpuQuestion = "cpu"

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
	if _, err := io.WriteString(c.stdin, cpuQuestion+"\n"); err != nil {
		return 0, fmt.Errorf("asking the %s for its CPU time: %w", c.name, err)
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of the %s: %w", c.name, err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of the %s: %w", c.name, err)
	}
	return time.Duration(ns), nil
}

// Stop asks the child to end and waits for it.
func (c *Child) Stop() error {
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

// answer gives this process's CPU time for every line, until in ends.
func answer(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return
		}
		if _, err := fmt.Fprintln(out, u.Utime.Nano()+u.Stime.Nano()); err != nil {
			return
		}
	}
}
