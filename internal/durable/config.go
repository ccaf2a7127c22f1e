package durable

import (
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/spool"
)

// Config tunes the way to Kafka through a spool. An empty Dir means no spool.
type Config struct {
	spool.Config `yaml:",inline"`
	// KafkaTimeout bounds a request's wait for Kafka before its records go to disk.
	KafkaTimeout time.Duration `yaml:"kafka_timeout"`
	// ReplayTimeout bounds one delivery from the spool; longer, since a broker that
	// comes back is slow at first.
	ReplayTimeout time.Duration `yaml:"replay_timeout"`
	// HandoverBytes is how little must be left in the spool, with Kafka taking it,
	// for new requests to wait up to HandoverWait for the rest to be delivered
	// instead of queueing behind it. Without that the spool would never run empty
	// under constant load.
	HandoverBytes int64         `yaml:"handover_bytes"`
	HandoverWait  time.Duration `yaml:"handover_wait"`
}

// DefaultConfig gives the defaults, without a directory.
func DefaultConfig() Config {
	return Config{
		Config: spool.DefaultConfig(), KafkaTimeout: 2 * time.Second, ReplayTimeout: 15 * time.Second,
		HandoverBytes: 1 << 20, HandoverWait: time.Second,
	}
}

// Validate checks the values; without a directory none of them matters.
func (c *Config) Validate() error {
	if c.Dir == "" {
		return nil
	}
	if c.KafkaTimeout <= 0 || c.ReplayTimeout <= 0 || c.HandoverWait <= 0 || c.HandoverBytes < 0 {
		return errors.New("spool.kafka_timeout, spool.replay_timeout and spool.handover_wait must be positive, spool.handover_bytes not negative")
	}
	if err := c.Config.Validate(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
