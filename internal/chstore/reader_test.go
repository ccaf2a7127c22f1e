package chstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/schemas"
)

// TestReaderStatements: the embedded engine keeps no users and says so; the statements
// for a server are ones that ClickHouse can parse, name what the views read and
// nothing of people's events, and hold no password.
func TestReaderStatements(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("r%d", time.Now().UnixNano())
	cfg.BIPassword = config.Secret("it's secret")
	s, err := Open(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ms, err := Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	if granted, err := s.GrantReader(t.Context()); granted || err != nil {
		t.Errorf("on the embedded engine: %v, %v", granted, err)
	}
	var rows []struct {
		Name string `ch:"name"`
	}
	if err := s.Select(t.Context(), &rows, "SELECT DISTINCT arrayJoin(dependencies) AS name FROM ("+viewTables+") ORDER BY name", Params{"bi": cfg.BIName()}); err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, r := range rows {
		tables = append(tables, r.Name)
	}
	for _, name := range []string{"partner_daily", "partners", "deal_state", "content_scores", "alerts", "rejects", "dirty_days", "explanation", "score_models"} {
		if !slices.Contains(tables, name) {
			t.Errorf("%s is not among %v", name, tables)
		}
	}
	for _, name := range []string{"events", "entity_events", "schema_migrations", "xapi_statements"} {
		if slices.Contains(tables, name) {
			t.Errorf("the views read %s", name)
		}
	}
	statements := cfg.readerStatements(tables)
	if len(statements) != len(tables)+5 {
		t.Fatalf("%d statements", len(statements))
	}
	statements = append(statements, "CREATE ROW POLICY only_acme ON partnerpulse.* USING tenant = 'acme' TO ann") // docs/DATA.md names it
	for _, statement := range statements {
		if strings.Contains(statement, "secret") {
			t.Errorf("%s holds the password", statement)
		}
		var parsed []struct {
			Text string `ch:"text"`
		}
		if err := s.Select(t.Context(), &parsed, "SELECT formatQuery({q:String}) AS text", Params{"q": statement}); err != nil || parsed[0].Text == "" {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
