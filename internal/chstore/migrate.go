package chstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// migrationName is NNNN_what.sql.
var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// Migration is one file of statements.
type Migration struct {
	Version  string // four digits
	Name     string // the file's name
	Checksum string // SHA-256 of the file, hex
	SQL      string
}

// Migrations reads NNNN_what.sql of dir in order and refuses a name that does not
// fit and a version that stands twice.
func Migrations(fsys fs.FS, dir string) ([]Migration, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	var out []Migration
	for _, e := range entries {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("migration %s: the name must look like 0001_events.sql", e.Name())
		}
		b, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading migration: %w", err)
		}
		sum := sha256.Sum256(b)
		out = append(out, Migration{Version: m[1], Name: e.Name(), Checksum: hex.EncodeToString(sum[:]), SQL: string(b)})
	}
	slices.SortFunc(out, func(a, b Migration) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Version == out[i-1].Version {
			return nil, fmt.Errorf("migrations %s and %s have the same number", out[i-1].Name, out[i].Name)
		}
	}
	return out, nil
}

// Migrate creates the database if it is missing and applies what of ms has not
// been applied; ${BI} in them stands for the database of the views for BI tools.
// Every statement is re-runnable (IF NOT EXISTS), so a migration
// that was interrupted is simply run again. An applied file that has changed since
// is refused.
func (s *Store) Migrate(ctx context.Context, ms []Migration) (applied int, err error) {
	if err := s.createDatabase(ctx); err != nil {
		return 0, err
	}
	if err := s.Exec(ctx, migrationsTable, nil); err != nil {
		return 0, fmt.Errorf("creating schema_migrations: %w", err)
	}
	missing, err := s.Unapplied(ctx, ms)
	if err != nil {
		return 0, err
	}
	for _, m := range missing {
		if err := s.apply(ctx, m); err != nil {
			return applied, err
		}
		applied++
	}
	return applied, nil
}

// Unapplied gives those of ms that have not been applied. It is an error if an
// applied one has changed since.
func (s *Store) Unapplied(ctx context.Context, ms []Migration) ([]Migration, error) {
	var done []struct {
		Name     string `ch:"name"`
		Checksum string `ch:"checksum"`
	}
	if err := s.Select(ctx, &done, "SELECT name, checksum FROM schema_migrations FINAL", nil); err != nil {
		return nil, fmt.Errorf("reading schema_migrations: %w", err)
	}
	sums := make(map[string]string, len(done))
	for _, d := range done {
		sums[d.Name] = d.Checksum
	}
	var missing []Migration
	for _, m := range ms {
		switch sum, ok := sums[m.Name]; {
		case !ok:
			missing = append(missing, m)
		case sum != m.Checksum:
			return nil, fmt.Errorf("migration %s was changed after it had been applied: restore it and add a new one", m.Name)
		}
	}
	return missing, nil
}

const migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations
(
    name       String COMMENT 'File of the migration',
    checksum   String COMMENT 'SHA-256 of the file',
    applied_at DateTime('UTC') DEFAULT now() COMMENT 'When it was applied'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY name
COMMENT 'Migrations that were applied'`

func (s *Store) apply(ctx context.Context, m Migration) error {
	for i, stmt := range Statements(strings.ReplaceAll(m.SQL, biPlaceholder, "`"+s.cfg.BIName()+"`")) {
		if err := s.Exec(ctx, stmt, nil); err != nil {
			return fmt.Errorf("migration %s, statement %d: %w", m.Name, i+1, err)
		}
	}
	err := s.InsertColumns(ctx, "schema_migrations", []Column{
		{Name: "name", Values: []string{m.Name}}, {Name: "checksum", Values: []string{m.Checksum}},
	})
	if err != nil {
		return fmt.Errorf("recording migration %s: %w", m.Name, err)
	}
	s.log.Info("applied migration", zap.String("migration", m.Name))
	return nil
}

// biPlaceholder stands in migrations for the database of the views for BI tools.
const biPlaceholder = "${BI}"

// createDatabase connects without the database, since a session cannot start in
// one that does not exist.
func (s *Store) createDatabase(ctx context.Context) error {
	if !databaseName.MatchString(s.cfg.Database) {
		return fmt.Errorf("clickhouse.database %q: use letters, digits and _", s.cfg.Database)
	}
	if bi := s.cfg.BIName(); !databaseName.MatchString(bi) || bi == s.cfg.Database {
		return fmt.Errorf("clickhouse.bi_database %q: use letters, digits and _, and another name than clickhouse.database", bi)
	}
	cfg := s.cfg
	cfg.Database = "default"
	root, err := Open(cfg, s.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	err = root.Exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+s.cfg.Database+"`", nil)
	if err != nil {
		err = fmt.Errorf("creating database %s: %w", s.cfg.Database, err)
	}
	return errors.Join(err, root.Close())
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Statements splits SQL at semicolons that stand outside of quotes and comments.
// Comments before a statement go with it; empty statements are dropped.
func Statements(sql string) []string {
	var out []string
	start, hasCode := 0, false
	for i := 0; i < len(sql); {
		switch n := skipQuoted(sql[i:]); {
		case n > 0:
			hasCode = hasCode || !strings.HasPrefix(sql[i:], "--") && !strings.HasPrefix(sql[i:], "/*")
			i += n
		case sql[i] == ';':
			if hasCode {
				out = append(out, strings.TrimSpace(sql[start:i]))
			}
			i++
			start, hasCode = i, false
		default:
			hasCode = hasCode || !strings.ContainsRune(" \t\r\n", rune(sql[i]))
			i++
		}
	}
	if hasCode {
		out = append(out, strings.TrimSpace(sql[start:]))
	}
	return out
}

// skipQuoted gives the length of the string, quoted identifier or comment that s
// starts with, 0 if it starts with none.
func skipQuoted(s string) int {
	switch {
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n + 1
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return n + 4
		}
		return len(s)
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case s[0]:
				return i + 1
			}
		}
		return len(s)
	}
	return 0
}
