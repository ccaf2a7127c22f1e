package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/simulate/plan"
)

// What a backlog is made of.
const (
	backlogPartners = 2000
	// backlogSpacing is the time between two events.
	backlogSpacing = 10 * time.Millisecond
	// publishEvents is how many events are published at once: with 12 partitions a
	// request to one of them holds about as many as the collector's do under load.
	publishEvents = 2000
	publishers    = 4
)

// backlog is a topic of accepted events, as the collector writes them.
type backlog struct {
	events int
	bytes  atomic.Int64 // of all values
}

// fill plans the events of visits to a portal and publishes them as accepted events.
// told hears how many are published.
func (b *backlog) fill(ctx context.Context, kafka kafkabus.Config, told func(done, total int)) (err error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	cfg := plan.DefaultConfig(plan.DayOf(now, time.UTC))
	cfg.Partners = backlogPartners
	world, err := plan.New(cfg)
	if err != nil {
		return fmt.Errorf("planning events: %w", err)
	}
	producer := kafkabus.NewProducer(kafkabus.DefaultProducerConfig(kafka), zap.NewNop(), obs.NewRegistry())
	defer func() { _ = producer.Close() }() // everything published is acknowledged
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(publishers)
	first, done := now.Add(-time.Duration(b.events)*backlogSpacing), 0
	msgs := make([]kafkabus.Message, 0, publishEvents)
	for e := range world.Load(1) {
		e.Time = first.Add(time.Duration(done) * backlogSpacing)
		m, err := accepted(e)
		if err != nil {
			return err
		}
		b.bytes.Add(int64(len(m.Value)))
		msgs = append(msgs, m)
		done++
		if len(msgs) == publishEvents || done == b.events {
			chunk := msgs
			g.Go(func() error { return producer.Publish(ctx, chunk...) })
			msgs = make([]kafkabus.Message, 0, publishEvents)
			told(done, b.events)
		}
		if done == b.events || ctx.Err() != nil {
			break
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	return nil
}

// accepted stamps an event as the collector does.
func accepted(e *event.Event) (kafkabus.Message, error) {
	e.Tenant, e.Portal, e.Source, e.KeyID = floorTenant, "main", event.SourceTracker, "bench"
	e.ReceivedAt, e.IP = e.Time.Add(40*time.Millisecond), "203.0.113.0"
	value, err := event.MarshalCloudEvent(e)
	if err != nil {
		return kafkabus.Message{}, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	return kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte(event.Key(e.Tenant, e.PartnerID)), Value: value}, nil
}

// meanBytes is the mean size of an event on the topic.
func (b *backlog) meanBytes() int { return int(b.bytes.Load()) / b.events }
