package segment

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"partnerpulse/internal/event"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/SEGMENT.md")

const docs = "../../docs/SEGMENT.md"

// TestDocsHaveTheDefaults: the tables of the documentation are the defaults.
// `go test ./internal/segment -run Docs -update` rewrites them.
func TestDocsHaveTheDefaults(t *testing.T) {
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, table := range map[string]string{
		"names": namesTable(), "fields": fieldsTable(), "partner": "`" + strings.Join(defaultPartnerFrom(), "`, `") + "`\n",
		"identity": identityPlaces(), "traits": "`" + strings.Join(defaultDropTraits(), "`, `") + "`\n",
	} {
		start, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(text, start)
		old, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("%s has no place for %s", docs, name)
		}
		if old != table && !*update {
			t.Errorf("the %s in %s are not the defaults: run this test with -update", name, docs)
		}
		text = before + start + table + end + after
	}
	if *update {
		if err := os.WriteFile(docs, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// identityPlaces lists where a call may carry a signed identity.
func identityPlaces() string {
	var places []string
	for _, path := range identityPaths() {
		places = append(places, "`"+strings.Join(path, ".")+"`")
	}
	return strings.Join(places, ", ") + "\n"
}

// TestDocsHaveAWorkingExample: the configuration that the documentation shows is one.
func TestDocsHaveAWorkingExample(t *testing.T) {
	b, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no example")
	}
	var cfg struct {
		Collector struct {
			Segment Config `yaml:"segment"`
		} `yaml:"collector"`
	}
	d := yaml.NewDecoder(strings.NewReader(example))
	d.KnownFields(true)
	if err := d.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	c := cfg.Collector.Segment
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Events["Guide Opened"].Type != event.ContentViewed || c.Tenants["acme"].Events["Ping"].Type != Ignore || c.CallsMax() != 2500 {
		t.Errorf("%+v", c)
	}
}

// title writes a normal name as SDK users do.
func title(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.ReplaceAll(strings.Join(words, " "), "Nps", "NPS")
}

func namesTable() string {
	var b strings.Builder
	b.WriteString("| type | track names | sets |\n|---|---|---|\n")
	for _, row := range defaultNames() {
		var list []string
		for _, name := range row.list {
			list = append(list, title(name))
		}
		set := ""
		if row.set[0] != "" {
			set = fmt.Sprintf("`%s` = %s", row.set[0], row.set[1])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.typ, strings.Join(list, ", "), set)
	}
	return b.String()
}

// fieldsTable has one row for types whose fields come from the same places.
func fieldsTable() string {
	var b strings.Builder
	b.WriteString("| type | field of data ← properties |\n|---|---|\n")
	types := map[string][]string{}
	var order []string
	for _, t := range event.Types() {
		var parts []string
		for _, f := range fieldsOf(t) {
			part := "`" + f.name + "`"
			if from := f.from[1:]; len(from) > 0 {
				var names []string
				for _, n := range from {
					names = append(names, strings.ReplaceAll(n, " ", "_"))
				}
				part += " ← " + strings.Join(names, ", ")
			}
			parts = append(parts, part)
		}
		text := strings.Join(parts, "; ")
		if !slices.Contains(order, text) {
			order = append(order, text)
		}
		types[text] = append(types[text], "`"+string(t)+"`")
	}
	for _, text := range order {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(types[text], ", "), text)
	}
	return b.String()
}
