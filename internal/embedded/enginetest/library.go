package enginetest

import (
	"os"
	"testing"

	"partnerpulse/internal/embedded/clickhouse/chdb"
)

// Need skips the test where libchdb is not installed, saying what to run; with
// REQUIRE_SERVICES=1 it fails. It is for tests whose processes start engines of their own.
func Need(t testing.TB) {
	t.Helper()
	if _, err := chdb.Locate(os.Getenv("PARTNERPULSE_LIBCHDB")); err != nil {
		Missing(t, err)
	}
}

// Missing ends a test that lacks a service: a failure where services are mandatory.
func Missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("REQUIRE_SERVICES") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}
