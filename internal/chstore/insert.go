package chstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Column is one column of an insert: Values is *Texts or a slice such as []string,
// []uint64 or []time.Time, all columns equally long.
type Column struct {
	Name   string
	Values any
}

// Len is the number of rows.
func (c Column) Len() int {
	if texts, ok := c.Values.(*Texts); ok {
		return texts.Len()
	}
	return reflect.ValueOf(c.Values).Len()
}

// ErrRefused marks data that the client itself cannot encode for the table:
// another attempt cannot succeed.
var ErrRefused = errors.New("data does not fit the table")

// insertSettings make an insert durable and free of deduplication, whose tokens
// can lose rows after a kill (row identity makes repetition harmless instead). Rows are
// stored as they come: to merge those of one key within the insert, row by row, costs as
// much again, and readers use FINAL or group by the key anyway.
func insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert":                    0,
		"optimize_on_insert":              0,
		"deduplicate_insert":              "disable",
		"insert_deduplicate":              0,
		"max_partitions_per_insert_block": 0,
	}
}

// InsertColumns sends one synchronous INSERT and returns when ClickHouse has it on
// disk. Nothing is retried. An INSERT is atomic per partition only, so after an
// error some rows may be stored: repeat it whole.
func (s *Store) InsertColumns(ctx context.Context, table string, cols []Column) error {
	return s.insertColumns(ctx, table, cols, s.post)
}

// InsertByDriver is InsertColumns by way of the driver's own columns, whatever the
// protocol: what InsertColumns does where it has no shorter way.
func (s *Store) InsertByDriver(ctx context.Context, table string, cols []Column) error {
	return s.insertColumns(ctx, table, cols, nil)
}

func (s *Store) insertColumns(ctx context.Context, table string, cols []Column, p *poster) error {
	if len(cols) == 0 || cols[0].Len() == 0 {
		return nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.observe("insert", func() error {
		err := s.insert(ctx, table, cols, p)
		if err != nil && !errors.Is(err, ErrRefused) {
			s.forget(table) // the table may have changed under us
		}
		return err
	})
}

// insert posts the columns if there is a poster that can, and lets the driver send them
// otherwise.
func (s *Store) insert(ctx context.Context, table string, cols []Column, p *poster) error {
	rows, err := rowsOf(cols)
	if err != nil {
		return err
	}
	types, err := s.columnTypes(ctx, table, cols)
	if err != nil {
		return err
	}
	if p != nil {
		if err := p.insert(ctx, table, cols, types, rows); !errors.Is(err, errNotNative) {
			return err
		}
	}
	return s.drive(ctx, table, cols, types)
}

// rowsOf is the number of rows, the same in every column.
func rowsOf(cols []Column) (int, error) {
	rows := cols[0].Len()
	for _, c := range cols {
		if n := c.Len(); n != rows {
			return 0, fmt.Errorf("%w: column %s has %d values, %s has %d", ErrRefused, c.Name, n, cols[0].Name, rows)
		}
	}
	return rows, nil
}

// drive inserts by the driver.
func (s *Store) drive(ctx context.Context, table string, cols []Column, types []clickhouse.ColumnNameAndType) error {
	ctx = clickhouse.Context(ctx,
		clickhouse.WithSettings(insertSettings()), clickhouse.WithColumnNamesAndTypes(types))
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = "`" + c.Name + "`"
	}
	batch, err := s.conn.PrepareBatch(ctx, fmt.Sprintf("INSERT INTO `%s` (%s)", table, strings.Join(names, ", ")))
	if err != nil {
		return fmt.Errorf("preparing insert into %s: %w", table, err)
	}
	defer batch.Close() //nolint:errcheck // after Send it is a no-op; after an error that error counts
	for i, c := range cols {
		values := c.Values
		if texts, ok := values.(*Texts); ok {
			values = texts.Strings()
		}
		if err := batch.Column(i).Append(values); err != nil {
			return fmt.Errorf("%w: appending column %s of %s: %w", ErrRefused, c.Name, table, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting into %s: %w", table, err)
	}
	return nil
}

// columnTypes gives the types of cols.
func (s *Store) columnTypes(ctx context.Context, table string, cols []Column) ([]clickhouse.ColumnNameAndType, error) {
	known, err := s.insertable(ctx, table)
	if err != nil {
		return nil, err
	}
	types, err := typesOf(known, table, cols)
	if err != nil {
		s.forget(table)
	}
	return types, err
}

// typesOf picks the types of cols.
func typesOf(known []clickhouse.ColumnNameAndType, table string, cols []Column) ([]clickhouse.ColumnNameAndType, error) {
	types := make([]clickhouse.ColumnNameAndType, 0, len(cols))
	for _, c := range cols {
		at := slices.IndexFunc(known, func(k clickhouse.ColumnNameAndType) bool { return k.Name == c.Name })
		if at < 0 {
			return nil, fmt.Errorf("table %s has no column %s: run `partnerpulse migrate`", table, c.Name)
		}
		types = append(types, known[at])
	}
	return types, nil
}

// insertable gives the columns of a table that take values, from a cache, asking the
// server at first.
func (s *Store) insertable(ctx context.Context, table string) ([]clickhouse.ColumnNameAndType, error) {
	s.mu.Lock()
	known, ok := s.columns[table]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	var rows []struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	err := s.conn.Select(ctx, &rows,
		"SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND default_kind NOT IN ('ALIAS', 'MATERIALIZED')",
		clickhouse.Named("table", table))
	if err != nil {
		return nil, fmt.Errorf("reading columns of %s: %w", table, err)
	}
	for _, r := range rows {
		known = append(known, clickhouse.ColumnNameAndType{Name: r.Name, Type: r.Type})
	}
	if len(known) > 0 {
		s.mu.Lock()
		s.columns[table] = known
		s.mu.Unlock()
	}
	return known, nil
}

func (s *Store) forget(table string) {
	s.mu.Lock()
	delete(s.columns, table)
	s.mu.Unlock()
}
