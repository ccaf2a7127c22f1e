package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/collector"
	"partnerpulse/internal/durable"
	"partnerpulse/internal/httpserver"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/spool"
)

// outlet is how the collector's records become durable: in Kafka, or in Kafka and
// a spool on disk.
type outlet struct {
	collector.Publisher
	producer *kafkabus.Producer
	durable  *durable.Publisher // nil without a spool
	spool    *spool.Spool       // nil without a spool
}

// Limits of the producer beside a spool, which repeats what fails. They keep small
// what the producer still holds of requests that have gone to disk, and the time
// that it takes to stop while Kafka is frozen.
const (
	spooledAttemptsMax     = 2
	spooledWriteTimeoutMin = 5 * time.Second
)

// outlet opens the spool, if one is configured.
func (a *app) outlet() (*outlet, error) {
	const role = "collector"
	cfg := a.cfg.Collector.Spool
	if cfg.Dir == "" {
		p := a.producer(role)
		return &outlet{Publisher: p, producer: p}, nil
	}
	log, reg := a.log.Named(role), a.registerer(role)
	s, err := spool.Open(cfg.Config, log, reg)
	if err != nil {
		return nil, fmt.Errorf("opening the spool (collector.spool.dir): %w", err)
	}
	pc := kafkabus.DefaultProducerConfig(a.cfg.Kafka.Config)
	pc.AttemptsMax, pc.WriteTimeout = spooledAttemptsMax, max(spooledWriteTimeoutMin, cfg.KafkaTimeout)
	p := kafkabus.NewProducer(pc, log, reg)
	d := durable.New(cfg, p, s, log, reg)
	return &outlet{Publisher: d, producer: p, durable: d, spool: s}, nil
}

// ready fails when role does, or when the spool is nearly full.
func (o *outlet) ready(role httpserver.Check) httpserver.Check {
	if o.durable == nil {
		return role
	}
	return func(ctx context.Context) error { return errors.Join(role(ctx), o.durable.Ready(ctx)) }
}

// run delivers the spool while serve runs, and closes everything when it ends.
// What is still in the spool then stays on disk for the next start.
func (o *outlet) run(ctx context.Context, serve func(context.Context) error) error {
	if o.durable == nil {
		return errors.Join(serve(ctx), o.producer.Close())
	}
	// Requests under way while serve drains may still need the spool.
	replay, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	replayed := make(chan error, 1)
	go func() { replayed <- o.durable.Run(replay) }()
	err := serve(ctx)
	stop()
	return errors.Join(err, <-replayed, o.close())
}

// close releases everything; run does so as well.
func (o *outlet) close() error {
	err := o.producer.Close()
	if o.spool != nil {
		err = errors.Join(err, o.spool.Close())
	}
	return err
}
