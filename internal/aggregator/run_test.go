package aggregator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/score"
)

// TestRunRetriesAndStops: a store that is away costs nothing but time, and Run
// ends with its context.
func TestRunRetriesAndStops(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, "UTC", now)
	w.cfg.Interval, w.cfg.RetryMax = 5*time.Millisecond, 20*time.Millisecond
	w.faulty.failAt = 3
	reg := prometheus.NewRegistry()
	agg, err := aggregator.New(w.cfg, aggregator.Deps{
		Store: w.faulty, Publisher: w.bus, Now: func() time.Time { return now },
	}, zap.NewNop(), reg)
	if err != nil {
		t.Fatal(err)
	}
	w.send(visit("p", "1", now))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agg.Run(ctx) }()
	for len(w.bus.on("engagement.scores.v1")) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("no score was published")
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	w.checkScores(w.checkRollups())
	for _, name := range []string{"partnerpulse_aggregator_tick_errors_total", "partnerpulse_aggregator_last_success_timestamp_seconds"} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != 1 {
			t.Errorf("metric %s: %d, %v", name, n, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*aggregator.Config){
		"weights":   func(c *aggregator.Config) { c.Model.Activity.Weight = .5 },
		"time zone": func(c *aggregator.Config) { c.Tenants = []aggregator.Tenant{{ID: "a", Timezone: "Mars/Base"}} },
		"twice": func(c *aggregator.Config) {
			c.Tenants = []aggregator.Tenant{{ID: "a", Timezone: "UTC"}, {ID: "a", Timezone: "UTC"}}
		},
		"interval": func(c *aggregator.Config) { c.Interval = 0 },
		"detector": func(c *aggregator.Config) { c.Detect.ARL0Days = -1 },
	} {
		cfg := aggregator.DefaultConfig()
		spoil(&cfg)
		_, err := aggregator.New(cfg, aggregator.Deps{}, zap.NewNop(), prometheus.NewRegistry())
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if name == "weights" && !errors.Is(err, score.ErrModel) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
