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
	// A batch is inserted when it has this many rows (default 50,000) or record
	// bytes (default 32 MiB), one fetch more or less, or when its first record
	// has waited this long (default 500 ms) and the insert before is done.
	FlushRowsMax  int           `yaml:"flush_rows_max"`
	FlushBytesMax int64         `yaml:"flush_bytes_max"`
	FlushAgeMax   time.Duration `yaml:"flush_age_max"`
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
		c.FlushRowsMax = 50_000
	}
	if c.FlushBytesMax <= 0 {
		c.FlushBytesMax = 32 << 20
	}
	if c.FlushAgeMax <= 0 {
		c.FlushAgeMax = 500 * time.Millisecond
	}
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
	Source    Source        // of kafkabus.TopicEvents
	Store     Store         // with the tables events and dirty_days
	Publisher Publisher     // of kafkabus.TopicRejects
	Chain     *enrich.Chain // nil: enrich.Default
	Guard     Guard         // nil: nobody is forgotten
}
