package chstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Column is one column of an insert: Values is a slice such as []string,
// []uint64 or []time.Time, all columns equally long.
type Column struct {
	Name   string
	Values any
}

// ErrRefused marks data that the client itself cannot encode for the table:
// another attempt cannot succeed.
var ErrRefused = errors.New("data does not fit the table")

// insertSettings make an insert durable and free of deduplication, whose tokens
// can lose rows after a kill (row identity makes repetition harmless instead).
func insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert":                    0,
		"deduplicate_insert":              "disable",
		"insert_deduplicate":              0,
		"max_partitions_per_insert_block": 0,
	}
}

// InsertColumns sends one synchronous INSERT and returns when ClickHouse has it on
// disk. Nothing is retried. An INSERT is atomic per partition only, so after an
// error some rows may be stored: repeat it whole.
func (s *Store) InsertColumns(ctx context.Context, table string, cols []Column) error {
	if len(cols) == 0 || reflect.ValueOf(cols[0].Values).Len() == 0 {
		return nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.observe("insert", func() error {
		err := s.insertColumns(ctx, table, cols)
		if err != nil && !errors.Is(err, ErrRefused) {
			s.forget(table) // the table may have changed under us
		}
		return err
	})
}

func (s *Store) insertColumns(ctx context.Context, table string, cols []Column) error {
	types, err := s.columnTypes(ctx, table, cols)
	if err != nil {
		return err
	}
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
	rows := reflect.ValueOf(cols[0].Values).Len()
	for i, c := range cols {
		if n := reflect.ValueOf(c.Values).Len(); n != rows {
			return fmt.Errorf("%w: column %s has %d values, %s has %d", ErrRefused, c.Name, n, cols[0].Name, rows)
		}
		if err := batch.Column(i).Append(c.Values); err != nil {
			return fmt.Errorf("%w: appending column %s of %s: %w", ErrRefused, c.Name, table, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting into %s: %w", table, err)
	}
	return nil
}

// columnTypes gives the types of cols from a cache, asking the server at first.
func (s *Store) columnTypes(ctx context.Context, table string, cols []Column) ([]clickhouse.ColumnNameAndType, error) {
	s.mu.Lock()
	known, ok := s.columns[table]
	s.mu.Unlock()
	if !ok {
		var rows []struct {
			Name string `ch:"name"`
			Type string `ch:"type"`
		}
		err := s.conn.Select(ctx, &rows,
			"SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}",
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
	}
	types := make([]clickhouse.ColumnNameAndType, 0, len(cols))
	for _, c := range cols {
		found := false
		for _, k := range known {
			if k.Name == c.Name {
				types, found = append(types, k), true
				break
			}
		}
		if !found {
			s.forget(table)
			return nil, fmt.Errorf("table %s has no column %s: run `partnerpulse migrate`", table, c.Name)
		}
	}
	return types, nil
}

func (s *Store) forget(table string) {
	s.mu.Lock()
	delete(s.columns, table)
	s.mu.Unlock()
}
