package identity_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/identity"
)

// example gives the code of a language in the page about keys.
func example(t *testing.T, language string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/KEYS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(b), "\n```"+language+"\n")
	code, _, ended := strings.Cut(code, "\n```\n")
	if !found || !ended {
		t.Fatalf("the page has no example in %s", language)
	}
	return code
}

// TestSignersOfTheDocs runs what the page tells people to copy.
func TestSignersOfTheDocs(t *testing.T) {
	v := verifier(t, identity.Config{Secrets: []identity.Secret{{ID: "a", Secret: first}}})
	goCode := "package main\nimport (\"crypto/hmac\"; \"crypto/sha256\"; \"encoding/base64\"; \"encoding/json\"; \"fmt\"; \"os\"; \"time\")\n" +
		"func main() {\nuser, partner := \"u-é\", \"p-1\"\n" + example(t, "go") + "\nif err != nil { panic(err) }\nfmt.Print(token)\n}\n"
	goFile := t.TempDir() + "/main.go"
	if err := os.WriteFile(goFile, []byte(goCode), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{
		"go":     {"go", "run", goFile},
		"node":   {"node", "-e", "const user = 'u-é', partner = 'p-1';\n" + example(t, "js") + "\nprocess.stdout.write(token)"},
		"python": {"python3", "-c", "user, partner = 'u-é', 'p-1'\n" + example(t, "python") + "\nprint(token, end='')"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				if os.Getenv("REQUIRE_SERVICES") == "1" {
					t.Fatal(err)
				}
				t.Skipf("%s is not on this machine: %v", command[0], err)
			}
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "PARTNERPULSE_IDENTITY_SECRET="+first)
			token, err := cmd.Output()
			if err != nil {
				t.Fatalf("running it: %v", err)
			}
			got, err := v.Verify(string(token), time.Now())
			if err != nil || got.User != "u-é" || got.Partner != "p-1" {
				t.Errorf("token %q: %+v, %v", token, got, err)
			}
		})
	}
}
