package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/collector"
	"partnerpulse/internal/console"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/eventschema"
	"partnerpulse/internal/forget"
	"partnerpulse/internal/httpserver"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/tracker"
	"partnerpulse/schemas"
)

// app builds the roles as parts.
type app struct {
	cfg Config
	log *zap.Logger
	reg *prometheus.Registry
}

func newApp(cfg Config, log *zap.Logger, reg *prometheus.Registry) *app {
	return &app{cfg: cfg, log: log, reg: reg}
}

// registerer keeps the metrics of roles that run in one process apart.
func (a *app) registerer(role string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"role": role}, a.reg)
}

func (a *app) store(role string) (*chstore.Store, error) {
	return chstore.Open(a.cfg.ClickHouse, a.log.Named(role), a.registerer(role))
}

func (a *app) producer(role string) *kafkabus.Producer {
	return kafkabus.NewProducer(kafkabus.DefaultProducerConfig(a.cfg.Kafka.Config), a.log.Named(role), a.registerer(role))
}

// Migrate creates what is missing of topics, database and tables.
func (a *app) Migrate(ctx context.Context) error {
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		return err
	}
	store, err := a.store("migrate")
	if err != nil {
		return err
	}
	defer store.Close()
	if _, err := store.Migrate(ctx, ms); err != nil {
		return fmt.Errorf("migrating ClickHouse at %s: %w", a.cfg.ClickHouse.Addr[0], err)
	}
	if err := store.SetRetention(ctx, a.cfg.Retention.tables()); err != nil {
		return fmt.Errorf("migrating ClickHouse at %s: %w", a.cfg.ClickHouse.Addr[0], err)
	}
	if _, err := store.GrantReader(ctx); err != nil {
		// Events and scores do not need it: the operator may have to make the user.
		a.log.Warn("the read-only role for BI tools could not be made; give the configured user access management, or make it by hand (docs/DATA.md)", zap.Error(err))
	}
	return kafkabus.EnsureTopics(ctx, a.cfg.Kafka.Config, kafkabus.Topics(a.cfg.Kafka.Partitions))
}

// collector takes events on l.
func (a *app) collector(l net.Listener) (Part, error) {
	schemaSet, err := eventschema.New(schemas.Events)
	if err != nil {
		return Part{}, fmt.Errorf("compiling the event schemas: %w", err)
	}
	look, err := a.lookups()
	if err != nil {
		return Part{}, err
	}
	script, err := tracker.Script()
	if err != nil {
		return Part{}, err
	}
	out, err := a.outlet()
	if err != nil {
		return Part{}, err
	}
	known, documents, closeKnown, err := a.lrs()
	if err != nil {
		return Part{}, errors.Join(err, out.close())
	}
	c, err := collector.New(a.cfg.collector(), collector.Deps{
		Publisher: out, Keys: look.ring, Directory: look.directory, Schemas: schemaSet, TrackerJS: script, Statements: known, Documents: documents,
	}, a.log.Named("collector"), a.registerer("collector"))
	if err != nil {
		return Part{}, errors.Join(err, out.close(), closeKnown())
	}
	srv := httpserver.New(a.cfg.Collector.HTTP, l, c.Handler(), out.ready(c.Ready), a.reg, a.log.Named("collector"))
	return Part{Name: "collector", Run: func(ctx context.Context) error {
		return errors.Join(out.run(ctx, func(ctx context.Context) error { return look.run(ctx, srv.Run) }), closeKnown())
	}}, nil
}

