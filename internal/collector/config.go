package collector

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"partnerpulse/internal/cloudevents"
	"partnerpulse/internal/event"
	"partnerpulse/internal/keys"
	"partnerpulse/internal/segment"
	"partnerpulse/internal/xapi"
)

// Config tunes the collector. DefaultConfig gives values that suit most sites.
type Config struct {
	// BodyBytesMax bounds a request body as sent, InflatedBytesMax after decompression.
	BodyBytesMax     int64 `yaml:"body_bytes_max"`
	InflatedBytesMax int64 `yaml:"inflated_bytes_max"`
	// BatchEventsMax bounds the events of one request.
	BatchEventsMax int `yaml:"batch_events_max"`
	// InFlightBytesMax bounds the bodies held at once, from before they are read
	// until they are answered. Memory use is about four times that, since decoded
	// events and Kafka records exist beside them.
	InFlightBytesMax int64 `yaml:"in_flight_bytes_max"`
	// PublishTimeout bounds the wait for Kafka's acknowledgement.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
	// RetryAfter is what overloaded answers ask clients to wait, rounded up to seconds.
	RetryAfter time.Duration `yaml:"retry_after"`
	// TrackerMaxAge is how long browsers may use a cached /tracker.js without asking.
	TrackerMaxAge time.Duration `yaml:"tracker_max_age"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed, such as
	// 10.0.0.0/8. Empty: the connection's address counts.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Segment says how the calls of Segment and RudderStack SDKs become events.
	Segment segment.Config `yaml:"segment"`
	// BrowserRate and ServerRate bound the events of one key, unless the key says
	// otherwise. Negative: no limit.
	BrowserRate keys.Rate `yaml:"browser_rate"`
	ServerRate  keys.Rate `yaml:"server_rate"`
	// CloudEvents says how CloudEvents become events.
	CloudEvents cloudevents.Config `yaml:"cloudevents"`
	// XAPI says how xAPI statements become events.
	XAPI xapi.Config `yaml:"xapi"`
	// DocsURL is what error answers point to; the error code follows a '#'.
	DocsURL string `yaml:"docs_url"`
	// Tenants holds what differs from the defaults for a tenant, by its name.
	Tenants map[string]Tenant `yaml:"tenants"`
}

// Tenant is what a tenant may configure.
type Tenant struct {
	// AllowCustom admits custom.* event types.
	AllowCustom bool `yaml:"allow_custom"`
	// LateMax is how old an event may be on arrival; 0 means 30 days.
	LateMax time.Duration `yaml:"late_max"`
}

// DefaultConfig gives the defaults.
func DefaultConfig() Config {
	return Config{
		BodyBytesMax: 4 << 20, InflatedBytesMax: 8 << 20, BatchEventsMax: 1000,
		InFlightBytesMax: 64 << 20, PublishTimeout: 15 * time.Second, RetryAfter: 2 * time.Second,
		BrowserRate: keys.Rate{EventsPerSecond: 500, Burst: 5000}, // about 5,000 visitors at once
		ServerRate:  keys.Rate{EventsPerSecond: -1},
		XAPI:        xapi.DefaultConfig(), TrackerMaxAge: time.Hour, DocsURL: "docs/COLLECTOR.md",
	}
}

// Validate checks the values.
func (c *Config) Validate() error {
	switch {
	case c.BodyBytesMax <= 0 || c.InflatedBytesMax < c.BodyBytesMax:
		return errors.New("body_bytes_max must be positive and inflated_bytes_max not below it")
	case c.InFlightBytesMax < c.InflatedBytesMax+requestBytesMin:
		return fmt.Errorf("in_flight_bytes_max must exceed inflated_bytes_max by %d, or the largest body could never be taken", requestBytesMin)
	case c.BatchEventsMax <= 0:
		return errors.New("batch_events_max must be positive")
	case c.BrowserRate.Validate() != nil || c.ServerRate.Validate() != nil:
		return errors.New("browser_rate and server_rate need a finite events_per_second and a burst that is not negative")
	case c.PublishTimeout <= 0 || c.RetryAfter <= 0:
		return errors.New("publish_timeout and retry_after must be positive")
	}
	for name, t := range c.Tenants {
		if t.LateMax < 0 {
			return fmt.Errorf("tenants.%s.late_max must not be negative", name)
		}
	}
	if err := c.Segment.Validate(); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	if err := c.XAPI.Validate(); err != nil {
		return fmt.Errorf("xapi: %w", err)
	}
	_, err := c.proxies()
	return err
}

func (c *Config) proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %w", err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// rates gives the limits of keys that have none of their own.
func (c *Config) rates() map[keys.Kind]keys.Rate {
	return map[keys.Kind]keys.Rate{keys.Browser: c.BrowserRate, keys.Server: c.ServerRate}
}

// lateMax is the tenant's limit on an event's age on arrival.
func (c *Config) lateMax(tenant string) time.Duration {
	if t := c.Tenants[tenant]; t.LateMax > 0 {
		return t.LateMax
	}
	return event.LateDefault
}
