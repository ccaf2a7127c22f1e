package simulate

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"partnerpulse/internal/simulate/plan"
)

// Config says what to simulate and where to send it.
type Config struct {
	World plan.Config `yaml:"world"`
	URL   string      `yaml:"url"` // base address of the collector, "http://127.0.0.1:8080"
	Key   string      `yaml:"key"` // server key; a history needs its backfill scope

	Backfill bool      `yaml:"backfill"` // send what happened in [From, Through) at once
	From     time.Time `yaml:"from"`     // zero: the start of the world
	Through  time.Time `yaml:"through"`  // zero: the moment of the call of Run

	Live  bool    `yaml:"live"`  // then send what happens from Through on (without Backfill: from From, else now), when it happens
	Speed float64 `yaml:"speed"` // simulated seconds a second while the past is made up for, ≥ 1; 0: no limit. The future is never sent early
	Rate  float64 `yaml:"rate"`  // synthetic load besides, events a second; 0: none

	Events int64 `yaml:"events"` // stop after so many events; 0: no limit

	Workers        int           `yaml:"workers"`           // parallel requests, 1–256; a partner always has the same one
	BatchEventsMax int           `yaml:"batch_events_max"`  // 1–5000
	Linger         time.Duration `yaml:"linger"`            // how long an incomplete batch waits for more
	Compression    string        `yaml:"compression"`       // none, gzip or zstd
	RequestTimeout time.Duration `yaml:"request_timeout"`   // of one attempt
	RetryMin       time.Duration `yaml:"retry_backoff_min"` // first pause, doubled each time, ±50 %
	RetryMax       time.Duration `yaml:"retry_backoff_max"` // longest pause, unless the collector asks for more
}

// DefaultConfig backfills the default world up to now.
func DefaultConfig(now time.Time) Config {
	return Config{
		World: plan.DefaultConfig(plan.DayOf(now, time.UTC)), Backfill: true,
		Workers: 4, BatchEventsMax: 200, Linger: 200 * time.Millisecond, Compression: "gzip",
		RequestTimeout: 30 * time.Second, RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second,
	}
}

// Validate names the first setting that cannot be.
func (c *Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("checking url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("checking url: %q is not an http address", c.URL)
	case c.Key == "":
		return errors.New("checking key: a server key is required")
	case !c.Backfill && !c.Live && c.Rate == 0:
		return errors.New("checking the mode: one of backfill, live and rate is required")
	case c.Backfill && !c.Through.IsZero() && c.Through.Before(c.From):
		return fmt.Errorf("checking through: %s is before from %s", c.Through, c.From)
	case c.Speed != 0 && c.Speed < 1:
		return fmt.Errorf("checking speed: %g is neither 0 nor at least 1, and would never reach the present", c.Speed)
	case c.Rate < 0 || c.Events < 0:
		return errors.New("checking rate and events: below 0")
	case c.Workers < 1 || c.Workers > 256:
		return fmt.Errorf("checking workers: %d is outside 1–256", c.Workers)
	case c.BatchEventsMax < 1 || c.BatchEventsMax > 5000:
		return fmt.Errorf("checking batch_events_max: %d is outside 1–5000", c.BatchEventsMax)
	case c.Compression != "none" && c.Compression != "gzip" && c.Compression != "zstd":
		return fmt.Errorf("checking compression: %q is not none, gzip or zstd", c.Compression)
	case c.Linger < 0 || c.RequestTimeout <= 0 || c.RetryMin <= 0 || c.RetryMax < c.RetryMin:
		return errors.New("checking durations: linger must be ≥ 0, request_timeout and retry_backoff_min > 0, retry_backoff_max ≥ retry_backoff_min")
	}
	return nil
}