// enricher brings events from Kafka to ClickHouse, and what was refused, too.
// reload asks to read files of reference data at once; nil: nobody asks.
func (a *app) enricher(reload <-chan struct{}) (Part, error) {
	enriching, err := a.enriching(reload)
	if err != nil {
		return Part{}, err
	}
	store, err := a.store("enricher")
	if err != nil {
		return Part{}, err
	}
	producer, guard := a.producer("enricher"), forget.NewGuard(store)
	log, reg := a.log.Named("enricher"), a.registerer("enricher")
	source := a.cfg.Enricher.ConsumerConfig
	source.Config, source.Topics = a.cfg.Kafka.Config, []string{kafkabus.TopicEvents}
	cfg := a.cfg.Enricher.Config
	cfg.AcceptedDays = a.cfg.Retention.acceptedDays()
	deps := enricher.Deps{
		Source: kafkabus.NewConsumer(source, log, reg), Store: store, Publisher: producer, Chain: enriching.chain, Guard: guard,
	}
	if store.CanStream() {
		deps.Stream = func(ctx context.Context, table string) (enricher.Stream, error) { return store.StartInsert(ctx, table) }
	}
	e := enricher.New(cfg, deps, log, reg)
	rejects := a.rejects(store, guard)
	return Part{Name: "enricher", Run: func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return enriching.run(ctx, e.Run) })
		g.Go(func() error { return rejects.Run(ctx) })
		return errors.Join(g.Wait(), producer.Close(), store.Close())
	}}, nil
}

// rejects brings what was refused to ClickHouse.
func (a *app) rejects(store *chstore.Store, guard enricher.Guard) *enricher.Rejects {
	log, reg := a.log.Named("rejects"), a.registerer("rejects")
	source := a.cfg.Enricher.Rejects
	source.Config, source.Topics = a.cfg.Kafka.Config, []string{kafkabus.TopicRejects}
	return enricher.NewRejects(a.cfg.Enricher.Config, enricher.RejectsDeps{
		Source: kafkabus.NewConsumer(source, log, reg), Store: store, Guard: guard,
	}, log, reg)
}

// aggregator derives rollups, scores and alerts.
func (a *app) aggregator() (Part, error) {
	store, err := a.store("aggregator")
	if err != nil {
		return Part{}, err
	}
	producer := a.producer("aggregator")
	log, reg := a.log.Named("aggregator"), a.registerer("aggregator")
	agg, err := aggregator.New(a.cfg.aggregator(), aggregator.Deps{Store: store, Publisher: producer, Group: a.shards(log, reg)}, log, reg)
	if err != nil {
		return Part{}, err
	}
	return Part{Name: "aggregator", Run: func(ctx context.Context) error {
		return errors.Join(agg.Run(ctx), producer.Close(), store.Close())
	}}, nil
}

// shardsRebalanceMin is the least time that aggregators are given to join again: a tick
// that is under way takes a third of takeover_after at most.
const shardsRebalanceMin = 5 * time.Second

// shards divides the tenants among all aggregators.
func (a *app) shards(log *zap.Logger, reg prometheus.Registerer) *kafkabus.Shards {
	cfg := kafkabus.DefaultConsumerConfig(a.cfg.Aggregator.Group)
	cfg.Config, cfg.Topics, cfg.SessionTimeout = a.cfg.Kafka.Config, []string{kafkabus.TopicShards}, a.cfg.Aggregator.TakeoverAfter
	cfg.HeartbeatInterval = min(cfg.HeartbeatInterval, cfg.SessionTimeout/3)
	cfg.RebalanceTimeout = max(cfg.SessionTimeout, shardsRebalanceMin)
	return kafkabus.NewShards(cfg, log, reg)
}

// console serves pages and the read API on l.
func (a *app) console(cfg console.Config, l net.Listener) (Part, error) {
	store, err := a.store("console")
	if err != nil {
		return Part{}, err
	}
	ring, err := a.cfg.commandKeys()
	if err != nil {
		return Part{}, errors.Join(err, store.Close())
	}
	c, err := console.New(cfg, console.Deps{
		Store: store, Explainer: a.explainer(cfg.Tenant, store), Alerts: a.cfg.alertDesk(store), Keys: ring,
	}, a.log.Named("console"), a.registerer("console"))
	if err != nil {
		return Part{}, err
	}
	srv := httpserver.New(a.cfg.Console.HTTP, l, c.Handler(), store.Ping, a.reg, a.log.Named("console"))
	return Part{Name: "console", Run: func(ctx context.Context) error {
		return errors.Join(srv.Run(ctx), store.Close())
	}}, nil
}
