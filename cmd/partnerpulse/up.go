package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"partnerpulse/internal/app"
	"partnerpulse/internal/embedded/clickhouse"
	"partnerpulse/internal/embedded/kafka"
	"partnerpulse/internal/obs"
	"partnerpulse/internal/simulate"
)

type upCmd struct {
	DataDir        string `placeholder:"DIR" env:"PARTNERPULSE_DATA_DIR" help:"Where everything is kept (default: partnerpulse in the user's data directory)."`
	CollectorAddr  string `placeholder:"HOST:PORT" env:"PARTNERPULSE_COLLECTOR_ADDR" help:"Collector's address; port 0 takes a free one (default: collector.http.addr of the configuration, 127.0.0.1:8080)."`
	ClickhouseAddr string `default:"127.0.0.1:8123" env:"PARTNERPULSE_CLICKHOUSE_ADDR" help:"Embedded ClickHouse's address (HTTP), unless clickhouse.addr is configured."`
	KafkaAddr      string `default:"127.0.0.1:9092" env:"PARTNERPULSE_KAFKA_ADDR" help:"Embedded Kafka's address, unless kafka.brokers is configured."`
	ConsoleAddr    string `placeholder:"HOST:PORT" env:"PARTNERPULSE_CONSOLE_ADDR" help:"Console's address (default: console.http.addr of the configuration, 127.0.0.1:8090)."`
	ReadyFile      string `placeholder:"FILE" env:"PARTNERPULSE_READY_FILE" help:"Write addresses and keys to this file as JSON when ready."`
	Tenant         string `default:"demo" env:"PARTNERPULSE_TENANT" help:"Tenant of the keys that are made when none are configured."`

	Demo         bool   `env:"PARTNERPULSE_DEMO" help:"Load a simulated programme, then simulate it live."`
	DemoPartners int    `default:"200" env:"PARTNERPULSE_DEMO_PARTNERS" help:"Partners of the demo."`
	DemoDays     int    `default:"90" env:"PARTNERPULSE_DEMO_DAYS" help:"Days of history of the demo."`
	DemoSeed     uint64 `default:"1" env:"PARTNERPULSE_DEMO_SEED" help:"The same seed gives the same programme."`
	DemoLive     bool   `default:"true" negatable:"" env:"PARTNERPULSE_DEMO_LIVE" help:"Go on in real time after the history."`
}

// Run runs everything until a signal.
func (u *upCmd) Run(ctx context.Context, g *globals) error {
	cfg, log, err := g.start()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	if u.DataDir == "" {
		if u.DataDir, err = defaultDataDir(); err != nil {
			return err
		}
	}
	setIf(&cfg.Collector.HTTP.Addr, u.CollectorAddr)
	setIf(&cfg.Console.HTTP.Addr, u.ConsoleAddr)
	opt := app.UpOptions{DataDir: u.DataDir, Tenant: u.Tenant, Portal: "main", OnReady: u.ready}
	if len(cfg.Kafka.Brokers) == 0 {
		opt.Kafka = kafka.New(kafka.Config{
			Addr: u.KafkaAddr, DataDir: filepath.Join(u.DataDir, "kafka"), Partitions: cfg.Kafka.Partitions,
		}, log.Named("kafka"))
	}
	if len(cfg.ClickHouse.Addr) == 0 {
		opt.ClickHouse = clickhouse.New(clickhouse.Config{
			Addr: u.ClickhouseAddr, DataDir: filepath.Join(u.DataDir, "clickhouse"), LibraryPath: os.Getenv("PARTNERPULSE_LIBCHDB"),
		}, log.Named("clickhouse"))
	}
	if u.Demo {
		opt.Demo = &app.Demo{
			Partners: u.DemoPartners, Days: u.DemoDays, Seed: u.DemoSeed, Live: u.DemoLive,
			Progress: simulate.NewProgressPrinter(os.Stderr, simulate.IsTerminal(os.Stderr)),
		}
	}
	cfg.Reload = onHangup(ctx, cfg)
	return app.Up(ctx, cfg, opt, log, obs.NewRegistry())
}

// ready tells people, and scripts through the ready file, where everything is.
func (u *upCmd) ready(at app.Addresses) error {
	if u.ReadyFile != "" {
		b, err := json.MarshalIndent(at, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the ready file: %w", err)
		}
		// Renamed into place, so that a script never reads half a file.
		tmp := u.ReadyFile + ".tmp"
		if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
			return fmt.Errorf("writing the ready file (--ready-file): %w", err)
		}
		if err := os.Rename(tmp, u.ReadyFile); err != nil {
			return fmt.Errorf("writing the ready file (--ready-file): %w", err)
		}
	}
	t, err := template.New("ready").Parse(readyText)
	if err != nil {
		return err
	}
	return t.Execute(os.Stdout, struct {
		app.Addresses
		DataDir string
	}{at, u.DataDir})
}

const readyText = `
PartnerPulse is ready. Data: {{.DataDir}}. Ctrl-C stops it.

  console      {{.Console}}/
  demo portal  {{.Console}}/demo/    (its clicks become events)
  collector    {{.Collector}}    tenant {{.Tenant}}
{{if .ServerKey}}
    curl -i {{.Collector}}/v1/events -H 'Authorization: Bearer {{.ServerKey}}' \
      -d '{"id":"'$(date +%s%N)'","type":"portal.login","partner_id":"p-0001","user_id":"u-1","data":{}}'
{{end}}
  ClickHouse   {{.ClickHouse}}    database partnerpulse

    curl -s '{{.ClickHouse}}/?database=partnerpulse' --data-binary "SELECT partner_id, as_of, score, tier
      FROM partner_scores FINAL WHERE tenant = '{{.Tenant}}' ORDER BY as_of DESC, score DESC LIMIT 10 FORMAT PrettyCompact"

  Kafka        {{.Kafka}}    engagement.events.v1, engagement.rejects.v1, engagement.scores.v1, engagement.drop.v1

    kcat -b {{.Kafka}} -t engagement.drop.v1 -C -o beginning

`

func setIf(dst *string, v string) {
	if v != "" {
		*dst = v
	}
}

func defaultDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "partnerpulse"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the home directory (or give --data-dir): %w", err)
	}
	return filepath.Join(home, ".local", "share", "partnerpulse"), nil
}
