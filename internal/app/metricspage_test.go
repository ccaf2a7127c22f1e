package app_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/app"
)

// TestMetricsPageIsCurrent: docs/METRICS.md lists what the roles register now, and what it
// tells to look at is there. UPDATE_DOCS=1 writes it.
func TestMetricsPageIsCurrent(t *testing.T) {
	var page bytes.Buffer
	if err := app.WriteMetricsPage(t.Context(), &page, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/METRICS.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), page.String()); diff != "" {
		t.Errorf("docs/METRICS.md is out of date: run the test with UPDATE_DOCS=1 (-have +want)\n%s", diff)
	}
	listed := make(map[string]bool)
	for line := range strings.SplitSeq(page.String(), "\n") {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(name, "partnerpulse_") {
			listed[name] = true
			if strings.HasSuffix(line, "|  |") {
				t.Errorf("no text: %s", line)
			}
		}
	}
	advice, _, _ := strings.Cut(page.String(), "\n## collector")
	for _, name := range regexp.MustCompile(`partnerpulse_[a-z_]+`).FindAllString(advice, -1) {
		if !listed[strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_bucket")] {
			t.Errorf("the page tells to look at %s, which no role has", name)
		}
	}
	for _, name := range []string{
		"partnerpulse_aggregator_statement_seconds", "partnerpulse_collector_requests_total", "partnerpulse_enricher_retries_total",
		"partnerpulse_spool_records", "partnerpulse_kafka_consumer_lag_records", "partnerpulse_console_requests_total", "partnerpulse_keys_loads_total",
	} {
		if !listed[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}
