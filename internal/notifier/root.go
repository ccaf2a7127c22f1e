package notifier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
)

// Store is what the notifier needs of ClickHouse.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

// Source hands out the alert topics as a member of a consumer group.
type Source interface {
	Run(ctx context.Context, handle kafkabus.Handler) error
}

// Deps are the things that the notifier talks to.
type Deps struct {
	Store  Store
	Source Source
	Now    func() time.Time // nil: time.Now
}

// Notifier runs one member. Make it with New, start it with Run.
type Notifier struct {
	cfg     Config
	deps    Deps
	log     *zap.Logger
	metrics *metrics
	clients map[string]*http.Client // by endpoint
}

// New checks the configuration. It does no I/O.
func New(cfg Config, deps Deps, log *zap.Logger, reg prometheus.Registerer) (*Notifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("checking notifier: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	n := &Notifier{cfg: cfg, deps: deps, log: log, metrics: newMetrics(reg), clients: make(map[string]*http.Client)}
	for i := range cfg.Endpoints {
		e := &cfg.Endpoints[i]
		n.clients[e.Name] = newClient(e, cfg.Timeout)
	}
	return n, nil
}

// Topics are what the notifier reads.
func Topics() []string {
	return []string{kafkabus.TopicDrop, kafkabus.TopicTrainingLapse, kafkabus.TopicCollateral}
}

// Run works until ctx ends; an attempt under way is finished and recorded first.
func (n *Notifier) Run(ctx context.Context) error {
	defer func() {
		for _, c := range n.clients {
			c.CloseIdleConnections()
		}
	}()
	if err := n.deps.Source.Run(ctx, n.handle); err != nil {
		return fmt.Errorf("notifying: %w", err)
	}
	return nil
}

// assigned is a generation that tells its partitions.
type assigned interface {
	Assigned() []kafkabus.TopicPartition
}

// handle works on one generation: it reads, and leads if it has the partition that
// only one member can have.
func (n *Notifier) handle(ctx context.Context, g kafkabus.Generation) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	if a, ok := g.(assigned); ok && slices.Contains(a.Assigned(), kafkabus.TopicPartition{Topic: kafkabus.TopicDrop}) {
		n.metrics.lead.Set(1)
		defer n.metrics.lead.Set(0)
		group.Go(func() error { n.lead(work); return nil })
	}
	err := n.read(ctx, g)
	stop()
	return errors.Join(err, group.Wait())
}

// lead composes and sends until ctx ends.
func (n *Notifier) lead(ctx context.Context) {
	var group errgroup.Group
	group.Go(func() error {
		n.every(ctx, n.cfg.PlanInterval, "plan", n.Plan)
		return nil
	})
	for i := range n.cfg.Endpoints {
		e := &n.cfg.Endpoints[i]
		group.Go(func() error { // each for itself: a slow endpoint holds up no other
			n.every(ctx, n.cfg.SendInterval, "send", func(ctx context.Context) error { return n.send(ctx, e) })
			return nil
		})
	}
	_ = group.Wait() // always nil
}

// every repeats a step; a failure is logged, counted and made good by the next.
func (n *Notifier) every(ctx context.Context, interval time.Duration, step string, run func(context.Context) error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := run(ctx); err != nil && ctx.Err() == nil {
			n.metrics.errors.WithLabelValues(step).Inc()
			n.log.Warn("a step of the notifier failed; it will be repeated", zap.String("step", step), zap.Error(err))
		}
		timer.Reset(interval)
	}
}
