package aggregator

import (
	"context"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
)

func (a *Aggregator) trainingRules(_ context.Context, _ *tenant, _ chstore.Params) ([]finding, []alert.Span, error) {
	return nil, nil, nil
}
