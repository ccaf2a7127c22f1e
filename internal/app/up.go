package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/config"
	"partnerpulse/internal/httpserver"
)

// Engine is an embedded Kafka or ClickHouse.
type Engine interface {
	// Run serves until ctx ends.
	Run(ctx context.Context) error
	// Ready is closed when clients can connect and Addr is known.
	Ready() <-chan struct{}
	// Addr is the bound host:port.
	Addr() string
}

// UpOptions are what `up` is given besides the configuration.
type UpOptions struct {
	// Kafka and ClickHouse are started when given; nil uses what is configured.
	Kafka, ClickHouse Engine
	// DataDir holds the keys and the state of the demo.
	DataDir string
	// Tenant and Portal of the keys that are made when none are configured.
	Tenant, Portal string
	// Demo loads a simulated programme and goes on live; nil: no demo.
	Demo *Demo
	// OnReady is called once, when everything runs and the demo's history is loaded.
	OnReady func(Addresses) error
}

// Addresses say where things are, once they are there.
type Addresses struct {
	Collector  string `json:"collector"`  // URL
	ClickHouse string `json:"clickhouse"` // URL
	Kafka      string `json:"kafka"`      // host:port
	Console    string `json:"console"`    // URL
	ServerKey  string `json:"server_key"`
	BrowserKey string `json:"browser_key"`
	Tenant     string `json:"tenant"`
}

// Up runs every role in this process until ctx ends or one of them fails, and
// stops them in reverse order of their start.
func Up(ctx context.Context, cfg Config, opt UpOptions, log *zap.Logger, reg *prometheus.Registry) error {
	u := &upper{cfg: cfg, opt: opt, log: log, reg: reg, parts: newParts(log)}
	err := u.run(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil
	}
	log.Info("stopping")
	return errors.Join(err, u.parts.stop())
}

// upper is one run of Up.
type upper struct {
	cfg   Config
	opt   UpOptions
	log   *zap.Logger
	reg   *prometheus.Registry
	parts *parts
	at    Addresses
}

func (u *upper) run(ctx context.Context) error {
	if err := os.MkdirAll(u.opt.DataDir, 0o700); err != nil {
		return fmt.Errorf("creating the data directory (--data-dir): %w", err)
	}
	if err := u.keys(); err != nil {
		return err
	}
	if u.cfg.Collector.Spool.Dir == "" {
		u.cfg.Collector.Spool.Dir = filepath.Join(u.opt.DataDir, "spool")
	}
	if err := u.cfg.Validate(); err != nil {
		return err
	}
	// The listeners are bound first, so that a busy port is told at once.
	a := newApp(u.cfg, u.log, u.reg)
	collectorServer, err := httpserver.Listen(ctx, u.cfg.Collector.HTTP.Addr, "--collector-addr")
	if err != nil {
		return err
	}
	consoleServer, err := httpserver.Listen(ctx, u.cfg.Console.HTTP.Addr, "--console-addr")
	if err != nil {
		return errors.Join(err, collectorServer.Close())
	}
	u.at.Collector, u.at.Console = httpURL(collectorServer.Addr().String()), httpURL(consoleServer.Addr().String())
	if err := u.engines(ctx); err != nil {
		return errors.Join(err, collectorServer.Close(), consoleServer.Close())
	}
	a.cfg = u.cfg
	if err := a.Migrate(ctx); err != nil {
		return errors.Join(err, collectorServer.Close(), consoleServer.Close())
	}
	if err := u.roles(ctx, a, collectorServer, consoleServer); err != nil {
		return err
	}
	return u.serve(ctx)
}

// keys makes keys when none are configured.
func (u *upper) keys() error {
	configured, err := u.cfg.allKeys()
	if err != nil {
		return err
	}
	if len(configured) > 0 || u.cfg.Collector.KeysFile != "" {
		if len(configured) > 0 {
			u.at.Tenant = configured[0].Tenant
		}
		return nil
	}
	local, err := EnsureLocalKeys(u.opt.DataDir, u.opt.Tenant, u.opt.Portal)
	if err != nil {
		return err
	}
	u.cfg.Keys = local.Keys()
	u.at.ServerKey, u.at.BrowserKey, u.at.Tenant = local.ServerKey, local.BrowserKey, local.Tenant
	return nil
}

// engines starts the embedded ones and notes where all are.
func (u *upper) engines(ctx context.Context) error {
	if u.opt.Kafka != nil {
		if err := u.parts.start(ctx, Part{Name: "embedded Kafka", Run: u.opt.Kafka.Run, Ready: u.opt.Kafka.Ready()}); err != nil {
			return err
		}
		u.cfg.Kafka.Brokers = config.List{u.opt.Kafka.Addr()}
	}
	if u.opt.ClickHouse != nil {
		if err := u.parts.start(ctx, Part{Name: "embedded ClickHouse", Run: u.opt.ClickHouse.Run, Ready: u.opt.ClickHouse.Ready()}); err != nil {
			return err
		}
		u.cfg.ClickHouse.Addr = config.List{httpURL(u.opt.ClickHouse.Addr())}
	}
	u.at.Kafka, u.at.ClickHouse = u.cfg.Kafka.Brokers[0], u.cfg.ClickHouse.Addr[0]
	return nil
}

// roles starts what works on events, from the store towards the way in, so that
// nothing is taken before it can be worked off.
func (u *upper) roles(ctx context.Context, a *app, collectorServer, consoleServer net.Listener) error {
	con := u.cfg.Console.Config
	con.Tenant, con.CollectorURL, con.BrowserKey = u.at.Tenant, u.at.Collector, u.at.BrowserKey
	con.ClickHouseAddr, con.KafkaAddr, con.Demo = u.at.ClickHouse, u.at.Kafka, u.at.BrowserKey != ""
	builders := []func() (Part, error){
		a.aggregator,
		func() (Part, error) { return a.enricher(nil) }, // the collector listens to SIGHUP; files are looked at now and then
		func() (Part, error) { return a.console(con, consoleServer) },
		func() (Part, error) { return a.collector(collectorServer) },
	}
	if len(u.cfg.Notifier.Endpoints) > 0 {
		builders = append([]func() (Part, error){a.notifier}, builders...)
	}
	for _, build := range builders {
		p, err := build()
		if err != nil {
			return err
		}
		if err := u.parts.start(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// serve loads the demo, tells that all is ready, and waits for the end.
func (u *upper) serve(ctx context.Context) error {
	if u.opt.Demo != nil {
		p, loaded := u.opt.Demo.part(u.at, u.opt.DataDir, u.log)
		p.Ready = loaded
		if err := u.parts.start(ctx, p); err != nil {
			return err
		}
	}
	if u.opt.OnReady != nil {
		if err := u.opt.OnReady(u.at); err != nil {
			return err
		}
	}
	return u.parts.wait(ctx)
}

func httpURL(hostport string) string { return (&url.URL{Scheme: "http", Host: hostport}).String() }
