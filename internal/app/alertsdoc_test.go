package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partnerpulse/internal/config"
)

// TestTheNotifierOfTheDocsIsValid: what docs/ALERTS.md shows can be used as it stands.
func TestTheNotifierOfTheDocsIsValid(t *testing.T) {
	b, err := os.ReadFile("../../docs/ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "```yaml\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("the page shows no configuration")
	}
	file := filepath.Join(t.TempDir(), "partnerpulse.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	if err := config.Load(&cfg, config.Sources{File: file}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Notifier.Endpoints); n != 2 {
		t.Errorf("%d endpoints", n)
	}
	shown, err := config.Show(cfg)
	if err != nil || strings.Contains(shown, "ZXhhbXBsZSB") {
		t.Errorf("the secret is shown: %v", err)
	}
}
