package apachekafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	brokerHeap  = "-Xmx400m"
	formatLimit = time.Minute
	// clusterID is any 16 bytes in base64: clusters are told apart by their ports.
	clusterID = "PartnerPulseTests0000A"
)

// node is one broker and controller.
type node struct {
	id                   int
	port, controllerPort int
	lib, dir             string

	// Of the running process; nil when there is none.
	process *os.Process
	ended   chan error
}

func (n *node) addr() string    { return "127.0.0.1:" + strconv.Itoa(n.port) }
func (n *node) config() string  { return filepath.Join(n.dir, "server.properties") }
func (n *node) logFile() string { return filepath.Join(n.dir, "kafka.log") }

func (n *node) java(ctx context.Context, args ...string) *exec.Cmd {
	// The first compiler only: these processes live too short for the second to pay.
	args = append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.log.kafka.server=info", "-cp", filepath.Join(n.lib, "*")}, args...)
	cmd := exec.CommandContext(ctx, "java", args...) //nolint:gosec // the arguments are ours
	cmd.SysProcAttr = guarded()
	return cmd
}

// format writes the node's configuration from the template and its empty storage.
func (n *node) format(ctx context.Context, template, voters string, nodes int) error {
	text := strings.NewReplacer("@ID@", strconv.Itoa(n.id), "@PORT@", strconv.Itoa(n.port),
		"@CONTROLLER_PORT@", strconv.Itoa(n.controllerPort), "@VOTERS@", voters, "@DIR@", filepath.ToSlash(filepath.Join(n.dir, "log")),
		"@REPLICAS@", strconv.Itoa(nodes), "@IN_SYNC@", strconv.Itoa(nodes/2+1)).Replace(template)
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fmt.Errorf("creating the folder of broker %d: %w", n.id, err)
	}
	if err := os.WriteFile(n.config(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of broker %d: %w", n.id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, formatLimit)
	defer cancel()
	var out []byte
	err := onThread(func() (err error) {
		out, err = n.java(ctx, "-Xmx128m", "kafka.tools.StorageTool", "format",
			"--cluster-id", clusterID, "--config", n.config()).CombinedOutput()
		return err
	})
	if err != nil {
		return fmt.Errorf("formatting the storage of broker %d: %w\n%s", n.id, err, out)
	}
	return nil
}

// start starts the process; it does not wait for it to serve. The log is
// continued.
func (n *node) start() error {
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of broker %d: %w", n.id, err)
	}
	cmd := n.java(context.Background(), brokerHeap, "kafka.Kafka", n.config())
	cmd.Stdout, cmd.Stderr = log, log
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- onThread(func() error {
			err := cmd.Start()
			started <- err
			if err == nil {
				err = cmd.Wait()
			}
			return err
		})
	}()
	err = <-started
	if closing := log.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("starting broker %d: %w", n.id, err)
	}
	n.process, n.ended = cmd.Process, ended
	return nil
}

// signal sends the signal and waits until the process is gone, at most for limit.
func (n *node) signal(s os.Signal, limit time.Duration) error {
	if n.process == nil {
		return fmt.Errorf("broker %d does not run", n.id)
	}
	_ = n.process.Signal(s) // it may have ended by itself
	select {
	case <-n.ended: //nolint:errcheck // that it was killed is no news
		n.process = nil
		return nil
	case <-time.After(limit):
		return fmt.Errorf("broker %d did not end within %s of %s", n.id, limit, s)
	}
}

// gone tells whether the process ended without being asked to.
func (n *node) gone() error {
	if n.process == nil {
		return nil
	}
	select {
	case err := <-n.ended:
		n.process = nil
		if err == nil {
			err = errors.New("with status 0")
		}
		return fmt.Errorf("broker %d ended (%w); its log ends with:\n%s", n.id, err, n.logEnd())
	default:
		return nil
	}
}

// logEnd gives the last lines of the broker's log.
func (n *node) logEnd() []byte {
	const most = 4000
	b, err := os.ReadFile(n.logFile())
	if err != nil {
		return []byte(err.Error())
	}
	b = b[max(0, len(b)-most):]
	return bytes.TrimSpace(b)
}

// onThread runs f on a thread that lives as long as f, which is what the kernel
// looks at to end guarded children.
func onThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}
