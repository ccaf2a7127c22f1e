package app

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"partnerpulse/internal/config"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/spool"
)

func outletApp(t *testing.T, dir string) *app {
	cfg := DefaultConfig()
	cfg.Kafka.Brokers = config.List{"127.0.0.1:1"} // nobody listens there
	cfg.Collector.Spool.Dir = dir
	return newApp(cfg, zaptest.NewLogger(t), prometheus.NewRegistry())
}

// TestWithoutKafkaRecordsStayOnDiskOverAStop: an outlet that is stopped while Kafka
// is away leaves its records to the next one, and its directory is free again.
func TestWithoutKafkaRecordsStayOnDiskOverAStop(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := filepath.Join(t.TempDir(), "spool")
	always := func(context.Context) error { return nil }
	first, err := outletApp(t, dir).outlet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outletApp(t, dir).outlet(); !errors.Is(err, spool.ErrLocked) || !strings.Contains(err.Error(), "collector.spool.dir") {
		t.Errorf("a second collector on the directory got %v", err)
	}
	err = first.run(t.Context(), func(ctx context.Context) error {
		if err := first.ready(always)(ctx); err != nil {
			t.Errorf("not ready with an empty spool: %v", err)
		}
		for range 3 {
			if err := first.Publish(ctx, kafkabus.Message{Topic: kafkabus.TopicEvents, Key: []byte("acme/p-1"), Value: []byte("{}")}); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := outletApp(t, dir)
	a.cfg.Collector.Spool.BytesSoft = 1
	again, err := a.outlet()
	if err != nil {
		t.Fatal(err)
	}
	if n := again.spool.Stats().Records; n != 3 {
		t.Errorf("%d records are left, want 3", n)
	}
	if err := again.ready(always)(t.Context()); err == nil || !strings.Contains(err.Error(), "3 records") {
		t.Errorf("over the soft limit readiness is %v", err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}
