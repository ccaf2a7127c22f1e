package aggregator_test

import (
	"context"
	"fmt"
	"testing"
)

// TestOnlyKeysAreAskedBeforeFinal: the statements let the engine ask conditions before it
// merges the versions of a row. Of conditions on the key that changes nothing; one on
// another column has to wait, or an older version would answer for a newer one.
func TestOnlyKeysAreAskedBeforeFinal(t *testing.T) {
	w := newWorld(t, places[0].tz, places[0].end)
	w.exec("SYSTEM STOP MERGES partner_daily")
	defer w.exec("SYSTEM START MERGES partner_daily")
	for ver, events := range []int{5, 0} {
		w.exec(fmt.Sprintf("INSERT INTO partner_daily (tenant, partner_id, day, events, ver) VALUES ('%s', 'p1', '2026-01-02', %d, %d)", tenantID, events, ver))
	}
	for _, key := range []string{"partner_id = 'p1'", "(partner_id, day) IN (SELECT 'p1', toDate('2026-01-02'))"} {
		for events, rows := range map[string]uint64{"events > 0": 0, "events = 0": 1} {
			var got []struct {
				N uint64 `ch:"n"`
			}
			err := w.store.Select(context.Background(), &got, fmt.Sprintf(
				`SELECT count() AS n FROM (SELECT partner_id FROM partner_daily FINAL WHERE tenant = '%s' AND %s AND %s)
				SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1`, tenantID, key, events), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].N != rows {
				t.Errorf("%s AND %s: %+v instead of %d", key, events, got, rows)
			}
		}
	}
}
