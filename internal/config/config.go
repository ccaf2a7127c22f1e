// Package config fills a configuration struct from defaults, a YAML file, the
// environment and --set flags, in this order; later ones win. Unknown keys are
// refused wherever they come from.
//
// The environment variable of the key kafka.brokers is PARTNERPULSE_KAFKA__BROKERS:
// two underscores separate levels. Its value is YAML, so lists may be written
// [a, b]; a plain a,b does for a List as well.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/secret"
)

// EnvPrefix starts the variables that are read.
const EnvPrefix = "PARTNERPULSE_"

// Sources says where values come from besides the defaults.
type Sources struct {
	File    string   // YAML file; empty: none
	Environ []string // NAME=value, as os.Environ gives it
	Sets    []string // key.path=value
}

// Load overlays src on into, a pointer to a struct that holds the defaults.
func Load(into any, src Sources) error {
	if src.File != "" {
		b, err := os.ReadFile(src.File)
		if err != nil {
			return fmt.Errorf("reading configuration: %w", err)
		}
		if err := decode(b, into); err != nil {
			return fmt.Errorf("configuration file %s: %w", src.File, err)
		}
	}
	environ := slices.Sorted(slices.Values(src.Environ)) // the same result whatever order the system gives
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		key, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok || !strings.Contains(key, "__") {
			continue
		}
		path := strings.Split(strings.ToLower(key), "__")
		if err := set(into, path, value); err != nil {
			return fmt.Errorf("environment variable %s: %w", name, err)
		}
	}
	for _, kv := range src.Sets {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return fmt.Errorf("--set %s: write key.path=value", kv)
		}
		if err := set(into, strings.Split(key, "."), value); err != nil {
			return fmt.Errorf("--set %s: %w", kv, err)
		}
	}
	return nil
}

// set decodes value at path, by way of a YAML document of that one key.
func set(into any, path []string, value string) error {
	if slices.Contains(path, "") {
		return errors.New("the key has an empty part")
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(value), &node); err != nil {
		return fmt.Errorf("value %q is not YAML: %w", value, err)
	}
	leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		leaf = node.Content[0]
	}
	for _, name := range slices.Backward(path) {
		leaf = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, leaf,
		}}
	}
	b, err := yaml.Marshal(leaf)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	return decode(b, into)
}

func decode(b []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return nil
}

// Show gives cfg as YAML; every Secret that is set is shown as ********.
func Show(cfg any) (string, error) {
	b, err := yaml.Marshal(cfg)
	return string(b), err
}

// Secret is a string that Show and logs never reveal.
type Secret = secret.Text

// List is a list of strings that may also be written as one comma-separated string.
type List []string

// UnmarshalYAML accepts a sequence or a comma-separated scalar.
func (l *List) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = nil
		for part := range strings.SplitSeq(node.Value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*l = append(*l, part)
			}
		}
		return nil
	}
	var plain []string
	if err := node.Decode(&plain); err != nil {
		return err
	}
	*l = plain
	return nil
}
