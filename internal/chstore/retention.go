package chstore

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"go.uber.org/zap"
)

// Retention is how long a table keeps its rows.
type Retention struct {
	Table  string
	Column string // a Date
	Days   int    // 0: for ever
}

// ttlClause is a TTL as ClickHouse prints it.
var ttlClause = regexp.MustCompile("TTL `?(\\w+)`? \\+ toIntervalDay\\((\\d+)\\)")

// SetRetention gives each table its TTL and changes those only that have another one,
// so that it may be called at every start. Rows that have expired go with the next
// merges, not at once. The names come from the program, never from users.
func (s *Store) SetRetention(ctx context.Context, rs []Retention) error {
	for _, r := range rs {
		var rows []struct {
			Engine string `ch:"engine_full"`
		}
		err := s.Select(ctx, &rows, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}", Params{"table": r.Table})
		if err != nil {
			return fmt.Errorf("reading the TTL of %s: %w", r.Table, err)
		}
		if len(rows) == 0 {
			return fmt.Errorf("setting the TTL of %s: there is no such table", r.Table)
		}
		has := 0
		column := ""
		if m := ttlClause.FindStringSubmatch(rows[0].Engine); m != nil {
			column = m[1]
			if has, err = strconv.Atoi(m[2]); err != nil {
				return fmt.Errorf("reading the TTL of %s: %w", r.Table, err)
			}
		}
		if has == r.Days && (has == 0 || column == r.Column) {
			continue
		}
		statement := fmt.Sprintf("ALTER TABLE `%s` MODIFY TTL `%s` + toIntervalDay(%d)", r.Table, r.Column, r.Days)
		if r.Days == 0 {
			statement = fmt.Sprintf("ALTER TABLE `%s` REMOVE TTL", r.Table)
		}
		if err := s.Exec(ctx, statement, nil); err != nil {
			return fmt.Errorf("setting the TTL of %s: %w", r.Table, err)
		}
		s.log.Info("retention changed", zap.String("table", r.Table), zap.Int("days_before", has), zap.Int("days", r.Days))
	}
	return nil
}
