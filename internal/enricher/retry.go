package enricher

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// retrier repeats what the store or the broker did not take.
type retrier struct {
	cfg     Config
	log     *zap.Logger
	retries *prometheus.CounterVec // by stage
}

// retry repeats do until it succeeds or ctx ends, with growing, jittered pauses.
// It reports the 1st, 2nd, 4th, … failure.
func (r retrier) retry(ctx context.Context, what string, do func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = r.cfg.RetryMin, r.cfg.RetryMax
	for failures := 1; ; failures++ {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		err := do()
		if err == nil {
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		r.retries.WithLabelValues(what).Inc()
		if failures&(failures-1) == 0 {
			r.log.Warn("store or broker unavailable; fetching waits, nothing is lost", zap.String("stage", what),
				zap.Int("failures", failures), zap.Error(err))
		}
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}
