// Package durable publishes to Kafka, and to a spool on disk while Kafka does not
// take records: a Publish that returned nil is durable in one of the two.
//
// Order: while records wait in the spool, new ones go behind them, so records of
// one key that were acknowledged one after another reach Kafka in that order. A
// record whose acknowledgement timed out may be written twice, and its first copy
// may come late; readers count by the event's id.
package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/spool"
)

// Kafka makes records durable in Kafka; a *kafkabus.PublishError tells which are not.
type Kafka interface {
	Publish(ctx context.Context, msgs ...kafkabus.Message) error
}

// Publisher is Kafka with a spool.
type Publisher struct {
	cfg     Config
	kafka   Kafka
	spool   *spool.Spool
	log     *zap.Logger
	breaker breaker
	metrics metrics
}

type metrics struct {
	published *prometheus.CounterVec
	failures  prometheus.Counter
	waited    prometheus.Counter
}

// New makes a publisher; Run delivers what the spool holds.
func New(cfg Config, kafka Kafka, s *spool.Spool, log *zap.Logger, reg prometheus.Registerer) *Publisher {
	p := &Publisher{cfg: cfg, kafka: kafka, spool: s, log: log}
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "partnerpulse_durable_breaker_state",
		Help: "0: records go to Kafka; 1: the spool is being delivered; 2: Kafka does not take records, they go to disk.",
	}, func() float64 { return float64(p.breaker.state(!p.spool.Empty())) })
	p.metrics = metrics{
		published: f.NewCounterVec(prometheus.CounterOpts{
			Name: "partnerpulse_durable_records_total", Help: "Records made durable, by where (kafka, spool).",
		}, []string{"where"}),
		failures: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_durable_kafka_failures_total", Help: "Requests whose records Kafka did not acknowledge in time.",
		}),
		waited: f.NewCounter(prometheus.CounterOpts{
			Name: "partnerpulse_durable_handover_waits_total", Help: "Requests that waited for the end of the spool.",
		}),
	}
	return p
}

// Publish returns nil when every record is durable, in Kafka or on disk.
func (p *Publisher) Publish(ctx context.Context, msgs ...kafkabus.Message) error {
	if p.direct(ctx) {
		rest, err := p.try(ctx, msgs)
		if len(rest) == 0 {
			return err
		}
		msgs = rest
	}
	records := make([]spool.Record, len(msgs))
	for i, m := range msgs {
		records[i] = spool.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
	}
	if err := p.spool.Append(ctx, records...); err != nil {
		return fmt.Errorf("spooling while Kafka does not take records: %w", err)
	}
	p.metrics.published.WithLabelValues("spool").Add(float64(len(records)))
	return nil
}

// direct tells whether a request may go to Kafka. Close to the end of the spool it
// waits for that end.
func (p *Publisher) direct(ctx context.Context) bool {
	st := p.spool.Stats()
	switch p.breaker.state(st.Records > 0) {
	case closed:
		return true
	case open:
		return false
	case halfOpen:
	}
	if st.Backlog > p.cfg.HandoverBytes {
		return false
	}
	p.metrics.waited.Inc()
	t := time.NewTimer(p.cfg.HandoverWait)
	defer t.Stop()
	select {
	case <-p.spool.Drained():
	case <-t.C: // the next ones shall not wait as well, unless a delivery succeeds first
		p.breaker.note(false)
		return false
	case <-ctx.Done():
	}
	return p.breaker.state(!p.spool.Empty()) == closed
}

// try sends to Kafka and gives what it did not acknowledge. An error without a
// rest is one that repetition cannot mend.
func (p *Publisher) try(ctx context.Context, msgs []kafkabus.Message) (rest []kafkabus.Message, err error) {
	short, cancel := context.WithTimeout(ctx, p.cfg.KafkaTimeout)
	defer cancel()
	err = p.kafka.Publish(short, msgs...)
	if errors.Is(err, kafkabus.ErrTooLarge) {
		return nil, err
	}
	p.breaker.note(err == nil)
	if err == nil {
		p.metrics.published.WithLabelValues("kafka").Add(float64(len(msgs)))
		return nil, nil
	}
	p.metrics.failures.Inc()
	p.log.Debug("Kafka did not acknowledge, using the spool", zap.Error(err))
	var each *kafkabus.PublishError
	if !errors.As(err, &each) {
		return msgs, nil
	}
	for _, i := range each.Failed {
		rest = append(rest, msgs[i])
	}
	p.metrics.published.WithLabelValues("kafka").Add(float64(len(msgs) - len(rest)))
	return rest, nil
}

// Run delivers what the spool holds until ctx ends.
func (p *Publisher) Run(ctx context.Context) error { return p.spool.Run(ctx, p.deliver) }

// Ready fails when the spool is nearly full, or cannot be read.
func (p *Publisher) Ready(ctx context.Context) error { return p.spool.Ready(ctx) }

// deliver is one attempt of the spool.
func (p *Publisher) deliver(ctx context.Context, records []spool.Record) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReplayTimeout)
	defer cancel()
	msgs := make([]kafkabus.Message, len(records))
	for i, r := range records {
		msgs[i] = kafkabus.Message{Topic: r.Topic, Key: r.Key, Value: r.Value}
	}
	err := p.kafka.Publish(ctx, msgs...)
	var each *kafkabus.PublishError
	if errors.As(err, &each) && errors.Is(err, kafkabus.ErrTooLarge) {
		err = p.oversized(records, each)
	}
	p.breaker.note(err == nil)
	return err
}

// oversized sets records aside that the producer will never take, so that they do
// not hold up all others. The collector's limits leave no room for such records;
// a producer's limit that was lowered after they were spooled does.
func (p *Publisher) oversized(records []spool.Record, refused *kafkabus.PublishError) error {
	kept := make([]spool.Record, 0, len(refused.Failed))
	for _, i := range refused.Failed {
		kept = append(kept, records[i])
	}
	path, err := p.spool.SetAside(kept)
	if err != nil {
		return fmt.Errorf("setting aside what is too large for Kafka: %w", err)
	}
	p.log.Error("records are too large for Kafka and were set aside", zap.Int("records", len(kept)), zap.String("file", path))
	return nil
}
