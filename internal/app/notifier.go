package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/alertdesk"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/notifier"
)

// NotifierConfig is the notifier and how it reads its topics.
type NotifierConfig struct {
	kafkabus.ConsumerConfig `yaml:",inline"`
	notifier.Config         `yaml:",inline"`
}

// DefaultNotifierConfig has no endpoints.
func DefaultNotifierConfig() NotifierConfig {
	c := NotifierConfig{ConsumerConfig: kafkabus.DefaultConsumerConfig("partnerpulse-notifier"), Config: notifier.DefaultConfig()}
	c.InFlightBytesMax = rejectsInFlightBytesMax // alerts are few
	return c
}

// notifier tells people through webhooks.
func (a *app) notifier() (Part, error) {
	store, err := a.store("notifier")
	if err != nil {
		return Part{}, err
	}
	log, reg := a.log.Named("notifier"), a.registerer("notifier")
	source := a.cfg.Notifier.ConsumerConfig
	source.Config, source.Topics = a.cfg.Kafka.Config, notifier.Topics()
	n, err := notifier.New(a.cfg.Notifier.Config, notifier.Deps{Store: store, Source: kafkabus.NewConsumer(source, log, reg)}, log, reg)
	if err != nil {
		return Part{}, errors.Join(err, store.Close())
	}
	return Part{Name: "notifier", Run: func(ctx context.Context) error {
		return errors.Join(n.Run(ctx), store.Close())
	}}, nil
}

// alertDesk gives the desk on a store.
func (c *Config) alertDesk(store *chstore.Store) *alertdesk.Desk {
	return alertdesk.New(store, c.zone, nil)
}

// zone is the time zone of a tenant's days; Validate has loaded it before.
func (c *Config) zone(tenant string) *time.Location {
	name := c.Tenants[tenant].Timezone
	if name == "" {
		name = c.Aggregator.Timezone
	}
	if loc, err := time.LoadLocation(name); err == nil {
		return loc
	}
	return time.UTC
}

// commandKeys are the keys that may give commands.
func (c *Config) commandKeys() (*keys.Ring, error) {
	ks, err := c.allKeys()
	if err != nil {
		return nil, err
	}
	return keys.NewRing(ks)
}

// OpenAlertDesk opens the desk of the configured ClickHouse. Call end when done.
func OpenAlertDesk(cfg Config, log *zap.Logger, reg *prometheus.Registry) (desk *alertdesk.Desk, end func() error, err error) {
	store, err := openStore(cfg, "alerts", log, reg)
	if err != nil {
		return nil, nil, err
	}
	return cfg.alertDesk(store), store.Close, nil
}

// OpenDeadLetters opens what the notifier keeps of messages. Call end when done.
func OpenDeadLetters(cfg Config, log *zap.Logger, reg *prometheus.Registry) (store *chstore.Store, end func() error, err error) {
	store, err = openStore(cfg, "notifier", log, reg)
	if err != nil {
		return nil, nil, err
	}
	return store, store.Close, nil
}

func openStore(cfg Config, name string, log *zap.Logger, reg *prometheus.Registry) (*chstore.Store, error) {
	if err := cfg.needEngines(false, true); err != nil {
		return nil, err
	}
	store, err := newApp(cfg, log, reg).store(name)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	return store, nil
}
