package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// ProducerConfig tunes a Producer. Zero fields take the defaults.
type ProducerConfig struct {
	Config `yaml:"-"` // where Kafka is stands elsewhere in a configuration file

	// BatchTimeout is how long a record waits for company before it is sent;
	// it is added to the latency of a lone Publish. Default 2 ms.
	BatchTimeout time.Duration `yaml:"batch_timeout"`
	// BatchRowsMax is the most records of one partition in one request. Default 5,000.
	BatchRowsMax int `yaml:"batch_rows_max"`
	// BatchBytesMax bounds what one request has of one partition, and so one record,
	// before compression. It must stay below the broker's message.max.bytes.
	// Default 900 kB.
	BatchBytesMax int64 `yaml:"batch_bytes_max"`
	// AttemptsMax is how often a record is sent on errors that may pass. Default 5.
	AttemptsMax int `yaml:"attempts_max"`
	// WriteTimeout bounds one attempt. Default 10 s.
	WriteTimeout time.Duration `yaml:"write_timeout"`
}

// DefaultProducerConfig gives the defaults for the given brokers.
func DefaultProducerConfig(c Config) ProducerConfig {
	return ProducerConfig{Config: c}.withDefaults()
}

func (c ProducerConfig) withDefaults() ProducerConfig {
	if c.BatchTimeout <= 0 {
		c.BatchTimeout = 2 * time.Millisecond
	}
	if c.BatchRowsMax <= 0 {
		c.BatchRowsMax = 5000
	}
	if c.BatchBytesMax <= 0 {
		c.BatchBytesMax = 900_000
	}
	if c.AttemptsMax <= 0 {
		c.AttemptsMax = 5
	}
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 10 * time.Second
	}
	return c
}

// recordOverheadBytes is more than what kafka-go adds to key and value when it
// compares a record with the batch limit.
const recordOverheadBytes = 128

// ErrTooLarge is wrapped by a PublishError whose record exceeds BatchBytesMax;
// sending it again cannot help.
var ErrTooLarge = errors.New("record is larger than batch_bytes_max")

// ErrClosed is returned by Publish after Close.
var ErrClosed = errors.New("producer is closed")

// PublishError says which records of a Publish are not known to be durable.
// They may still have been written: sending them again can duplicate them.
type PublishError struct {
	Failed []int // indices into the messages of the call, ascending
	Total  int   // how many messages the call had
	Err    error // the first failure
}

// Error gives the counts and the first cause.
func (e *PublishError) Error() string {
	return fmt.Sprintf("publishing to Kafka: %d of %d records failed: %v", len(e.Failed), e.Total, e.Err)
}

// Unwrap gives the first cause.
func (e *PublishError) Unwrap() error { return e.Err }

// Producer publishes with acks from all in-sync replicas. It is safe for
// concurrent use; concurrent calls share requests.
type Producer struct {
	cfg       ProducerConfig
	log       *zap.Logger
	metrics   *producerMetrics
	openOnce  sync.Once
	closeOnce sync.Once
	openErr   error
	sender    *sender
	transport *kafka.Transport
}

// NewProducer makes a producer. It connects on first use.
func NewProducer(cfg ProducerConfig, log *zap.Logger, reg prometheus.Registerer) *Producer {
	return &Producer{cfg: cfg.withDefaults(), log: log, metrics: newProducerMetrics(reg)}
}

func (p *Producer) open() error {
	p.openOnce.Do(func() {
		if p.transport, p.openErr = p.cfg.transport(); p.openErr != nil {
			return
		}
		p.transport.MetadataTTL = layoutAge
		p.sender = newSender(p.cfg, p.transport, p.metrics.retries.Inc)
		go p.sender.run()
	})
	return p.openErr
}

// Publish writes msgs and returns nil only when every one of them is
// acknowledged by all in-sync replicas. Otherwise the error is a *PublishError.
// Records of one partition keep their order within a call. When ctx ends first,
// all records count as failed although some may still be written; the slices
// must not be reused then.
func (p *Producer) Publish(ctx context.Context, msgs ...Message) error {
	if len(msgs) == 0 {
		return nil
	}
	start := time.Now()
	err := p.publish(ctx, msgs)
	p.metrics.observe(msgs, err, time.Since(start))
	if err == nil {
		return nil
	}
	return err
}

func (p *Producer) publish(ctx context.Context, msgs []Message) *PublishError {
	if err := p.open(); err != nil {
		return allFailed(len(msgs), err)
	}
	out := msgs
	var tooLarge []int
	var origin []int // index in msgs of each record of out; nil while equal
	for i := range msgs {
		m := &msgs[i]
		if size := int64(len(m.Key) + len(m.Value) + recordOverheadBytes); size > p.cfg.BatchBytesMax {
			if tooLarge == nil {
				origin, out = indices(i), slices.Clone(msgs[:i])
			}
			tooLarge = append(tooLarge, i)
			continue
		}
		if tooLarge != nil {
			origin, out = append(origin, i), append(out, *m)
		}
	}
	var err error
	if len(out) > 0 {
		err = p.send(ctx, out)
	}
	return publishError(err, len(msgs), origin, tooLarge)
}

// Pauses between attempts, doubling.
const (
	attemptPauseMin = 50 * time.Millisecond
	attemptPauseMax = time.Second
)

// send finds the records' partitions, repeating that while it may pass, and sends them.
func (p *Producer) send(ctx context.Context, msgs []Message) error {
	pause := attemptPauseMin
	for attempt := 1; ; attempt++ {
		at, err := p.partitions(ctx, msgs)
		if err == nil {
			return p.sender.publish(ctx, msgs, at)
		}
		if attempt >= p.cfg.AttemptsMax || ctx.Err() != nil {
			return err
		}
		sleep(ctx, pause)
		pause = min(2*pause, attemptPauseMax)
	}
}

// partitions gives the partition of each record.
func (p *Producer) partitions(ctx context.Context, msgs []Message) ([]int, error) {
	at := make([]int, len(msgs))
	var l *layout
	for i := range msgs {
		if i == 0 || msgs[i].Topic != msgs[i-1].Topic {
			var err error
			if l, err = p.sender.layouts.of(ctx, msgs[i].Topic); err != nil {
				return nil, err
			}
		}
		at[i] = ownerBalancer{}.Balance(kafka.Message{Key: msgs[i].Key}, l.partitions...)
	}
	return at, nil
}

// publishError adds the records that were not sent to the answer about the others.
func publishError(err error, total int, origin, tooLarge []int) *PublishError {
	if err == nil && tooLarge == nil {
		return nil
	}
	result := &PublishError{Total: total, Failed: tooLarge}
	if tooLarge != nil {
		result.Err = fmt.Errorf("%w: record %d", ErrTooLarge, tooLarge[0])
	}
	if err == nil {
		return result
	}
	result.Err = err
	var each *PublishError
	if !errors.As(err, &each) {
		return allFailed(total, err)
	}
	result.Err = each.Err
	for _, i := range each.Failed {
		if origin != nil {
			i = origin[i]
		}
		result.Failed = append(result.Failed, i)
	}
	slices.Sort(result.Failed)
	return result
}

func allFailed(total int, err error) *PublishError {
	return &PublishError{Failed: indices(total), Total: total, Err: err}
}

// indices gives 0 … n-1.
func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Close sends what concurrent calls still wait for and closes the connections.
func (p *Producer) Close() error {
	p.openOnce.Do(func() { p.openErr = ErrClosed })
	if p.sender == nil {
		return nil
	}
	p.closeOnce.Do(p.sender.close)
	p.transport.CloseIdleConnections()
	return nil
}
