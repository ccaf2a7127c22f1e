package kafkabus

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// ConsumerConfig tunes a Consumer. Zero fields take the defaults.
type ConsumerConfig struct {
	Config `yaml:"-"` // where Kafka is stands elsewhere in a configuration file

	Group  string   `yaml:"group"` // consumer group id
	Topics []string `yaml:"-"`     // at least one

	// FetchBytesMin and FetchWait: the broker answers a fetch when it has this
	// many bytes or after this time. Together they trade latency (at most
	// FetchWait is added) for fewer, larger fetches. Defaults 16 KiB and 200 ms.
	FetchBytesMin int           `yaml:"fetch_bytes_min"`
	FetchWait     time.Duration `yaml:"fetch_wait"`
	// FetchBytesMax is the most compressed bytes of one fetch of one partition;
	// a single larger record batch is fetched nevertheless. Default 256 KiB: events
	// are about eight times as large once inflated, and each partition holds one fetch.
	FetchBytesMax int `yaml:"fetch_bytes_max"`
	// InFlightBytesMax bounds the uncompressed bytes handed out and not yet
	// released; fetching pauses there. One fetch per partition can come on top.
	// Default 64 MiB.
	InFlightBytesMax int64 `yaml:"in_flight_bytes_max"`

	// SessionTimeout is how long a dead member keeps its partitions. Default 10 s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// HeartbeatInterval is also how long a rebalance can go unnoticed. Default 1 s.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// RebalanceTimeout is how long members have to join again. Default 20 s.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout"`
	// DrainTimeout is how long a handler may flush and commit once Run's
	// context has ended. Default 15 s.
	DrainTimeout time.Duration `yaml:"drain_timeout"`

	// HolesExpected turns gap detection off, for compacted topics.
	HolesExpected bool `yaml:"-"`
}

// DefaultConsumerConfig gives the defaults for the given group; Config and Topics are still to be set.
func DefaultConsumerConfig(group string) ConsumerConfig {
	return ConsumerConfig{Group: group}.withDefaults()
}

func (c ConsumerConfig) withDefaults() ConsumerConfig {
	if c.FetchBytesMin <= 0 {
		c.FetchBytesMin = 16 << 10
	}
	if c.FetchWait <= 0 {
		c.FetchWait = 200 * time.Millisecond
	}
	if c.FetchBytesMax <= 0 {
		c.FetchBytesMax = 256 << 10
	}
	c.FetchBytesMin = min(c.FetchBytesMin, c.FetchBytesMax)
	if c.InFlightBytesMax <= 0 {
		c.InFlightBytesMax = 64 << 20
	}
	if c.SessionTimeout <= 0 {
		c.SessionTimeout = 10 * time.Second
	}
	if c.HeartbeatInterval <= 0 {
		c.HeartbeatInterval = time.Second
	}
	if c.RebalanceTimeout <= 0 {
		c.RebalanceTimeout = 20 * time.Second
	}
	if c.DrainTimeout <= 0 {
		c.DrainTimeout = 15 * time.Second
	}
	return c
}

// Handler works on one generation: one period in which this member owns a fixed
// set of partitions. It reads g.Batches() and commits with g.Commit, and returns
//   - soon after ctx ends: the partitions now belong to another member; what is
//     not committed will be delivered again, there;
//   - or after Batches is closed: the consumer is stopping, and what was read
//     should still be flushed and committed, before ctx ends.
//
// With ErrAgain it is called once more, with everything behind the committed offsets; what
// it holds it must have released. Any other error ends Run; whatever can pass should be
// retried inside.
type Handler func(ctx context.Context, g Generation) error

// Consumer is a member of a consumer group.
type Consumer struct {
	cfg     ConsumerConfig
	log     *zap.Logger
	metrics *consumerMetrics
}

// NewConsumer makes a consumer; Run connects it.
func NewConsumer(cfg ConsumerConfig, log *zap.Logger, reg prometheus.Registerer) *Consumer {
	return &Consumer{cfg: cfg.withDefaults(), log: log.With(zap.String("group", cfg.Group)), metrics: newConsumerMetrics(reg)}
}

// Run takes part in the group until ctx ends, then lets the handler finish
// within DrainTimeout, leaves the group and returns nil. Losing the brokers is
// not an error: it reconnects for ever. All its goroutines are gone when it
// returns. It fails on a wrong configuration and with the handler's error.
func (c *Consumer) Run(ctx context.Context, handle Handler) error {
	dialer, err := c.cfg.dialer()
	if err != nil {
		return fmt.Errorf("starting consumer group %s: %w", c.cfg.Group, err)
	}
	return c.takePart(ctx, func(gen *kafka.Generation) error { return c.serve(ctx, gen, dialer, handle) })
}
