package chdb

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Locate(file); err != nil || got != file {
		t.Errorf("configured: %s, %v", got, err)
	}
	missing := filepath.Join(t.TempDir(), "nope.so")
	_, err := Locate(missing)
	var nf *NotFoundError
	if !errors.As(err, &nf) || !errors.Is(err, ErrNotFound) || len(nf.Looked) != 1 || nf.Looked[0] != missing {
		t.Errorf("missing: %v", err)
	}
	if nf.Platform != "" && !strings.Contains(err.Error(), "make deps") {
		t.Errorf("does not say what to run: %v", err)
	}
}

func TestSearchPath(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"PARTNERPULSE_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/partnerpulse"},
		{map[string]string{"HOME": "/h"}, "/h/.cache/partnerpulse"},
		{nil, ""},
	} {
		if got := cacheRoot(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %s", c.env, got)
		}
	}
	paths := searchPath(func(string) string { return "" })
	if len(paths) != 2 || paths[0] != "/usr/local/lib/libchdb.so" {
		t.Errorf("without a cache: %v", paths)
	}
}
