package aggregator

import (
	"context"
	"fmt"

	"partnerpulse/internal/chstore"
)

// Marked says what is to be recomputed.
type Marked struct {
	Partners uint64 `json:"partners" ch:"partners"`
	Days     uint64 `json:"days" ch:"days"` // of all partners together
}

// Mark makes an aggregator recompute everything of a tenant that rests on events of the
// UTC days from low to high, days since 1970-01-01: rollups, scores, detection. Where
// nothing was lost or changed, the same rows come out. Marking twice is harmless.
func Mark(ctx context.Context, store Store, tenant string, low, high int32) (Marked, error) {
	p := chstore.Params{"tenant": tenant, "low": date(low), "high": date(high)}
	var rows []Marked
	if err := store.Select(ctx, &rows, query("markable_days"), p); err != nil {
		return Marked{}, fmt.Errorf("counting the days to mark: %w", err)
	}
	if err := store.Exec(ctx, query("mark_days"), p); err != nil {
		return Marked{}, fmt.Errorf("marking days: %w", err)
	}
	return rows[0], nil
}
