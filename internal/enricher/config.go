// Package enricher is the role between the log and the store: it reads accepted
// events from Kafka, enriches them and writes them to ClickHouse in large
// columnar batches. An offset is committed only after every event before it is
// stored and its day is marked dirty, or its refusal is published.
package enricher

import (
	"context"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/kafkabus"
)

// Config tunes the enricher. Zero fields take the defaults.
type Config struct {
	// A batch is inserted when it has this many rows (default 250,000) or record bytes
	// (default 256 MiB), one fetch more or less, or when its first record has waited this
	// long (default 500 ms), the insert before is done and no more records wait on the log
	// than are in it. FlushAgeBehindMax (default 10 s) is when it is inserted nevertheless.
	FlushRowsMax      int           `yaml:"flush_rows_max"`
	FlushBytesMax     int64         `yaml:"flush_bytes_max"`
	FlushAgeMax       time.Duration `yaml:"flush_age_max"`
	FlushAgeBehindMax time.Duration `yaml:"flush_age_behind_max"`
	// HoldRowsMax and HoldBytesMax (defaults 32,768 and 24 MiB of records) are how large a
	// chunk is, of which there are four: a batch of one is held in memory until it is
	// stored. A batch that grows beyond is sent while it is filled; where the store cannot
	// do that (its native protocol), it is inserted then. Refused records and the like end
	// a batch when there are as many.
	HoldRowsMax  int   `yaml:"hold_rows_max"`
	HoldBytesMax int64 `yaml:"hold_bytes_max"`
	// Retries while the store or Kafka is unavailable never end; the pause
	// between them grows from RetryMin (default 100 ms) to RetryMax (default 10 s).
	RetryMin time.Duration `yaml:"retry_min"`
	RetryMax time.Duration `yaml:"retry_max"`
	// AgentCacheSize is how many user agents are remembered. Default 10,000.
	AgentCacheSize int `yaml:"agent_cache_size"`
	// AcceptedDays is how old an event's day may be when it is stored; older ones
	// would make days be computed again that have begun to expire. 0: any.
	AcceptedDays int `yaml:"-"`
}

// DefaultConfig gives the defaults.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	if c.FlushRowsMax <= 0 {
		c.FlushRowsMax = 250_000
	}
	if c.FlushBytesMax <= 0 {
		c.FlushBytesMax = 256 << 20
	}
	if c.HoldRowsMax <= 0 {
		c.HoldRowsMax = 32 << 10
	}
	if c.HoldBytesMax <= 0 {
		c.HoldBytesMax = 24 << 20
	}
	if c.FlushAgeMax <= 0 {
		c.FlushAgeMax = 500 * time.Millisecond
	}
	if c.FlushAgeBehindMax <= 0 {
		c.FlushAgeBehindMax = 10 * time.Second
	}
	c.FlushAgeBehindMax = max(c.FlushAgeBehindMax, c.FlushAgeMax)
	if c.RetryMin <= 0 {
		c.RetryMin = 100 * time.Millisecond
	}
	if c.RetryMax <= 0 {
		c.RetryMax = 10 * time.Second
	}
	c.RetryMax = max(c.RetryMax, c.RetryMin)
	if c.AgentCacheSize <= 0 {
		c.AgentCacheSize = 10_000
	}
	return c
}

// Source delivers records in generations; *kafkabus.Consumer is one.
type Source interface {
	Run(ctx context.Context, handle kafkabus.Handler) error
}

// Store takes columns; *chstore.Store is one. chstore.IsRetryable tells its
// passing errors from the refusal of data.
type Store interface {
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

// Publisher writes to Kafka durably; *kafkabus.Producer is one.
type Publisher interface {
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// Deps is what the enricher works with.
type Deps struct {
	Source Source // of kafkabus.TopicEvents
	Store  Store  // with the tables events and dirty_days
	// Stream begins an insert into a table of Store; nil: it has no such inserts.
	Stream    func(ctx context.Context, table string) (Stream, error)
	Publisher Publisher     // of kafkabus.TopicRejects
	Chain     *enrich.Chain // nil: enrich.Default
	Guard     Guard         // nil: nobody is forgotten
}
