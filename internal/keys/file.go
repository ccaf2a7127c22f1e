package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// fileBytesMax bounds a file of keys.
const fileBytesMax = 4 << 20

// ErrFileTooLarge says that a file of keys is too large to be one.
var ErrFileTooLarge = errors.New("the file is larger than any list of keys")

// Parse reads a YAML list of keys. Unknown fields are refused: a misspelt limit must
// not be no limit.
func Parse(b []byte) ([]Key, error) {
	var ks []Key
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&ks); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("decoding keys: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("decoding keys: more than one YAML document")
	}
	return ks, nil
}

// ReadFile reads the keys of a file.
func ReadFile(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading keys: %w", err)
	case len(b) > fileBytesMax:
		return nil, fmt.Errorf("reading keys from %s: %w", path, ErrFileTooLarge)
	}
	ks, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ks, nil
}
