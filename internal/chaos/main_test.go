// Package chaos breaks a whole installation in many ways at once, under load, and
// then compares every stored row with what it must be: docs/CHAOS.md.
package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binary and engineBinary have fault points; they are built once for all tests.
var binary, engineBinary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "partnerpulse-chaos-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-tags", "faultpoints", "-o", dir+string(filepath.Separator),
			"partnerpulse/cmd/partnerpulse", "partnerpulse/internal/chaos/engine")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building with fault points:", err)
			return 1
		}
		binary, engineBinary = filepath.Join(dir, "partnerpulse"), filepath.Join(dir, "engine")
		return m.Run()
	}())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// errFatal is an error that waiting cannot mend.
type errFatal struct{ error }

// awaitErr repeats try until it gives no error; the limit only ends a hanging test.
func awaitErr(limit time.Duration, try func() error) error {
	begin := time.Now()
	for {
		err := try()
		var fatal errFatal
		if err == nil || errors.As(err, &fatal) {
			return err
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("not within %s: %w", limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func await(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	begin := time.Now()
	if err := awaitErr(limit, try); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
	t.Logf("%s took %s", what, time.Since(begin).Round(time.Millisecond))
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
