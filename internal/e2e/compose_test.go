package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// TestTheComposeFileIsValid loads docker-compose.yml with the library that docker
// compose itself uses, then checks that what it says fits the binary.
func TestTheComposeFileIsValid(t *testing.T) {
	opts, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"}, cli.WithName("partnerpulse"), cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roles := []string{"collector", "enricher", "aggregator", "console"}
	for _, role := range roles {
		s, err := project.GetService(role)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Command, types.ShellCommand{role}) {
			t.Errorf("%s runs %v", role, s.Command)
		}
		if s.DependsOn["migrate"].Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("%s does not wait for migrate", role)
		}
		if _, err := os.Stat(filepath.Join("../..", s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	for _, s := range project.Services {
		if s.Build == nil {
			continue
		}
		// The same file and environment must be a valid configuration.
		check := exec.Command(binary, "config", "check", "--config", "../../deploy/partnerpulse.yaml")
		for name, value := range s.Environment {
			if name != "PARTNERPULSE_CONFIG" {
				check.Env = append(check.Env, name+"="+*value)
			}
		}
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("the configuration of %s: %v: %s", s.Name, err, out)
		}
	}
	for name, image := range map[string]string{"kafka": kafkaImage, "clickhouse": clickhouseImage} {
		if s, err := project.GetService(name); err != nil || s.Image != image {
			t.Errorf("%s runs %s, the container tests run %s (%v)", name, s.Image, image, err)
		}
	}
}

// TestConfigurationCommands shows that mistakes are told and secrets are not.
func TestConfigurationCommands(t *testing.T) {
	run := func(env string, args ...string) (string, error) {
		c := exec.Command(binary, args...)
		c.Env = []string{"HOME=" + t.TempDir(), env}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := run("PARTNERPULSE_CLICKHOUSE__PASSWORD=hunter2", "config", "show")
	if err != nil || strings.Contains(out, "hunter2") || !strings.Contains(out, "********") {
		t.Errorf("config show: %v\n%s", err, out)
	}
	if out, err = run("PARTNERPULSE_KAFKA__BROKERZ=a:1", "config", "check"); err == nil || !strings.Contains(out, "brokerz") {
		t.Errorf("an unknown key: %v %s", err, out)
	}
	if out, err = run("X=y", "enricher"); err == nil || !strings.Contains(out, "kafka.brokers") || !strings.Contains(out, "clickhouse.addr") {
		t.Errorf("a role without engines: %v %s", err, out)
	}
	if out, err = run("X=y", "version", "--json"); err != nil || !strings.Contains(out, `"version"`) {
		t.Errorf("version: %v %s", err, out)
	}
	if out, err = run("X=y", "doctor", "--json", "--set", "kafka.brokers=127.0.0.1:1"); err == nil || !strings.Contains(out, `"Kafka","ok":false`) {
		t.Errorf("doctor with an unreachable broker: %v %s", err, out)
	}
}
