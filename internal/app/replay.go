package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/replay"
)

// NewReplay makes a replay of what the configured ClickHouse keeps of refused events.
// Call end when it is over.
func NewReplay(cfg Config, rc replay.Config, progress func(replay.Progress), log *zap.Logger, reg *prometheus.Registry) (r *replay.Replay, end func() error, err error) {
	if err := cfg.needEngines(false, true); err != nil {
		return nil, nil, err
	}
	store, err := newApp(cfg, log, reg).store("replay")
	if err != nil {
		return nil, nil, err
	}
	r, err = replay.New(rc, replay.Deps{Store: store, Progress: progress, Forgotten: forgottenNow(store)}, log.Named("replay"))
	if err != nil {
		_ = store.Close() // nothing was asked of it
		return nil, nil, err
	}
	return r, store.Close, nil
}
