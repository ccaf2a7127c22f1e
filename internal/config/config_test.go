package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type section struct {
	Brokers  List          `yaml:"brokers"`
	Password Secret        `yaml:"password"`
	Timeout  time.Duration `yaml:"timeout"`
	Rows     int           `yaml:"rows_max"`
}

type root struct {
	Kafka section `yaml:"kafka"`
	Name  string  `yaml:"name"`
}

func defaults() root {
	return root{Name: "n", Kafka: section{Brokers: List{"d:1"}, Timeout: time.Second, Rows: 7}}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWinAndDefaultsStay(t *testing.T) {
	got := defaults()
	err := Load(&got, Sources{
		File:    file(t, "kafka:\n  brokers: [a:1, b:2]\n  rows_max: 9\n"),
		Environ: []string{"PARTNERPULSE_KAFKA__TIMEOUT=3s", "PARTNERPULSE_KAFKA__ROWS_MAX=10", "PARTNERPULSE_LIBCHDB=/x", "HOME=/h"},
		Sets:    []string{"kafka.rows_max=11", "kafka.password=p: '=q"},
	})
	if err == nil {
		t.Fatal("a value that is not YAML was accepted")
	}
	got = defaults()
	err = Load(&got, Sources{
		File:    file(t, "kafka:\n  brokers: [a:1, b:2]\n  rows_max: 9\n"),
		Environ: []string{"PARTNERPULSE_KAFKA__TIMEOUT=3s", "PARTNERPULSE_KAFKA__ROWS_MAX=10", "PARTNERPULSE_LIBCHDB=/x", "HOME=/h"},
		Sets:    []string{"kafka.rows_max=11", "kafka.password=secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := root{Name: "n", Kafka: section{Brokers: List{"a:1", "b:2"}, Timeout: 3 * time.Second, Rows: 11, Password: "secret"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestListFromCommas(t *testing.T) {
	got := defaults()
	if err := Load(&got, Sources{Sets: []string{"kafka.brokers=x:1, y:2"}}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(List{"x:1", "y:2"}, got.Kafka.Brokers); d != "" {
		t.Fatal(d)
	}
}

func TestUnknownKeysAreRefusedAndNamed(t *testing.T) {
	for name, src := range map[string]Sources{
		"file":   {File: file(t, "kafka:\n  brokerz: [a]\n")},
		"env":    {Environ: []string{"PARTNERPULSE_KAFKA__BROKERZ=a"}},
		"set":    {Sets: []string{"kafka.brokerz=a"}},
		"second": {File: file(t, "name: x\n---\nbrokerz: y\n")},
	} {
		got := defaults()
		err := Load(&got, src)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if name != "second" && !strings.Contains(err.Error(), "brokerz") {
			t.Errorf("%s: the error does not name the key: %v", name, err)
		}
	}
}

func TestWrongTypeIsRefused(t *testing.T) {
	got := defaults()
	if err := Load(&got, Sources{Sets: []string{"kafka.rows_max=many"}}); err == nil {
		t.Fatal("rows_max=many was accepted")
	}
}

func TestSecretsAreHidden(t *testing.T) {
	c := defaults()
	c.Kafka.Password = "hunter2"
	shown, err := Show(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{shown, fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Kafka.Password)} {
		if strings.Contains(text, "hunter2") {
			t.Fatalf("the secret is shown in %s", text)
		}
	}
	if !strings.Contains(shown, "********") {
		t.Fatalf("a set secret is not marked: %s", shown)
	}
	if c.Kafka.Password.Reveal() != "hunter2" {
		t.Fatal("Reveal does not give the secret")
	}
}
