package bi

import (
	"context"
	"fmt"
	"io"
	"strings"

	"partnerpulse/internal/chstore"
)

// Store reads ClickHouse.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
}

const columnsSQL = `SELECT t.name AS view, t.comment AS purpose, c.name AS name, c.type AS type, c.comment AS meaning
FROM system.tables AS t INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
WHERE t.database = {database:String} ORDER BY t.name, c.position`

type column struct {
	View    string `ch:"view"`
	Purpose string `ch:"purpose"`
	Name    string `ch:"name"`
	Type    string `ch:"type"`
	Meaning string `ch:"meaning"`
}

const preface = `# Data for BI tools

<!-- Written by ` + "`partnerpulse docs data`" + ` from the comments of the views; edit those (schemas/clickhouse) and the
queries (internal/bi/kpis), not this file. -->

Connect Superset, Metabase, Grafana, Tableau, DBeaver or a notebook to ClickHouse (HTTP, port 8123) and open the
database ` + "`bi`" + `. Its views are the contract: names and columns stay, columns may be added. Every view is exact
(FINAL inside), so late, repeated and reordered events never count twice. A day is a day in the tenant's time zone;
times are UTC. Filter on ` + "`tenant`" + ` first, then on ` + "`partner_id`" + ` or ` + "`day`" + `: this is how the tables are ordered.

` + "`partnerpulse migrate`" + ` makes the views, and, where the server has access control, the role ` + "`partnerpulse_bi`" + `, which can
only read them; with ` + "`clickhouse.bi_password`" + ` set also the user ` + "`bi`" + ` with this role. The views read with the rights
of who asks, so a row policy on the tables behind them keeps somebody within one programme:
` + "`CREATE ROW POLICY only_acme ON partnerpulse.* USING tenant = 'acme' TO ann`" + `. The embedded ClickHouse has no access
control: whoever reaches its port can read and write, so it listens on loopback. The database's name is
` + "`clickhouse.bi_database`" + `; it is ` + "`bi`" + ` unless ` + "`clickhouse.database`" + ` is changed, then that name with ` + "`_bi`" + ` behind.

- [KPIs, with a query for each](#kpis)
- [Views](#views)

## KPIs

Each query stands for itself. For another day than today write the day for ` + "`today()`" + `; for one programme add
` + "`tenant = '…'`" + `. Days of deals, leads, certificates and support requests are taken from their times, in UTC; for
the days of a programme elsewhere write ` + "`toDate(won_at, 'Europe/Berlin')`" + ` for ` + "`toDate(won_at)`" + `.
`

// Write writes DATA.md from the views of database.
func Write(ctx context.Context, w io.Writer, store Store, database string) error {
	kpis, err := KPIs()
	if err != nil {
		return err
	}
	var columns []column
	if err := store.Select(ctx, &columns, columnsSQL, chstore.Params{"database": database}); err != nil {
		return fmt.Errorf("reading the views of %s: %w", database, err)
	}
	if len(columns) == 0 {
		return fmt.Errorf("database %s has no views: run `partnerpulse migrate`", database)
	}
	var b strings.Builder
	b.WriteString(preface)
	for _, k := range kpis {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n```sql\n%s\n```\n", k.Title, k.Definition, k.SQL)
	}
	b.WriteString("\n## Views\n")
	for i, c := range columns {
		if i == 0 || columns[i-1].View != c.View {
			fmt.Fprintf(&b, "\n### bi.%s\n\n%s.\n\n| column | type | meaning |\n|---|---|---|\n", c.View, c.Purpose)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", c.Name, c.Type, strings.ReplaceAll(c.Meaning, "|", `\|`))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the description of the data: %w", err)
	}
	return nil
}
