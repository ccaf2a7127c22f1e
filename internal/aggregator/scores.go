package aggregator

import (
	"context"
	"fmt"
	"strings"
	"text/template"

	"partnerpulse/internal/chstore"
)

// scoreForm is a form of the statement that computes rows of partner_scores.
type scoreForm struct {
	Single bool   // of the partners that have one row, as of the day as_of; else of the others, which costs more for each
	Whole  bool   // of all these partners at once, else of a piece of them
	Sums   string // the part that sums up the days
}

func scoreForms() []scoreForm {
	return []scoreForm{{Single: true, Whole: true}, {Single: true}, {Whole: true}, {}}
}

// statement gives the text of the form.
func (f scoreForm) statement() (string, error) {
	f.Sums = query("scores_days")
	if f.Single {
		f.Sums = query("scores_day")
	}
	t, err := template.New("scores").Parse(query("scores"))
	if err != nil {
		return "", fmt.Errorf("parsing the statement of scores: %w", err)
	}
	var out strings.Builder
	if err := t.Execute(&out, f); err != nil {
		return "", fmt.Errorf("filling in the statement of scores: %w", err)
	}
	return out.String(), nil
}

// scoreInPieces computes the rows of the partners of a work table, some more than limit
// at a time, which bounds the store's memory. single is how many partners have one row,
// as of the parameter as_of, and rows how many rows there are in all.
func scoreInPieces(ctx context.Context, store Store, p chstore.Params, single, rows, limit uint64) error {
	for _, part := range []struct {
		single bool
		rows   uint64
	}{{true, single}, {false, rows - single}} {
		statement, err := scoreForm{Single: part.single, Whole: part.rows <= limit}.statement()
		if err != nil {
			return err
		}
		for piece := range (part.rows + limit - 1) / limit {
			if err := store.Exec(ctx, statement, with(p, chstore.Params{"rows_max": limit, "piece": piece})); err != nil {
				return fmt.Errorf("scoring: %w", err)
			}
		}
	}
	return nil
}
