package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/forget"
	"partnerpulse/internal/kafkabus"
)

// topicLog is Kafka as an erasure needs it.
type topicLog struct {
	*kafkabus.Producer
	cfg kafkabus.Config
}

// ReadAll hands over what a topic holds.
func (l topicLog) ReadAll(ctx context.Context, topic string, fn func(kafkabus.Record) error) error {
	return kafkabus.ReadAll(ctx, l.cfg, topic, fn)
}

// NewForgetter makes what erases from the configured Kafka and ClickHouse. Call end
// when it is over.
func NewForgetter(cfg Config, log *zap.Logger, reg *prometheus.Registry) (f *forget.Forgetter, end func() error, err error) {
	if err := cfg.needEngines(true, true); err != nil {
		return nil, nil, err
	}
	a := newApp(cfg, log, reg)
	store, err := a.store("forget")
	if err != nil {
		return nil, nil, err
	}
	producer := a.producer("forget")
	f = forget.New(forget.Deps{
		Store: store, Log: topicLog{producer, cfg.Kafka.Config}, Recomputable: cfg.Retention.recomputable(time.Now()),
	}, log.Named("forget"))
	return f, func() error { return errors.Join(producer.Close(), store.Close()) }, nil
}

// Pseudonym gives the pseudonym of a user, empty when the tenant has no key.
func (c *Config) Pseudonym(tenant, userID string) string {
	key := c.PseudonymKeys[tenant]
	if key.Reveal() == "" || userID == "" {
		return ""
	}
	return enrich.Pseudonym(key, userID)
}

// forgottenNow gives what tells texts that name one of the forgotten, as the list is
// when it is called.
func forgottenNow(store *chstore.Store) func(context.Context) (func(tenant, text string, received time.Time) bool, error) {
	return func(ctx context.Context) (func(tenant, text string, received time.Time) bool, error) {
		g := forget.NewGuard(store)
		if err := g.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("%w (has `partnerpulse migrate` been run?)", err)
		}
		return g.List().HoldsText, nil
	}
}
