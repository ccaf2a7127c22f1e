// Package secret holds a string that is never shown: not by logs, not by %v, and not
// by `config show`.
package secret

// Text is a string that only Reveal gives.
type Text string

// hidden stands for a secret that is set.
const hidden = "********"

// MarshalYAML hides the value.
func (t Text) MarshalYAML() (any, error) { return t.String(), nil }

// MarshalText hides the value from JSON and other encoders.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String hides the value.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return hidden
}

// GoString hides the value from %#v.
func (t Text) GoString() string { return t.String() }

// Reveal gives the value to those who need it.
func (t Text) Reveal() string { return string(t) }
