// Package asyncapi holds schemas/asyncapi.yaml against AsyncAPI's own parser and the
// topics that are made.
package asyncapi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"partnerpulse/internal/clienttest/npm"
	"partnerpulse/internal/kafkabus"
)

// document is what check.cjs prints.
type document struct {
	Findings []struct {
		Severity int    `json:"severity"` // 0 error, 1 warning, 2 information
		Code     string `json:"code"`
		Message  string `json:"message"`
		Path     string `json:"path"`
	} `json:"findings"`
	Channels []struct {
		Address  string `json:"address"`
		Messages []struct {
			Name    string          `json:"name"`
			Payload json.RawMessage `json:"payload"`
		} `json:"messages"`
		Kafka struct {
			Topic struct {
				Cleanup   []string `json:"cleanup.policy"`
				Retention int64    `json:"retention.ms"`
			} `json:"topicConfiguration"`
		} `json:"kafka"`
	} `json:"channels"`
}

// parse gives what AsyncAPI's parser makes of a file.
func parse(t *testing.T, file string) document {
	t.Helper()
	modules := npm.Install(t, "asyncapi", ".")
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(npm.Node(t, modules, "check.cjs", "DOCUMENT="+file), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDocumentIsValidAndNamesEveryTopic(t *testing.T) {
	d := parse(t, "../../../schemas/asyncapi.yaml")
	for _, f := range d.Findings {
		if f.Severity < 2 {
			t.Errorf("%s at %s: %s", f.Code, f.Path, f.Message)
		}
	}
	topics := slices.DeleteFunc(kafkabus.Topics(0), func(s kafkabus.TopicSpec) bool {
		return s.Name == kafkabus.TopicShards // carries no messages
	})
	if len(d.Channels) != len(topics) {
		t.Fatalf("%d channels for %d topics", len(d.Channels), len(topics))
	}
	for _, topic := range topics {
		found := false
		for _, c := range d.Channels {
			if c.Address != topic.Name {
				continue
			}
			found = true
			cleanup := "delete"
			if topic.Compact {
				cleanup = "compact"
			}
			got := c.Kafka.Topic
			if len(got.Cleanup) != 1 || got.Cleanup[0] != cleanup || got.Retention != topic.Retention.Milliseconds() {
				t.Errorf("%s: cleanup %v for %d ms, is made with %s and %s", topic.Name, got.Cleanup, got.Retention, cleanup, topic.Retention)
			}
			if len(c.Messages) != 1 || len(c.Messages[0].Payload) < 100 {
				t.Errorf("%s: messages %v", topic.Name, c.Messages)
			}
		}
		if !found {
			t.Errorf("%s is not in the document", topic.Name)
		}
	}
}

// TestTheParserFindsMistakes: a parser that accepts anything would show nothing.
func TestTheParserFindsMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wrong.yaml")
	wrong := "asyncapi: 3.0.0\ninfo: {title: x}\nchannels: {a: {address: 7}}\n"
	if err := os.WriteFile(file, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	errors := 0
	for _, f := range parse(t, file).Findings {
		if f.Severity == 0 {
			errors++
		}
	}
	if errors < 2 { // no version, no text as address
		t.Errorf("%d errors found", errors)
	}
}
