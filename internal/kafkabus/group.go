package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

const (
	rejoinBackoff      = time.Second            // between attempts to join while the group is not reachable
	generationTimeMin  = 500 * time.Millisecond // shorter generations are slowed down, not spun through
	leaveTimeout       = 5 * time.Second        // to leave the group in good order at the end
	coordinatorTimeout = 5 * time.Second        // one request to the coordinator, joins apart
)

// takePart joins the group again and again until ctx ends, serves each generation and
// then leaves. Losing the brokers is not an error. It fails on a wrong configuration and
// with serve's error. serve returns when its generation has ended or ctx has.
func (c *Consumer) takePart(ctx context.Context, serve func(*kafka.Generation) error) error {
	dialer, err := c.cfg.dialer()
	if err != nil {
		return fmt.Errorf("joining group %s: %w", c.cfg.Group, err)
	}
	connections := newConnTracker()
	dialer.DialFunc = connections.dial
	balancer := &countingBalancer{}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: c.cfg.Group, Brokers: c.cfg.Brokers, Topics: c.cfg.Topics, Dialer: dialer,
		HeartbeatInterval: c.cfg.HeartbeatInterval, SessionTimeout: c.cfg.SessionTimeout,
		RebalanceTimeout: c.cfg.RebalanceTimeout, JoinGroupBackoff: rejoinBackoff, Timeout: coordinatorTimeout,
		GroupBalancers: []kafka.GroupBalancer{balancer}, StartOffset: kafka.FirstOffset,
		Logger: nil, ErrorLogger: debugLogger(c.log),
	})
	if err != nil {
		return fmt.Errorf("joining group %s: %w: %w", c.cfg.Group, ErrConfig, err)
	}
	defer leave(group, connections)

	failures := 0
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures++
			c.reportGroupError(err, failures)
			sleep(ctx, c.joinPause(err, failures, rand.Float64()))
			continue
		}
		failures = 0
		began := time.Now()
		if counts, ok := balancer.take(); ok {
			gen.Start(func(ctx context.Context) { c.watchPartitions(ctx, counts) })
		}
		if err := serve(gen); err != nil {
			return fmt.Errorf("working for group %s: %w", c.cfg.Group, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if rest := generationTimeMin - time.Since(began); rest > 0 {
			sleep(ctx, rest)
		}
	}
}

// reportGroupError counts each failure to join and logs the 1st, 2nd, 4th, …
func (c *Consumer) reportGroupError(err error, failures int) {
	c.metrics.errors.WithLabelValues(c.cfg.Group, "group").Inc()
	if failures&(failures-1) == 0 && !errors.Is(err, kafka.RebalanceInProgress) {
		c.log.Warn("joining the consumer group failed; trying again", zap.Int("failures", failures), zap.Error(err))
	}
}

// joinPause is how long to wait before joining again, besides rejoinBackoff; luck is in
// [0, 1). A join that timed out leaves a member behind that nobody speaks for, and a broker
// may begin to wait for it anew with every other join (kfake does). Members that took turns
// in that would never form a group: pauses that differ and grow past RebalanceTimeout let
// one wait come to its end.
func (c *Consumer) joinPause(err error, failures int, luck float64) time.Duration {
	var network net.Error
	if failures < 2 || !errors.As(err, &network) || !network.Timeout() {
		return 0
	}
	most := c.cfg.RebalanceTimeout << min(failures-2, 2) / 2 // half of it, then once, then twice
	return time.Duration(luck * float64(most))
}

// leave leaves the group, cutting the connections if that takes too long: a
// join can otherwise block for the whole rebalance timeout.
func leave(group *kafka.ConsumerGroup, connections *connTracker) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = group.Close() // always nil
	}()
	timer := time.NewTimer(leaveTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		connections.closeAll()
		<-done
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
