package segment_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// canonical gives JSON in the form in which outcomes are compared.
func canonical(t *testing.T, s string) string {
	t.Helper()
	v := jsontext.Value(s)
	if err := v.Canonicalize(); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return string(v)
}

// replaceID puts ID in the place of the call's id.
func replaceID(data []byte, id string) []byte {
	return bytes.ReplaceAll(data, []byte(`"`+id+`"`), []byte(`"ID"`))
}

// trimUser gives the id of the call that a membership came from.
func trimUser(id string) string { return strings.TrimSuffix(id, ":user") }
