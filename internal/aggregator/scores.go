package aggregator

import (
	"context"
	"fmt"
	"strings"

	"partnerpulse/internal/chstore"
)

// scoreStatement computes rows of partner_scores: single of the partners that have one
// row, as of the day as_of, else of the others, which costs more for each.
func scoreStatement(single bool) string {
	sums, flag := "scores_days", "0"
	if single {
		sums, flag = "scores_day", "1"
	}
	return strings.NewReplacer("{{.Single}}", flag, "{{.Sums}}", query(sums)).Replace(query("scores"))
}

// scoreInPieces computes the rows of the partners of a work table, some more than limit
// at a time, which bounds the store's memory. single is how many partners have one row,
// as of the parameter as_of, and rows how many rows there are in all.
func scoreInPieces(ctx context.Context, store Store, p chstore.Params, single, rows, limit uint64) error {
	for _, part := range []struct {
		single bool
		rows   uint64
	}{{true, single}, {false, rows - single}} {
		statement := scoreStatement(part.single)
		for piece := range (part.rows + limit - 1) / limit {
			if err := store.Exec(ctx, statement, with(p, chstore.Params{"rows_max": limit, "piece": piece})); err != nil {
				return fmt.Errorf("scoring: %w", err)
			}
		}
	}
	return nil
}
