package app

import (
	"context"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/bi"
)

// NewDataPage gives what writes docs/DATA.md from the configured ClickHouse. Call end
// when it is over.
func NewDataPage(cfg Config, log *zap.Logger, reg *prometheus.Registry) (write func(context.Context, io.Writer) error, end func() error, err error) {
	if err := cfg.needEngines(false, true); err != nil {
		return nil, nil, err
	}
	store, err := newApp(cfg, log, reg).store("docs")
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, w io.Writer) error { return bi.Write(ctx, w, store, cfg.ClickHouse.BIName()) }, store.Close, nil
}
