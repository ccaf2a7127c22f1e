package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partnerpulse/internal/embedded/enginetest"
)

// TestImportedPartnersAreInTheDatabaseForBI: a CSV file becomes partners, a second
// import of it changes no row, a changed file changes what it says; the binary tells
// mistakes and ends with 1.
func TestImportedPartnersAreInTheDatabaseForBI(t *testing.T) {
	enginetest.Need(t)
	s := up(t, t.TempDir(), nil)
	file := filepath.Join(t.TempDir(), "partners.csv")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	type report struct{ Rows, Wrong, Accepted, Rejected int }
	run := func(args ...string) (r report, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"import", "partners", file, "--collector", s.Collector, "--json"}, args...)...)
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v: %s%s", err, out, complaints.String())
		}
		if err != nil {
			return r, cmd.ProcessState.ExitCode()
		}
		return r, 0
	}
	stored := func(want string) {
		t.Helper()
		await(t, time.Minute, want, func() error {
			rows, err := query[struct {
				Row string `json:"row"`
			}](s, "SELECT arrayStringConcat(arraySort(groupArray(concat(partner_id, ' ', name, ' ', tier))), ', ') AS row FROM bi.partners WHERE tenant = '"+s.Tenant+"'")
			if err == nil && (len(rows) != 1 || rows[0].Row != want) {
				err = fmt.Errorf("found %+v", rows)
			}
			return err
		})
	}
	write("partner_id,name,tier\np-1,One,gold\np-2,Two,tin\n", 2*time.Hour)
	if r, code := run("--dry-run"); code != 0 || r != (report{Rows: 2}) {
		t.Errorf("the dry run ended with %d and %+v", code, r)
	}
	for range 2 {
		if r, code := run("--key", s.ServerKey); code != 0 || r != (report{Rows: 2, Accepted: 2}) {
			t.Fatalf("the import ended with %d and %+v", code, r)
		}
		stored("p-1 One gold, p-2 Two tin")
	}
	if n, err := s.one("SELECT count() AS n FROM events FINAL WHERE type = 'partner.upserted'"); err != nil || n != 2 {
		t.Errorf("two imports of two rows are %d events (%v)", n, err)
	}
	write("partner_id,tier\np-2,silver\n", time.Hour)
	if r, code := run("--key", s.ServerKey); code != 0 || r.Accepted != 1 {
		t.Fatalf("the import ended with %d and %+v", code, r)
	}
	stored("p-1 One gold, p-2 Two silver")
	write("partner_id,joined_at\np-1,yesterday\n", 0)
	if r, code := run("--key", s.ServerKey); code != 1 || r.Wrong != 1 || r.Accepted != 0 {
		t.Errorf("a wrong file ended with %d and %+v", code, r)
	}
	s.stop()
}
