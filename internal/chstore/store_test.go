package chstore_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/config"
	"partnerpulse/internal/embedded/enginetest"
	"partnerpulse/schemas"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// open gives a store on a database of the test's own.
func open(t *testing.T, change ...func(*chstore.Config)) *chstore.Store {
	t.Helper()
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"http://" + enginetest.ClickHouse(t)}
	cfg.Database = fmt.Sprintf("t%d", time.Now().UnixNano())
	for _, c := range change {
		c(&cfg)
	}
	s, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func migrations(t *testing.T, files map[string]string) []chstore.Migration {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, sql := range files {
		fsys["m/"+name] = &fstest.MapFile{Data: []byte(sql)}
	}
	ms, err := chstore.Migrations(fsys, "m")
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func TestTheProductsMigrationsApplyOnceAndAgain(t *testing.T) {
	s := open(t)
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Migrate(t.Context(), ms)
	if err != nil {
		t.Fatal(err)
	}
	if n != len(ms) || n < 2 {
		t.Fatalf("applied %d of %d migrations", n, len(ms))
	}
	if n, err = s.Migrate(t.Context(), ms); n != 0 || err != nil {
		t.Fatalf("the second run applied %d, error %v", n, err)
	}
	var undocumented []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
	}
	err = s.Select(t.Context(), &undocumented, `SELECT table, name FROM system.columns
		WHERE database = currentDatabase() AND comment = '' AND table NOT IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView') AND name != 'ver' ORDER BY table, position`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(undocumented) > 0 {
		t.Errorf("columns without a COMMENT: %v", undocumented)
	}
}

func TestAnInterruptedMigrationIsRunAgain(t *testing.T) {
	s := open(t)
	broken := migrations(t, map[string]string{
		"0001_a.sql": "CREATE TABLE IF NOT EXISTS a (x Int32) ENGINE = MergeTree ORDER BY x;\nSELECT throwIf(1);",
	})
	if _, err := s.Migrate(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "0001_a.sql, statement 2") {
		t.Fatalf("the error does not say where: %v", err)
	}
	mended := migrations(t, map[string]string{
		"0001_a.sql": "CREATE TABLE IF NOT EXISTS a (x Int32) ENGINE = MergeTree ORDER BY x;\n-- done; really\nALTER TABLE a ADD COLUMN IF NOT EXISTS y String;",
	})
	if n, err := s.Migrate(t.Context(), mended); n != 1 || err != nil {
		t.Fatalf("applied %d, error %v", n, err)
	}
}

func TestAChangedMigrationIsRefused(t *testing.T) {
	s := open(t)
	first := migrations(t, map[string]string{"0001_a.sql": "SELECT 1"})
	if _, err := s.Migrate(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	changed := migrations(t, map[string]string{"0001_a.sql": "SELECT 2"})
	if _, err := s.Migrate(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "0001_a.sql was changed") {
		t.Fatalf("got %v", err)
	}
}

func TestMigrationNames(t *testing.T) {
	for name, files := range map[string][]string{
		"no number":  {"events.sql"},
		"same twice": {"0001_a.sql", "0001_b.sql"},
	} {
		fsys := fstest.MapFS{}
		for _, f := range files {
			fsys["m/"+f] = &fstest.MapFile{Data: []byte("SELECT 1")}
		}
		if _, err := chstore.Migrations(fsys, "m"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

type row struct {
	Name string    `ch:"name"`
	N    uint64    `ch:"n"`
	At   time.Time `ch:"at"`
	Opt  *uint8    `ch:"opt"`
	Tags []string  `ch:"tags"`
}

func TestInsertColumnsAndSelectGiveBackTheSame(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			s := open(t, func(c *chstore.Config) { c.Compression = compression })
			create(t, s)
			seven := uint8(7)
			at := time.Date(2026, 3, 29, 1, 2, 3, 4_000_000, time.UTC)
			want := []row{
				{"a'\\\n\t\x00ü", 1, at, &seven, []string{"x", ""}},
				{"b", 1 << 63, at.Add(time.Hour), nil, []string{}},
			}
			if err := s.InsertColumns(t.Context(), "t", columns(want)); err != nil {
				t.Fatal(err)
			}
			var got []row
			err := s.Select(t.Context(), &got, "SELECT * FROM t WHERE name IN {names:Array(String)} AND n >= {n:UInt64} ORDER BY n",
				chstore.Params{"names": []string{want[0].Name, "b"}, "n": uint64(1)})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func create(t *testing.T, s *chstore.Store) {
	t.Helper()
	if _, err := s.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	err := s.Exec(t.Context(), `CREATE TABLE t (name String, n UInt64, at DateTime64(3, 'UTC'), opt Nullable(UInt8), tags Array(String),
		CONSTRAINT small CHECK length(name) < 20) ENGINE = MergeTree ORDER BY n`, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func columns(rows []row) []chstore.Column {
	var (
		names []string
		ns    []uint64
		ats   []time.Time
		opts  []*uint8
		tags  [][]string
	)
	for _, r := range rows {
		names, ns, ats = append(names, r.Name), append(ns, r.N), append(ats, r.At)
		opts, tags = append(opts, r.Opt), append(tags, r.Tags)
	}
	return []chstore.Column{{Name: "name", Values: names}, {Name: "n", Values: ns}, {Name: "at", Values: ats},
		{Name: "opt", Values: opts}, {Name: "tags", Values: tags}}
}

func TestErrorsTellWhoIsAtFault(t *testing.T) {
	s := open(t)
	create(t, s)
	long := columns([]row{{Name: strings.Repeat("x", 30), At: time.Now(), Tags: []string{}}})
	if err := s.InsertColumns(t.Context(), "t", long); err == nil || chstore.IsRetryable(err) {
		t.Errorf("a violated constraint is the data's fault: %v", err)
	}
	wrong := []chstore.Column{{Name: "n", Values: []string{"x"}}}
	if err := s.InsertColumns(t.Context(), "t", wrong); !errors.Is(err, chstore.ErrRefused) || chstore.IsRetryable(err) {
		t.Errorf("a wrong Go type is the data's fault: %v", err)
	}
	uneven := []chstore.Column{{Name: "n", Values: []uint64{1, 2}}, {Name: "name", Values: []string{"x"}}}
	if err := s.InsertColumns(t.Context(), "t", uneven); !errors.Is(err, chstore.ErrRefused) {
		t.Errorf("columns of different length: %v", err)
	}
	if err := s.InsertColumns(t.Context(), "missing", wrong); err == nil || !chstore.IsRetryable(err) {
		t.Errorf("a missing table is mended by an operator: %v", err)
	}
	away := open(t, func(c *chstore.Config) { c.Addr = config.List{"http://127.0.0.1:1"} })
	if err := away.Exec(t.Context(), "SELECT 1", nil); err == nil || !chstore.IsRetryable(err) {
		t.Errorf("an unreachable server is retried: %v", err)
	}
	if err := s.Exec(t.Context(), "SELECT 1", nil); err != nil {
		t.Errorf("the store does not work after errors: %v", err)
	}
}

func TestAColumnAddedLaterIsSeen(t *testing.T) {
	s := open(t)
	create(t, s)
	more := []chstore.Column{{Name: "n", Values: []uint64{1}}, {Name: "later", Values: []string{"x"}}}
	if err := s.InsertColumns(t.Context(), "t", more); err == nil {
		t.Fatal("a missing column was accepted")
	}
	if err := s.Exec(t.Context(), "ALTER TABLE t ADD COLUMN later String", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.InsertColumns(t.Context(), "t", more); err != nil {
		t.Fatal(err)
	}
}

func TestStatements(t *testing.T) {
	got := chstore.Statements("-- a; b\nSELECT ';' AS `x;y`; /* ; */ SELECT 'it''s\\';' ;\n\n-- end;\n;")
	want := []string{"-- a; b\nSELECT ';' AS `x;y`", "/* ; */ SELECT 'it''s\\';'"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestConfigurationMistakesAreAllTold(t *testing.T) {
	cfg := chstore.DefaultConfig()
	cfg.Addr = config.List{"127.0.0.1:8123", "http://a:1", "https://b:1"}
	cfg.Compression = "zip"
	_, err := chstore.Open(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"127.0.0.1:8123", "mixes schemes", "zip"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q: %v", want, err)
		}
	}
}
