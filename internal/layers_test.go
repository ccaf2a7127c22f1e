// Package internal_test holds the layout of DESIGN.md as a test.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "partnerpulse/"

// levels of the packages below the module's root. A package below a listed one
// belongs to it. Imports go only downward: a package may import lower levels, its
// own sub-packages, and nothing else of the module.
var levels = map[string]float64{
	"cmd/partnerpulse": 5,

	"internal/app":      4,
	"internal/embedded": 4,
	"internal/bench":    4,

	"internal/collector":  3,
	"internal/durable":    3,
	"internal/enricher":   3,
	"internal/aggregator": 3,
	"internal/console":    3,
	"internal/bi":         3,
	"internal/importer":   3,
	"internal/notifier":   3,
	"internal/alertdesk":  3,
	"internal/simulate":   3,
	"internal/replay":     3,
	"internal/forget":     3,
	"internal/xapistore":  3,

	"internal/kafkabus":   2,
	"internal/chstore":    2,
	"internal/httpserver": 2,
	"internal/scoring":    2.5, // below the roles, above the store
	"internal/keys":       2,

	"internal/config":      1,
	"internal/obs":         1,
	"internal/enrich":      1,
	"internal/directory":   1,
	"internal/forgotten":   1,
	"internal/identity":    1,
	"internal/eventschema": 1,
	"internal/spool":       1,
	"internal/segment":     1,
	"internal/tracker":     1,
	"internal/cloudevents": 1,
	"internal/xapi":        1,

	"internal/event":      0,
	"internal/secret":     0,
	"internal/fault":      0,
	"internal/score":      0,
	"internal/session":    1, // pure, but speaks of event types
	"internal/alert":      1, // pure, but speaks of rules of detect
	"internal/detect":     0,
	"internal/rules":      1, // pure, but speaks of detect.Day
	"schemas":             0,
	"internal/backtest":   0,
	"internal/collateral": 0,

	// Only for tests, which may use everything.
	"internal/apachekafka": 6,
	"internal/browsertest": 6,
	"internal/chaos":       6,
	"internal/clienttest":  6,
	"internal/e2e":         6,
}

// only names who may import a library, besides tests.
var only = map[string][]string{
	"github.com/segmentio/kafka-go":          {"internal/kafkabus"},
	"github.com/ClickHouse/clickhouse-go/v2": {"internal/chstore"},
	"github.com/twmb/franz-go":               {"internal/embedded"},
	"github.com/ebitengine/purego":           {"internal/embedded"},
}

// room gives the listed package that path belongs to.
func room(path string) (string, bool) {
	for path != "." && path != "/" {
		if _, ok := levels[path]; ok {
			return path, true
		}
		path = filepath.Dir(path)
	}
	return "", false
}

func TestImportsGoDownward(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		checkFile(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at: the walk is wrong", files)
	}
}

func checkFile(t *testing.T, path string) {
	t.Helper()
	dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
	from, ok := room(dir)
	if !ok {
		t.Errorf("%s: package %s has no level: put it into the table", path, dir)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("parsing %s: %v", path, err)
		return
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if local, ok := strings.CutPrefix(imported, module); ok {
			to, ok := room(local)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which has no level", path, local)
			case from != to && levels[to] >= levels[from]:
				t.Errorf("%s (level %v) imports %s (level %v): imports go only downward", path, levels[from], local, levels[to])
			}
		}
		for library, rooms := range only {
			if imported != library && !strings.HasPrefix(imported, library+"/") {
				continue
			}
			allowed := levels[from] == 6
			for _, r := range rooms {
				allowed = allowed || r == from
			}
			if !allowed {
				t.Errorf("%s imports %s: only %v may", path, imported, rooms)
			}
		}
	}
}
