package app

import (
	"context"
	_ "embed" // the preface
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"partnerpulse/internal/keys"
)

//go:embed metricspage.md
var metricsPreface string

// metricRow is one metric of the page.
type metricRow struct {
	name, help string
	labels     []string // besides role
}

// description reads what prometheus.Desc tells as text only.
var description = regexp.MustCompile(`^Desc\{fqName: (".*?"), help: ("(?:[^"\\]|\\.)*"),.* constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// errDescription says that a metric's description is not of the form that is known.
var errDescription = errors.New("a metric's description is not of the expected form")

// WriteMetricsPage writes docs/METRICS.md: every metric that the roles register, by role.
// The roles are made and not run; dir is for what the collector puts on disk.
func WriteMetricsPage(ctx context.Context, w io.Writer, dir string) error {
	var b strings.Builder
	b.WriteString(metricsPreface)
	for _, role := range []Role{Collector, Enricher, Aggregator, Console, Notifier} {
		rows, err := metricsOf(ctx, role, dir)
		if err != nil {
			return fmt.Errorf("listing the metrics of the %s: %w", role, err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n| metric | labels | what it is |\n|---|---|---|\n", role)
		for _, r := range rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.name, strings.Join(r.labels, ", "), strings.ReplaceAll(r.help, "|", `\|`))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the page of metrics: %w", err)
	}
	return nil
}

// metricsOf makes a role and asks its registry.
func metricsOf(ctx context.Context, role Role, dir string) ([]metricRow, error) {
	cfg := DefaultConfig()
	cfg.Kafka.Brokers, cfg.ClickHouse.Addr = []string{"127.0.0.1:9092"}, []string{"http://127.0.0.1:8123"}
	cfg.Collector.Spool.Dir, cfg.Collector.KeysFile = filepath.Join(dir, "spool"), filepath.Join(dir, "keys.yaml")
	list := "- {id: docs, tenant: docs, portal: main, kind: server, hash: " + keys.Hash("docs") + "}\n" // nobody has this key
	if err := os.WriteFile(cfg.Collector.KeysFile, []byte(list), 0o600); err != nil {                   // the file has metrics of its own
		return nil, fmt.Errorf("writing a file of keys: %w", err)
	}
	a := newApp(cfg, zap.NewNop(), prometheus.NewRegistry())
	if err := a.make(ctx, role); err != nil {
		return nil, err
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		a.reg.Describe(descriptions)
	}()
	var rows []metricRow
	var failed error
	for d := range descriptions {
		row, err := rowOf(d.String())
		if failed = errors.Join(failed, err); err == nil && !slices.ContainsFunc(rows, func(o metricRow) bool { return o.name == row.name }) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b metricRow) int { return strings.Compare(a.name, b.name) })
	return rows, failed
}

// make makes a role that will not run. Both listeners of those that have one are closed.
func (a *app) make(ctx context.Context, role Role) (err error) {
	var l net.Listener
	if role == Collector || role == Console {
		var lc net.ListenConfig
		if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		defer func() { err = errors.Join(err, l.Close()) }()
	}
	switch role {
	case Collector:
		_, err = a.collector(l)
	case Enricher:
		_, err = a.enricher(nil)
	case Aggregator:
		_, err = a.aggregator()
	case Console:
		_, err = a.console(a.cfg.Console.Config, l)
	case Notifier:
		_, err = a.notifier()
	}
	return err
}

func rowOf(text string) (metricRow, error) {
	m := description.FindStringSubmatch(text)
	if m == nil {
		return metricRow{}, fmt.Errorf("%w: %s", errDescription, text)
	}
	name, err := strconv.Unquote(m[1])
	if err != nil {
		return metricRow{}, fmt.Errorf("%w: %s", errDescription, text)
	}
	help, err := strconv.Unquote(m[2])
	if err != nil {
		return metricRow{}, fmt.Errorf("%w: %s", errDescription, text)
	}
	row := metricRow{name: name, help: help}
	for label := range strings.SplitSeq(m[4], ",") {
		if label != "" {
			row.labels = append(row.labels, "`"+label+"`")
		}
	}
	return row, nil
}
