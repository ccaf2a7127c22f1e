package aggregator

import (
	"context"
	"fmt"
	"strconv"

	"partnerpulse/internal/event"
)

// hasUsedData tells the types whose data the rollups look into.
func hasUsedData(t event.Type) bool {
	return isEntity(t) || t == event.PortalLogin || t == event.SearchPerformed
}

// drop removes the work tables that say what a batch has to do: none of its statements
// finds anything to do after that.
func (a *Aggregator) drop(ctx context.Context, batch uint64) error {
	for _, table := range []string{"agg_keys", "agg_days", "agg_partners"} {
		if err := a.dropFrom(ctx, table, batch); err != nil {
			return err
		}
	}
	return nil
}

// dropFrom removes a batch from a work table.
func (a *Aggregator) dropFrom(ctx context.Context, table string, batch uint64) error {
	// A partition expression takes no parameters; batch is a number.
	if err := a.deps.Store.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION "+strconv.FormatUint(batch, 10), nil); err != nil {
		return fmt.Errorf("dropping the batch from %s: %w", table, err)
	}
	return nil
}

// clearLeft drops the work tables of batches that are over. None of this worker may be
// under way.
//
// A batch that came to a good end has no statement left in the store, and its events
// were dropped with it. A statement of one that did not may be at work yet: had it seen
// the days of its batch and then none of their events, it would take all that is stored
// for erased. So the events of such a batch stay until they have been seen here twice,
// when what it has to do has been gone for sweepInterval.
func (a *Aggregator) clearLeft(ctx context.Context, old bool) error {
	var left []struct {
		Batch  uint64 `ch:"batch_id"`
		Tenant string `ch:"tenant"`
		Events uint8  `ch:"events"`
	}
	if err := a.deps.Store.Select(ctx, &left, query("left_batches"), nil); err != nil {
		return fmt.Errorf("reading batches left behind: %w", err)
	}
	seen := make(map[uint64]bool)
	for _, l := range left {
		if !a.share.Owns(l.Tenant) {
			continue
		}
		if a.epoch == 0 {
			a.lastBatch = max(a.lastBatch, l.Batch)
		}
		switch {
		case l.Events == 0:
			if err := a.drop(ctx, l.Batch); err != nil {
				return err
			}
		case old && a.left[l.Batch]:
			if err := a.dropFrom(ctx, "agg_events", l.Batch); err != nil {
				return err
			}
		default:
			seen[l.Batch] = true
		}
	}
	if old {
		a.left = seen
	}
	return nil
}
