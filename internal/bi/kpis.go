package bi

import (
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed kpis/*.sql
var kpiFiles embed.FS

// KPI is one figure that a channel team looks at, and the query that gives it.
type KPI struct {
	Name       string // file name without number and suffix
	Title      string
	Definition string
	SQL        string // on views of the database bi; today() is the day asked about
}

// ErrKPI marks a file that does not begin with a comment of title and definition.
var ErrKPI = errors.New("a KPI's file begins with its title and definition as comments")

// KPIs lists the KPIs in the order of their files.
func KPIs() ([]KPI, error) {
	entries, err := kpiFiles.ReadDir("kpis")
	if err != nil {
		return nil, fmt.Errorf("listing KPIs: %w", err)
	}
	var out []KPI
	for _, e := range entries {
		text, err := kpiFiles.ReadFile("kpis/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading a KPI: %w", err)
		}
		title, rest, ok := strings.Cut(string(text), "\n")
		definition, sql, ok2 := strings.Cut(rest, "\n")
		_, name, ok3 := strings.Cut(strings.TrimSuffix(e.Name(), ".sql"), "_")
		if !ok || !ok2 || !ok3 || !strings.HasPrefix(title, "-- ") || !strings.HasPrefix(definition, "-- ") {
			return nil, fmt.Errorf("%s: %w", e.Name(), ErrKPI)
		}
		out = append(out, KPI{Name: name, Title: title[3:], Definition: definition[3:], SQL: strings.TrimSpace(sql)})
	}
	return out, nil
}
