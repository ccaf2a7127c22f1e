package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partnerpulse/internal/keys"
)

func TestLocalKeysStayTheSameAndWork(t *testing.T) {
	dir := t.TempDir()
	first, err := EnsureLocalKeys(dir, "demo", "main")
	if err != nil {
		t.Fatal(err)
	}
	again, err := EnsureLocalKeys(dir, "other", "other")
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Fatalf("the keys changed: %+v, %+v", first, again)
	}
	info, err := os.Stat(filepath.Join(dir, "keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("the file can be read by others: %v", info.Mode())
	}
	ring, err := keys.NewRing(first.Keys())
	if err != nil {
		t.Fatal(err)
	}
	for secret, kind := range map[string]keys.Kind{first.ServerKey: keys.Server, first.BrowserKey: keys.Browser} {
		if k, ok := ring.Lookup(secret); !ok || k.Kind != kind || k.Tenant != "demo" {
			t.Errorf("%s key: found %v, %+v", kind, ok, k)
		}
	}
}

func TestBrokenLocalKeysSayHowToMend(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys.yaml"), []byte("tenant: demo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureLocalKeys(dir, "demo", "main"); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Fatalf("got %v", err)
	}
}
