package chstore_test

import (
	"testing"
	"time"

	"partnerpulse/internal/chstore"
)

func TestRetentionIsSetChangedAndRemovedOnce(t *testing.T) {
	s := open(t)
	if _, err := s.Migrate(t.Context(), migrations(t, map[string]string{
		"0001_a.sql": "CREATE TABLE IF NOT EXISTS a (day Date, v UInt64) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY v TTL day + INTERVAL 90 DAY;",
		"0002_b.sql": "CREATE TABLE IF NOT EXISTS b (as_of Date, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY v;",
	})); err != nil {
		t.Fatal(err)
	}
	mutations := func() (n uint64) {
		var rows []struct {
			N uint64 `ch:"n"`
		}
		if err := s.Select(t.Context(), &rows, "SELECT count() AS n FROM system.mutations WHERE database = currentDatabase()", nil); err != nil {
			t.Fatal(err)
		}
		return rows[0].N
	}
	set := func(days ...int) {
		t.Helper()
		want := []chstore.Retention{{Table: "a", Column: "day", Days: days[0]}, {Table: "b", Column: "as_of", Days: days[1]}}
		if err := s.SetRetention(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		before := mutations()
		if err := s.SetRetention(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if after := mutations(); after != before {
			t.Errorf("%v: a repetition made %d mutations", days, after-before)
		}
	}
	left := func(table string) (n uint64) {
		if err := s.Exec(t.Context(), "OPTIMIZE TABLE "+table+" FINAL", nil); err != nil {
			t.Fatal(err)
		}
		var rows []struct {
			N uint64 `ch:"n"`
		}
		if err := s.Select(t.Context(), &rows, "SELECT count() AS n FROM "+table, nil); err != nil {
			t.Fatal(err)
		}
		return rows[0].N
	}
	set(90, 0)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	days := []time.Time{today, today.AddDate(0, 0, -20), today.AddDate(0, 0, -60)}
	for table, column := range map[string]string{"a": "day", "b": "as_of"} {
		if err := s.InsertColumns(t.Context(), table, []chstore.Column{{Name: column, Values: days}, {Name: "v", Values: []uint64{1, 2, 3}}}); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := left("a"), left("b"); a != 3 || b != 3 {
		t.Errorf("90 days and for ever: %d and %d rows", a, b)
	}
	set(40, 10)
	if a, b := left("a"), left("b"); a != 2 || b != 1 {
		t.Errorf("40 and 10 days: %d and %d rows", a, b)
	}
	set(0, 0)
	if err := s.InsertColumns(t.Context(), "a", []chstore.Column{{Name: "day", Values: days[2:]}, {Name: "v", Values: []uint64{3}}}); err != nil {
		t.Fatal(err)
	}
	if a := left("a"); a != 3 {
		t.Errorf("for ever again: %d rows", a)
	}
	if err := s.SetRetention(t.Context(), []chstore.Retention{{Table: "missing", Column: "day", Days: 1}}); err == nil {
		t.Error("a table that is not there got a TTL")
	}
}
