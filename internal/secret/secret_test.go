package secret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/secret"
)

func TestNothingShowsASecret(t *testing.T) {
	type config struct{ Password, Empty secret.Text }
	c := config{Password: "hunter2"}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(asYAML), string(asJSON), fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, c, c.Password, c.Password)} {
		if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "********") {
			t.Errorf("shown: %s", shown)
		}
	}
	var back config
	if err := yaml.Unmarshal([]byte("password: hunter2"), &back); err != nil || back.Password.Reveal() != "hunter2" {
		t.Errorf("read %v", err)
	}
	if s := c.Empty.String(); s != "" {
		t.Errorf("an empty one is shown as %q", s)
	}
}
