package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"partnerpulse/internal/embedded/enginetest"
)

// replayReport is what `replay --json` prints.
type replayReport struct {
	Replayed, Accepted, Rejected int64
	Refused                      map[string]int64 `json:"rejected_by_code"`
}

// replay runs `partnerpulse replay` against the stack.
func (s *stack) replay(args ...string) string {
	s.t.Helper()
	all := append([]string{"replay", "--collector", s.Collector, "--key", s.ServerKey, "--clickhouse", s.ClickHouse}, args...)
	var complaints strings.Builder
	cmd := exec.CommandContext(s.t.Context(), binary, all...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("replay: %v\n%s%s", err, out, complaints.String())
	}
	return string(out)
}

// TestRefusedEventsAreReplayedAfterTheirCauseIsMended: events of a type that the tenant
// does not allow are kept, the tenant then allows it, and a replay, also a second one,
// brings each into ClickHouse once, at the time of its first arrival.
func TestRefusedEventsAreReplayedAfterTheirCauseIsMended(t *testing.T) {
	enginetest.Need(t)
	dir := t.TempDir()
	s := up(t, dir, nil)
	ids := []string{uuid.NewString(), uuid.NewString()}
	timed := fmt.Sprintf(`{"id":%q,"type":"custom.poll","time":%q,"partner_id":"p-9","user_id":"u","data":{"answer":"yes"}}`,
		ids[0], time.Now().UTC().Add(-time.Hour).Format(time.RFC3339))
	untimed := fmt.Sprintf(`{"id":%q,"type":"custom.poll","partner_id":"p-9","user_id":"u","data":{"answer":"no"}}`, ids[1])
	for _, body := range []string{timed, untimed} {
		if status, answer := s.post(s.ServerKey, body); status != 400 || !strings.Contains(answer, "unknown_type") {
			t.Fatalf("got %d %s", status, answer)
		}
	}
	await(t, time.Minute, "the rejects in ClickHouse", func() error {
		n, err := s.one("SELECT count() AS n FROM rejects FINAL WHERE code = 'unknown_type' AND tenant = '" + s.Tenant + "'")
		if err == nil && n != 2 {
			err = fmt.Errorf("found %d", n)
		}
		return err
	})
	if out := s.replay("--dry-run"); !strings.Contains(out, "unknown_type") || !strings.Contains(out, "custom.poll") {
		t.Errorf("the dry run says\n%s", out)
	}
	run := func(s *stack) (r replayReport) {
		t.Helper()
		out := s.replay("--tenant", s.Tenant, "--code", "unknown_type", "--json")
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return r
	}
	if r := run(s); r.Replayed != 2 || r.Rejected != 2 || r.Refused["unknown_type"] != 2 {
		t.Errorf("before the cause was mended, a replay gave %+v", r)
	}
	s.stop()

	again := up(t, dir, nil, "--set", "tenants."+s.Tenant+".allow_custom=true")
	for range 2 {
		if r := run(again); r.Accepted != r.Replayed || r.Replayed < 2 || r.Rejected != 0 {
			t.Errorf("the replay gave %+v", r)
		}
	}
	await(t, time.Minute, "both events in ClickHouse, once each", func() error {
		n, err := again.one("SELECT count() AS n FROM events FINAL WHERE type = 'custom.poll'")
		if err == nil && n != 2 {
			err = fmt.Errorf("found %d times", n)
		}
		return err
	})
	n, err := again.one("SELECT count() AS n FROM rejects AS r FINAL INNER JOIN (SELECT id, time FROM events FINAL) AS e ON e.id = r.event_id " +
		"WHERE r.event_id = '" + ids[1] + "' AND e.time = r.rejected_at")
	if err != nil || n < 1 {
		t.Errorf("the event without a time is not at its first arrival (%d, %v)", n, err)
	}
	again.stop()
}
