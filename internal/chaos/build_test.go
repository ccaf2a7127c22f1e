package chaos

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partnerpulse/internal/fault"
)

// TestANormalBuildHasNoFaultPoints looks into both binaries: what people run neither
// has the code that kills nor reads the variable that would arm it.
func TestANormalBuildHasNoFaultPoints(t *testing.T) {
	normal := filepath.Join(t.TempDir(), "partnerpulse")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", normal, "partnerpulse/cmd/partnerpulse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		path string
		has  bool
	}{{normal, false}, {binary, true}} {
		b, err := os.ReadFile(c.path)
		must(t, err)
		for _, text := range []string{fault.Variable, "internal/fault.Point", fault.EnricherInserted} {
			if got := bytes.Contains(b, []byte(text)); got != c.has {
				t.Errorf("%s: contains %q is %v, want %v", c.path, text, got, c.has)
			}
		}
		info, err := buildinfo.Read(bytes.NewReader(b))
		must(t, err)
		tagged := false
		for _, s := range info.Settings {
			tagged = tagged || s.Key == "-tags" && strings.Contains(s.Value, "faultpoints")
		}
		if tagged != c.has {
			t.Errorf("%s: built with the tag is %v, want %v", c.path, tagged, c.has)
		}
	}
}
