package chstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.uber.org/zap"
)

// The role that may only read the database for BI tools, and the user that has it.
const (
	readerRole = "partnerpulse_bi"
	readerUser = "bi"
)

// GrantReader makes, where the server has access control, the role that can read the
// database for BI tools and the tables that its views read, and, when a password is
// configured, the user bi that has it. It can be repeated; the password is set anew.
// It gives false where users cannot be made, as in the embedded ClickHouse. On a
// server it fails when the configured user may not manage access.
func (s *Store) GrantReader(ctx context.Context) (bool, error) {
	var dirs []struct {
		Writable uint64 `ch:"writable"`
	}
	const storages = "SELECT count() AS writable FROM system.user_directories WHERE type IN ('local_directory', 'local directory', 'replicated')"
	if err := s.Select(ctx, &dirs, storages, nil); err != nil {
		return false, fmt.Errorf("looking for access control: %w", err)
	}
	if len(dirs) != 1 || dirs[0].Writable == 0 {
		s.log.Info("this ClickHouse keeps no users: the database for BI tools is open to all who reach its port",
			zap.String("database", s.cfg.BIName()))
		return false, nil
	}
	var tables []struct {
		Name string `ch:"name"`
	}
	if err := s.Select(ctx, &tables, "SELECT DISTINCT arrayJoin(dependencies) AS name FROM ("+viewTables+")", Params{"bi": s.cfg.BIName()}); err != nil {
		return false, fmt.Errorf("reading what the views read: %w", err)
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	for _, statement := range s.cfg.readerStatements(names) {
		if err := s.Exec(ctx, statement, nil); err != nil {
			return false, fmt.Errorf("granting %s: %w", readerRole, err)
		}
	}
	return true, nil
}

// viewTables finds the tables of this database that the views name, and those that views
// of this database name which they name. A view reads with the rights of who asks, so that
// row policies on the tables hold behind it too.
const viewTables = `WITH
	(SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase()) AS names,
	(SELECT arrayStringConcat(groupArray(as_select), '\n') FROM system.tables WHERE database = {bi:String}) AS views
	SELECT arrayFilter(t -> position(v.as_select, concat(currentDatabase(), '.', t)) > 0, names) AS dependencies
	FROM system.tables AS v
	WHERE v.database = {bi:String}
	   OR v.database = currentDatabase() AND v.engine = 'View' AND position(views, concat(currentDatabase(), '.', v.name)) > 0`

// readerStatements make role and user. A password goes as its hash: the text of a
// statement is logged by the server.
func (c *Config) readerStatements(tables []string) []string {
	out := []string{
		"CREATE ROLE IF NOT EXISTS " + readerRole,
		fmt.Sprintf("GRANT SELECT ON `%s`.* TO %s", c.BIName(), readerRole),
	}
	for _, t := range tables {
		out = append(out, fmt.Sprintf("GRANT SELECT ON `%s`.`%s` TO %s", c.Database, t, readerRole))
	}
	if password := c.BIPassword.Reveal(); password != "" {
		sum := sha256.Sum256([]byte(password))
		hash := hex.EncodeToString(sum[:])
		out = append(out,
			fmt.Sprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED WITH sha256_hash BY '%s' SETTINGS readonly = 2", readerUser, hash),
			fmt.Sprintf("ALTER USER %s IDENTIFIED WITH sha256_hash BY '%s' SETTINGS readonly = 2", readerUser, hash),
			fmt.Sprintf("GRANT %s TO %s", readerRole, readerUser),
		)
	}
	return out
}
