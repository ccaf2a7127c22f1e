package console

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config says what the console shows and where its pages send events.
type Config struct {
	// Tenant whose programme is shown.
	Tenant string `yaml:"tenant"`
	// CollectorURL is the collector's base address as a browser reaches it, such as
	// http://127.0.0.1:8080. The demo portal includes its /tracker.js.
	CollectorURL string `yaml:"collector_url"`
	// BrowserKey is the public key that the demo portal sends events with.
	BrowserKey string `yaml:"browser_key"`
	// ClickHouseAddr and KafkaAddr are only shown; empty ones are left out.
	ClickHouseAddr string `yaml:"clickhouse_addr"`
	KafkaAddr      string `yaml:"kafka_addr"`
	// Demo serves the demo portal below /demo/.
	Demo bool `yaml:"demo"`
	// RowsMax and AlertsMax bound the tables of the overview.
	RowsMax   int `yaml:"rows_max"`
	AlertsMax int `yaml:"alerts_max"`
	// QueryTimeout bounds the queries of one request.
	QueryTimeout time.Duration `yaml:"query_timeout"`
}

// DefaultConfig shows the demo tenant's first 500 partners and 20 alerts.
func DefaultConfig() Config {
	return Config{Tenant: "demo", Demo: true, RowsMax: 500, AlertsMax: 20, QueryTimeout: 10 * time.Second}
}

// validate gives the origin of the collector, for the content security policy.
func (c *Config) validate() (origin string, err error) {
	switch {
	case c.Tenant == "":
		return "", errors.New("console: tenant is empty")
	case c.RowsMax < 1 || c.AlertsMax < 1 || c.QueryTimeout <= 0:
		return "", errors.New("console: rows_max, alerts_max and query_timeout must be positive")
	case !c.Demo:
		return "", nil
	case c.BrowserKey == "":
		return "", errors.New("console: the demo portal needs browser_key")
	}
	u, err := url.Parse(c.CollectorURL)
	if err != nil {
		return "", fmt.Errorf("console: collector_url: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("console: collector_url %q is not an http address", c.CollectorURL)
	}
	return u.Scheme + "://" + u.Host, nil
}
