// Package app wires the roles to Kafka, ClickHouse and their listeners, and runs
// them: one role in a process, or all of them with `up`. Nothing here knows
// whether the engines are embedded.
package app

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // tenants' time zones, also where the system has none

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/collector"
	"partnerpulse/internal/config"
	"partnerpulse/internal/console"
	"partnerpulse/internal/directory"
	"partnerpulse/internal/durable"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/enrich/refdata"
	"partnerpulse/internal/enricher"
	"partnerpulse/internal/httpserver"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/keys"
)

// Config is the whole configuration: one file serves every role.
type Config struct {
	Log        LogConfig         `yaml:"log"`
	Kafka      KafkaConfig       `yaml:"kafka"`
	ClickHouse chstore.Config    `yaml:"clickhouse"`
	Keys       []keys.Key        `yaml:"keys"`
	Tenants    map[string]Tenant `yaml:"tenants"`
	Collector  CollectorConfig   `yaml:"collector"`
	Enricher   EnricherConfig    `yaml:"enricher"`
	Aggregator aggregator.Config `yaml:"aggregator"`
	Console    ConsoleConfig     `yaml:"console"`
	Notifier   NotifierConfig    `yaml:"notifier"`
	// PseudonymKeys holds, by tenant, the key that makes the pseudonyms by which users
	// are stored in ClickHouse, at least 16 bytes, see docs/PRIVACY.md. Tenants without
	// one have their user ids stored as they come. Not under tenants, where a variable
	// of the environment would replace the tenant's whole entry.
	PseudonymKeys map[string]config.Secret `yaml:"pseudonym_keys"`
	// Retention is how long tables keep their rows; migrate applies it.
	Retention RetentionConfig `yaml:"retention"`
	// Reload asks to read the collector's KeysFile at once; nil: nobody asks.
	Reload <-chan struct{} `yaml:"-"`
	// Ops is the listener of enricher and aggregator: /healthz, /readyz, /metrics.
	// An empty addr turns it off.
	Ops httpserver.Config `yaml:"ops"`
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // console, json
}

// KafkaConfig says where Kafka is and how its topics are made.
type KafkaConfig struct {
	kafkabus.Config `yaml:",inline"`
	// Partitions of the topics that grow with traffic, when migrate creates them.
	Partitions int `yaml:"partitions"`
}

// CollectorConfig is the collector and its listener.
type CollectorConfig struct {
	HTTP             httpserver.Config `yaml:"http"`
	collector.Config `yaml:",inline"`
	// Spool keeps on disk what Kafka does not take. With an empty dir there is none:
	// then events are refused while Kafka is away. `up` puts it into its data directory.
	Spool durable.Config `yaml:"spool"`
	// KeysFile holds more keys, a YAML list as under keys. It is read again when it
	// changes and on SIGHUP; a broken one leaves the keys as they were.
	KeysFile string `yaml:"keys_file"`
	// Directory bounds what is known of users and their partners.
	Directory directory.Config `yaml:"directory"`
}

// EnricherConfig is the enricher and how it reads its topic.
type EnricherConfig struct {
	kafkabus.ConsumerConfig `yaml:",inline"`
	enricher.Config         `yaml:",inline"`
	// Rejects is how the refused events are read that go into the table rejects.
	Rejects kafkabus.ConsumerConfig `yaml:"rejects"`
	// Enrichment is what is added to events, see docs/ENRICHMENT.md.
	Enrichment EnrichmentConfig `yaml:"enrichment"`
}

// validate checks what consumer and enricher must agree on. Records in flight that are not
// enough for a chunk of rows would have each batch of a backlog wait out its age.
func (c *EnricherConfig) validate() error {
	if c.HoldBytesMax > c.InFlightBytesMax/2 {
		return fmt.Errorf("hold_bytes_max %d is more than half of in_flight_bytes_max %d: fetching would pause before a batch is full; lower the first or raise the second", c.HoldBytesMax, c.InFlightBytesMax)
	}
	return nil
}

// rejectsInFlightBytesMax: rejects are few, and the enricher's memory is for events.
const rejectsInFlightBytesMax = 8 << 20

// ConsoleConfig is the console and its listener.
type ConsoleConfig struct {
	HTTP           httpserver.Config `yaml:"http"`
	console.Config `yaml:",inline"`
}

// Tenant is what differs between programmes.
type Tenant struct {
	// Timezone (IANA) bounds the tenant's days; empty is aggregator.timezone.
	Timezone string `yaml:"timezone"`
	// AllowCustom admits custom.* event types, which are stored and never scored.
	AllowCustom bool `yaml:"allow_custom"`
	// LateMax is how old an event may be on arrival; 0 is 30 days.
	LateMax time.Duration `yaml:"late_max"`
	// Model is the tenant's score model; empty is aggregator.model.
	Model aggregator.TenantModel `yaml:"model"`
}

