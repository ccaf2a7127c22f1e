package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/schemas"
)

// Finding is the outcome of one check of the doctor.
type Finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`         // what was seen
	Mend   string `json:"mend,omitempty"` // what to do about it
}

// found makes a finding of err: nil is good and shows detail.
func found(check, detail string, err error, mend string) Finding {
	if err != nil {
		return Finding{Check: check, Detail: err.Error(), Mend: mend}
	}
	return Finding{Check: check, OK: true, Detail: detail}
}

// doctorTimeout bounds each check that goes over the network.
const doctorTimeout = 10 * time.Second

// Diagnose checks the configuration, the engines that it names, and dataDir.
func Diagnose(ctx context.Context, cfg Config, dataDir string, log *zap.Logger) []Finding {
	out := []Finding{
		found("configuration", "valid", cfg.Validate(), "see `partnerpulse config show` for all keys"),
		found("data directory", dataDir, writable(dataDir), "choose another with --data-dir, or make it writable"),
	}
	if dir := cfg.Collector.Spool.Dir; dir != "" {
		out = append(out, found("spool", dir, writable(dir), "choose another collector.spool.dir, or make it writable"))
	}
	if len(cfg.Kafka.Brokers) == 0 {
		out = append(out, Finding{Check: "Kafka", OK: true, Detail: "not configured: `up` starts an embedded one"})
	} else {
		out = append(out, diagnoseKafka(ctx, cfg))
	}
	if len(cfg.ClickHouse.Addr) == 0 {
		out = append(out, Finding{Check: "ClickHouse", OK: true, Detail: "not configured: `up` starts an embedded one"})
	} else {
		out = append(out, diagnoseClickHouse(ctx, cfg, log)...)
	}
	return out
}

func diagnoseKafka(ctx context.Context, cfg Config) Finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	return found("Kafka", fmt.Sprintf("reached at %v", cfg.Kafka.Brokers), kafkabus.Ping(ctx, cfg.Kafka.Config),
		"check kafka.brokers, kafka.tls and kafka.sasl, and that the broker runs")
}

func diagnoseClickHouse(ctx context.Context, cfg Config, log *zap.Logger) []Finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	store, err := chstore.Open(cfg.ClickHouse, log, prometheus.NewRegistry())
	if err != nil {
		return []Finding{found("ClickHouse", "", err, "mend the clickhouse section of the configuration")}
	}
	defer store.Close()
	err = store.Ping(ctx)
	if chstore.IsUnknownDatabase(err) {
		return []Finding{found("ClickHouse", "", err, "run `partnerpulse migrate`")}
	}
	out := []Finding{found("ClickHouse", fmt.Sprintf("reached at %v", cfg.ClickHouse.Addr), err,
		"check clickhouse.addr, username and password, and that the server runs")}
	if err != nil {
		return out
	}
	return append(out, found("tables", "all migrations are applied", unapplied(ctx, store), "run `partnerpulse migrate`"))
}

// unapplied tells which migrations are missing in store.
func unapplied(ctx context.Context, store *chstore.Store) error {
	ms, err := chstore.Migrations(schemas.ClickHouse, "clickhouse")
	if err != nil {
		return err
	}
	missing, err := store.Unapplied(ctx, ms)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d of %d migrations are not applied, the first is %s", len(missing), len(ms), missing[0].Name)
	}
	return nil
}

// writable tells whether files can be made in dir or, if it does not exist yet, in
// the nearest directory above that does.
func writable(dir string) error {
	for {
		_, err := os.Stat(dir)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("looking at the data directory: %w", err)
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".partnerpulse-doctor-*")
	if err != nil {
		return fmt.Errorf("writing to the data directory: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
