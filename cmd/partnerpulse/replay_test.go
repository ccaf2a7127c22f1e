package main

import (
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/replay"
)

func TestReplayTimesAreInstantsDatesOrAges(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-03T10:15:00+01:00": "2026-11-03T09:15:00Z",
		"2026-11-01":                "2026-11-01T00:00:00Z",
		"36h":                       "2026-11-02T00:00:00Z",
	} {
		f, err := (&replayCmd{Since: text, Until: text}).filter(now)
		if err != nil || f.Since.UTC().Format(time.RFC3339) != want || !f.Until.Equal(f.Since) {
			t.Errorf("%s is %s until %s (%v), want %s", text, f.Since, f.Until, err, want)
		}
	}
	if f, err := (&replayCmd{}).filter(now); err != nil || !f.Since.IsZero() || !f.Until.Equal(now) {
		t.Errorf("nothing given is %+v (%v)", f, err)
	}
	for _, text := range []string{"yesterday", "-1h", "03.11.2026"} {
		if _, err := (&replayCmd{Since: text}).filter(now); err == nil || !strings.Contains(err.Error(), "--since") {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := (&replayCmd{Until: text}).filter(now); err == nil || !strings.Contains(err.Error(), "--until") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTheDryRunQuotesWhatStrangersSent: control characters do not reach the terminal.
func TestTheDryRunQuotesWhatStrangersSent(t *testing.T) {
	counts := []replay.Count{{Tenant: "demo\x1b", Stage: "collector", Source: "api", Code: "schema", Rejects: 12, EventType: "a\x1b[2Jb",
		EventID: "e-1", Message: "wrong", Original: "\x1b]0;x\x07" + strings.Repeat("y", 500) + "end"}}
	var out strings.Builder
	if err := (&replayCmd{}).printCounts(&out, counts); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.ContainsAny(text, "\x1b\x07") || strings.Contains(text, "end") {
		t.Errorf("printed %q", text)
	}
	for _, want := range []string{"demo", "schema", "12", "e-1", "wrong"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	out.Reset()
	if err := (&replayCmd{JSON: true}).printCounts(&out, nil); err != nil || strings.TrimSpace(out.String()) != "[]" {
		t.Errorf("nothing as JSON is %q (%v)", out.String(), err)
	}
}
