package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/keys"
)

// LocalKeys are the keys that `up` makes for a data directory when none are
// configured, so that a laptop works at once. The server key is kept in clear in
// a file that only its owner can read: it is printed ready to paste.
type LocalKeys struct {
	Tenant     string `yaml:"tenant"`
	Portal     string `yaml:"portal"`
	ServerKey  string `yaml:"server_key"`
	BrowserKey string `yaml:"browser_key"`
}

// EnsureLocalKeys reads the keys of dataDir, making them at first.
func EnsureLocalKeys(dataDir, tenant, portal string) (LocalKeys, error) {
	path := filepath.Join(dataDir, "keys.yaml")
	var k LocalKeys
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k = LocalKeys{
			Tenant: tenant, Portal: portal,
			ServerKey: keys.Generate(keys.Server), BrowserKey: keys.Generate(keys.Browser),
		}
		if b, err = yaml.Marshal(k); err != nil {
			return k, fmt.Errorf("encoding keys: %w", err)
		}
		if err := writeFileAtomic(path, b); err != nil {
			return k, fmt.Errorf("keeping keys: %w", err)
		}
		return k, nil
	case err != nil:
		return k, fmt.Errorf("reading keys: %w", err)
	}
	if err := yaml.Unmarshal(b, &k); err != nil {
		return k, fmt.Errorf("keys in %s: %w", path, err)
	}
	if k.Tenant == "" || k.ServerKey == "" || k.BrowserKey == "" {
		return k, fmt.Errorf("keys in %s are incomplete: remove the file and new ones are made", path)
	}
	return k, nil
}

// Keys gives the two keys as the collector knows them.
func (k LocalKeys) Keys() []keys.Key {
	return []keys.Key{
		{
			ID: "local-server", Tenant: k.Tenant, Portal: k.Portal, Kind: keys.Server, Hash: keys.Hash(k.ServerKey),
			Scopes: []keys.Scope{keys.Write, keys.Backfill, keys.Directory, keys.Alerts},
		},
		{ID: "local-browser", Tenant: k.Tenant, Portal: k.Portal, Kind: keys.Browser, Value: k.BrowserKey, Origins: []string{"*"}},
	}
}

// writeFileAtomic replaces path by b, readable by its owner only, or leaves the
// old content.
func writeFileAtomic(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