// DefaultConfig has no brokers and no ClickHouse address: `up` then starts its own,
// and a single role asks for them.
func DefaultConfig() Config {
	c := Config{
		Log:        LogConfig{Level: "info", Format: "console"},
		Kafka:      KafkaConfig{Config: kafkabus.Config{ClientID: "partnerpulse"}, Partitions: kafkabus.PartitionsDefault},
		ClickHouse: chstore.DefaultConfig(),
		Collector:  CollectorConfig{HTTP: httpserver.DefaultConfig("127.0.0.1:8080"), Config: collector.DefaultConfig(), Spool: durable.DefaultConfig(), Directory: directory.DefaultConfig()},
		Enricher: EnricherConfig{
			ConsumerConfig: kafkabus.DefaultConsumerConfig("partnerpulse-enricher"), Config: enricher.DefaultConfig(),
			Rejects:    kafkabus.DefaultConsumerConfig("partnerpulse-rejects"),
			Enrichment: EnrichmentConfig{Config: enrich.DefaultConfig(), Reference: refdata.DefaultConfig()},
		},
		Aggregator: aggregator.DefaultConfig(),
		Console:    ConsoleConfig{HTTP: httpserver.DefaultConfig("127.0.0.1:8090"), Config: console.DefaultConfig()},
		Notifier:   DefaultNotifierConfig(),
		Ops:        httpserver.DefaultConfig(""),
		Retention:  RetentionConfig{RejectsDays: rejectsDaysDefault},
	}
	c.Enricher.Rejects.InFlightBytesMax = rejectsInFlightBytesMax
	c.ClickHouse.Addr = nil
	c.Console.Demo = false
	return c
}

// Validate checks everything that needs no engine; all mistakes are told at once.
func (c *Config) Validate() error {
	var problems []error
	add := func(section string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", section, err))
		}
	}
	if len(c.Kafka.Brokers) > 0 {
		add("kafka", c.Kafka.Validate())
	}
	if len(c.ClickHouse.Addr) > 0 {
		add("clickhouse", c.ClickHouse.Validate())
	}
	col := c.collector()
	add("collector", col.Validate())
	add("collector", c.Collector.Spool.Validate())
	agg := c.aggregator()
	add("aggregator", agg.Validate())
	add("notifier", c.Notifier.Validate())
	add("collector.directory", c.Collector.Directory.Validate())
	enrichment := c.enrichment()
	add("enricher", c.Enricher.validate())
	add("enricher.enrichment", enrichment.Validate())
	add("enricher.enrichment.directory", c.Enricher.Enrichment.Reference.Directory.Validate())
	add("retention", c.Retention.validate())
	add("keys", c.checkKeys())
	for name, t := range c.Tenants {
		_, err := t.location()
		add("tenants."+name, err)
	}
	return errors.Join(problems...)
}

// needEngines tells what a role cannot do without.
func (c *Config) needEngines(kafka, clickhouse bool) error {
	var problems []error
	if kafka && len(c.Kafka.Brokers) == 0 {
		problems = append(problems, errors.New("kafka.brokers is empty: set it in the configuration file, with PARTNERPULSE_KAFKA__BROKERS or with --set kafka.brokers=host:9092 (`partnerpulse up` brings its own broker)"))
	}
	if clickhouse && len(c.ClickHouse.Addr) == 0 {
		problems = append(problems, errors.New("clickhouse.addr is empty: set it in the configuration file, with PARTNERPULSE_CLICKHOUSE__ADDR or with --set clickhouse.addr=http://host:8123 (`partnerpulse up` brings its own engine)"))
	}
	return errors.Join(append(problems, c.Validate())...)
}

func (t Tenant) location() (*time.Location, error) {
	if t.Timezone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(t.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone %q is not an IANA zone such as Europe/Berlin: %w", t.Timezone, err)
	}
	return loc, nil
}

// collector gives the collector's configuration with the tenants' part.
func (c *Config) collector() collector.Config {
	out := c.Collector.Config
	out.Tenants = make(map[string]collector.Tenant, len(c.Tenants))
	for name, t := range c.Tenants {
		out.Tenants[name] = collector.Tenant{AllowCustom: t.AllowCustom, LateMax: t.LateMax}
	}
	return out
}

// aggregator gives the aggregator's configuration with the tenants' part.
func (c *Config) aggregator() aggregator.Config {
	out := c.Aggregator
	out.Tenants = nil
	for _, name := range slices.Sorted(maps.Keys(c.Tenants)) {
		t := c.Tenants[name]
		if t.Timezone != "" || t.Model.Active != "" || !t.Model.IsZero() {
			out.Tenants = append(out.Tenants, aggregator.Tenant{ID: name, Timezone: t.Timezone, Model: t.Model})
		}
	}
	return out
}
