package importer_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"partnerpulse/internal/importer"
)

// TestDocsNameEveryColumn: docs/IMPORT.md has the columns of every kind, and its
// examples are files that can be imported.
func TestDocsNameEveryColumn(t *testing.T) {
	raw, err := os.ReadFile("../../docs/IMPORT.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, k := range importer.Kinds() {
		_, section, ok := strings.Cut(page, "\n## "+k.Name+"\n")
		if !ok {
			t.Errorf("no section %s", k.Name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, c := range k.Columns {
			need := ""
			if c.Required {
				need = "yes"
			}
			if row := fmt.Sprintf("| `%s` | %s | %s |", c.Name, need, c.Help); !strings.Contains(section, row) {
				t.Errorf("%s: the table lacks\n%s", k.Name, row)
			}
		}
		_, example, _ := strings.Cut(section, "```csv\n")
		example, _, ok = strings.Cut(example, "```")
		if report, err := run(t, k.Name, example, importer.Config{DryRun: true}, importer.Deps{}); !ok || err != nil || report.Rows < 2 {
			t.Errorf("%s: the example gives %+v, %v", k.Name, report, err)
		}
	}
}
