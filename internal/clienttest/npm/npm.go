// Package npm installs the npm packages that tests of client libraries need, once,
// into the cache folder. Only tests import it.
package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Bounds of one installation and of one script.
const (
	installMax = 5 * time.Minute
	scriptMax  = time.Minute
)

// outputShown is how many bytes of npm's output a failure shows: the cause comes first.
const outputShown = 1000

// Install gives the node_modules folder with exactly what dir/package-lock.json
// lists. It is kept in the cache under a name and the lock's hash. Without node, npm
// or a registry the test is skipped, or fails with REQUIRE_SERVICES=1.
func Install(t testing.TB, name, dir string) (modules string) {
	t.Helper()
	modules, err := install(name, dir)
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatalf("npm packages of %s: %v", name, err)
	default:
		t.Skipf("npm packages of %s: %v", name, err)
	}
	return modules
}

// Node runs a script of CommonJS form, which finds the packages of modules, and
// gives what it prints. It fails the test when the script fails.
func Node(t testing.TB, modules, script string, environ ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Env = append(os.Environ(), append(environ, "NODE_PATH="+modules)...)
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("%s: %v\n%s\n%s", script, err, out, failed.Stderr)
		}
		t.Fatalf("%s: %v", script, err)
	}
	return out
}

func install(name, dir string) (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("finding %s: %w", tool, err)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("reading the lock: %w", err)
	}
	sum := sha256.Sum256(lock)
	target := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:6]))
	modules := filepath.Join(target, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	work, err := os.MkdirTemp(cache, name+"-new-")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover in the cache harms nobody
	for _, file := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(work, file), b, 0o644); err != nil {
			return "", fmt.Errorf("writing %s: %w", file, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), installMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out[:min(len(out), outputShown)])
	}
	// The finished folder appears at once; another test may have been quicker.
	if err := os.Rename(work, target); err != nil {
		if _, there := os.Stat(modules); there != nil {
			return "", fmt.Errorf("moving into the cache: %w", err)
		}
	}
	return modules, nil
}

// cacheDir is where scripts and tests keep what they fetch.
func cacheDir() (string, error) {
	if dir := os.Getenv("PARTNERPULSE_CACHE_DIR"); dir != "" {
		return filepath.Join(dir, "npm"), nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "partnerpulse", "npm"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache: %w", err)
	}
	return filepath.Join(home, ".cache", "partnerpulse", "npm"), nil
}
