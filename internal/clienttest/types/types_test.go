// Package types holds the tracker's TypeScript types against the compiler and the
// script.
package types

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/tracker"
)

// compile gives what the TypeScript compiler says of a file.
func compile(t *testing.T, file string) (string, error) {
	t.Helper()
	modules := npm.Install(t, "types", ".")
	out, err := exec.CommandContext(t.Context(), "node", filepath.Join(modules, "typescript", "bin", "tsc"),
		"--noEmit", "--strict", "--target", "es2020", "--lib", "es2020,dom", "--moduleResolution", "bundler", "--module", "esnext", file).CombinedOutput()
	return string(out), err
}

func TestTheTypesAcceptRightCalls(t *testing.T) {
	if out, err := compile(t, "good.ts"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestTheTypesFindMistakes(t *testing.T) {
	out, err := compile(t, "bad.ts")
	if err == nil {
		t.Fatal("the mistakes were accepted")
	}
	for line := 4; line <= 9; line++ {
		if !regexp.MustCompile(`bad\.ts\(` + string(rune('0'+line)) + `,`).MatchString(out) {
			t.Errorf("the mistake in line %d was not found:\n%s", line, out)
		}
	}
}

// TestTheTypesNameEveryCall: the script's API and the types must have the same calls.
func TestTheTypesNameEveryCall(t *testing.T) {
	source, err := os.ReadFile("../../tracker/tracker.js") // what is served has no names to read
	if err != nil {
		t.Fatal(err)
	}
	_, api, ok := strings.Cut(string(source), "const api = {")
	if !ok {
		t.Fatal("the script has no api object")
	}
	api, _, _ = strings.Cut(api, "\n  };")
	_, typed, ok := strings.Cut(string(tracker.Types()), "export interface PartnerPulse {")
	if !ok {
		t.Fatal("the types have no interface PartnerPulse")
	}
	typed, _, _ = strings.Cut(typed, "\n}")
	calls := regexp.MustCompile(`(?m)^    (init|track|page|content|search|searchClick|pin|unpin|login|identify|reset|consent|on|flush)[:,]`).FindAllString(api, -1)
	if len(calls) != 14 {
		t.Fatalf("the script has the calls %v", calls)
	}
	for _, c := range calls {
		c = strings.Trim(c, " :,")
		if !strings.Contains(typed, "\n  "+c+"(") {
			t.Errorf("the types do not have %s", c)
		}
	}
	if got := len(regexp.MustCompile(`(?m)^  \w+\(`).FindAllString(typed, -1)); got != len(calls) {
		t.Errorf("the types have %d calls, the script %d", got, len(calls))
	}
}
