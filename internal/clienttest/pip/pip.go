// Package pip installs the Python packages that tests of client libraries need, once,
// into the cache folder. Only tests import it.
package pip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Bounds of one installation, and of what a failure shows of its output.
const (
	installMax  = 5 * time.Minute
	outputShown = 1000
)

// Install gives the interpreter of a virtual environment with exactly the packages
// listed, each as name==version and only as wheels. It is kept in the cache by what it
// holds. Without python3 or a registry the test is skipped, or fails with
// REQUIRE_SERVICES=1.
func Install(t testing.TB, name string, packages ...string) (python string) {
	t.Helper()
	python, err := install(name, packages)
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatalf("Python packages of %s: %v", name, err)
	default:
		t.Skipf("Python packages of %s: %v", name, err)
	}
	return python
}

func install(name string, packages []string) (string, error) {
	python3, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("finding python3: %w", err)
	}
	for _, p := range packages {
		if !strings.Contains(p, "==") {
			return "", fmt.Errorf("package %s is not pinned", p)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, "\n")))
	target := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:6]))
	python, done := filepath.Join(target, "bin", "python"), filepath.Join(target, "installed")
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), installMax)
	defer cancel()
	// An environment cannot be moved; a second test that installs the same at the
	// same time writes the same files.
	if out, err := exec.CommandContext(ctx, python3, "-m", "venv", target).CombinedOutput(); err != nil {
		return "", fmt.Errorf("making the environment: %w\n%s", err, out[:min(len(out), outputShown)])
	}
	args := append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"}, packages...)
	if out, err := exec.CommandContext(ctx, python, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("pip install: %w\n%s", err, out[:min(len(out), outputShown)])
	}
	if err := os.WriteFile(done, []byte(strings.Join(packages, "\n")), 0o644); err != nil {
		return "", fmt.Errorf("marking the environment: %w", err)
	}
	return python, nil
}

// cacheDir is where scripts and tests keep what they fetch.
func cacheDir() (string, error) {
	if dir := os.Getenv("PARTNERPULSE_CACHE_DIR"); dir != "" {
		return filepath.Join(dir, "pip"), nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "partnerpulse", "pip"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	return filepath.Join(home, ".cache", "partnerpulse", "pip"), nil
}
