package apachekafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installLimit bounds the fetching of the jars, about 45 MB.
const installLimit = 5 * time.Minute

// Need ends the test as Start would when Apache Kafka cannot be had.
func Need(t testing.TB) {
	t.Helper()
	install(t)
}

// install gives scripts/kafka and the folder of the jars, or ends the test.
func install(t testing.TB) (scripts, lib string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	scripts = filepath.Join(root, "scripts", "kafka")
	ctx, cancel := context.WithTimeout(t.Context(), installLimit)
	defer cancel()
	var says bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(scripts, "install.sh")) //nolint:gosec // the repository's own script
	cmd.Stderr = &says
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		reason := fmt.Sprintf("no Apache Kafka: %v: %s", err, strings.TrimSpace(says.String()))
		if os.Getenv("REQUIRE_SERVICES") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return scripts, strings.TrimSpace(string(out))
}

// moduleRoot is the folder of go.mod at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module's root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("finding the module's root: no go.mod above the working directory")
		}
		dir = up
	}
}
