package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/app"
	"partnerpulse/internal/bench"
	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/obs"
)

// benchServeCmd is one process of a measurement.
type benchServeCmd struct {
	Part       string `arg:"" enum:"broker,clickhouse,collector,floor,enricher,aggregator,insert"`
	DataDir    string `help:"Where an engine keeps its data."`
	Kafka      string `help:"The broker's address, for the other parts."`
	ClickHouse string `name:"clickhouse" help:"ClickHouse's address, for the other parts."`
	Group      string `help:"The enricher's consumer group."`
	Events     int    `help:"How many events the topic has."`
	CPUProfile string `name:"cpuprofile" help:"Write a CPU profile to this file."`
}

// Run serves until standard input ends.
func (b *benchServeCmd) Run(ctx context.Context, g *globals) (err error) {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if b.CPUProfile != "" {
		f, err := os.Create(b.CPUProfile)
		if err != nil {
			return fmt.Errorf("creating the CPU profile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(fmt.Errorf("profiling: %w", err), f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	if b.DataDir != "" {
		release, err := holdBenchDir(filepath.Dir(b.DataDir))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	cfg.Kafka.Brokers, cfg.ClickHouse.Addr = []string{b.Kafka}, []string{b.ClickHouse}
	return bench.Serve(ctx, os.Stdin, os.Stdout, func(ctx context.Context, ready func(bench.Address) error) error {
		switch b.Part {
		case "broker":
			return b.broker(ctx, log, ready)
		case "clickhouse":
			return b.clickhouse(ctx, log, ready)
		case "enricher":
			return b.enricher(ctx, cfg, log, ready)
		case "aggregator":
			return b.aggregator(ctx, cfg, log, ready)
		case "insert":
			return bench.InsertFloor{Kafka: cfg.Kafka.Config, ClickHouse: cfg.ClickHouse, Enricher: cfg.Enricher.Config, Events: b.Events}.Run(ctx, log, ready)
		case "floor":
			limitMemory()
			return bench.RunFloor(ctx, kafkabus.Config{Brokers: []string{b.Kafka}, ClientID: "partnerpulse-floor"}, log, ready)
		}
		return b.collector(ctx, cfg, log, ready)
	})
}

// broker serves an empty embedded broker that syncs as Apache Kafka does by default.
func (b *benchServeCmd) broker(ctx context.Context, log *zap.Logger, ready func(bench.Address) error) error {
	server := kafka.New(kafka.Config{Addr: "127.0.0.1:0", DataDir: b.DataDir, NoSync: true}, log)
	return whileRunning(ctx, server.Run, func(ctx context.Context) error {
		select {
		case <-server.Ready():
			return ready(bench.Address{Addr: server.Addr()})
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// clickhouse serves an empty embedded ClickHouse.
func (b *benchServeCmd) clickhouse(ctx context.Context, log *zap.Logger, ready func(bench.Address) error) error {
	server := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:0", DataDir: b.DataDir, LibraryPath: os.Getenv("PARTNERPULSE_LIBCHDB")}, log)
	return whileRunning(ctx, server.Run, func(ctx context.Context) error {
		select {
		case <-server.Ready():
			return ready(bench.Address{Addr: "http://" + server.Addr()})
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// enricher runs the role as `partnerpulse enricher` does, as a member of a group of its own.
func (b *benchServeCmd) enricher(ctx context.Context, cfg app.Config, log *zap.Logger, ready func(bench.Address) error) error {
	limitMemory()
	cfg.Enricher.Group, cfg.Enricher.Rejects.Group = b.Group, b.Group+"-rejects"
	role := func(ctx context.Context) error { return app.RunRole(ctx, app.Enricher, cfg, log, obs.NewRegistry()) }
	return whileRunning(ctx, role, func(context.Context) error { return ready(bench.Address{}) })
}

// collector runs the role as `partnerpulse collector` does, with a key of its own.
func (b *benchServeCmd) collector(ctx context.Context, cfg app.Config, log *zap.Logger, ready func(bench.Address) error) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	limitMemory()
	secret := keys.Generate(keys.Server)
	cfg.Collector.HTTP.Addr, cfg.ClickHouse.Addr = addr, nil
	cfg.Keys = []keys.Key{{ID: "bench", Tenant: "bench", Portal: "main", Kind: keys.Server, Hash: keys.Hash(secret)}}
	role := func(ctx context.Context) error { return app.RunRole(ctx, app.Collector, cfg, log, obs.NewRegistry()) }
	return whileRunning(ctx, role, func(ctx context.Context) error {
		if err := awaitReady(ctx, addr); err != nil {
			return err
		}
		return ready(bench.Address{Addr: addr, Key: secret})
	})
}

// aggregator runs the role as `partnerpulse aggregator` does, with its metrics on a port of its own.
func (b *benchServeCmd) aggregator(ctx context.Context, cfg app.Config, log *zap.Logger, ready func(bench.Address) error) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	limitMemory()
	cfg.Ops.Addr = addr
	role := func(ctx context.Context) error { return app.RunRole(ctx, app.Aggregator, cfg, log, obs.NewRegistry()) }
	return whileRunning(ctx, role, func(ctx context.Context) error {
		if err := awaitReady(ctx, addr); err != nil {
			return err
		}
		return ready(bench.Address{Addr: addr})
	})
}

// freeAddr gives an address of the loopback with a port that nobody uses.
func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return addr, nil
}

// whileRunning runs serve, and once does what needs it to run; it ends when serve does.
func whileRunning(ctx context.Context, serve, once func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- serve(ctx)
	}()
	err := once(ctx)
	if err != nil {
		stop()
	}
	return errors.Join(<-served, err)
}

// readyPoll is the pause between questions whether a listener is ready.
const readyPoll = 20 * time.Millisecond

// awaitReady returns when /readyz answers 200.
func awaitReady(ctx context.Context, addr string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("asking whether the collector is ready: %w", err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
	}
}
