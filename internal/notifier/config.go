package notifier

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/config"
)

// Format is what an endpoint understands.
type Format string

// The formats.
const (
	Standard Format = "standard" // Standard Webhooks: JSON, signed
	Slack    Format = "slack"    // {"text": …}, as Slack, Mattermost and Rocket.Chat take it
)

// Schedule says when an endpoint is told.
type Schedule string

// The schedules.
const (
	Immediate Schedule = "immediate"
	Daily     Schedule = "daily" // once a day at Endpoint.Hour
)

// Config holds the settings of the notifier; start from DefaultConfig.
type Config struct {
	Endpoints []Endpoint `yaml:"endpoints"`
	// PlanInterval is how often news is looked for; what comes in between is told
	// together.
	PlanInterval time.Duration `yaml:"plan_interval"`
	// SendInterval is how often due messages are looked for.
	SendInterval time.Duration `yaml:"send_interval"`
	// Repeat is when an alert that still fires is told again.
	Repeat time.Duration `yaml:"repeat"`
	// Retries are the pauses after the first, second, … failed attempt; after the
	// last of them the message is dead. Each is varied by Jitter, a share.
	Retries []time.Duration `yaml:"retries"`
	Jitter  float64         `yaml:"jitter"`
	// Timeout bounds one attempt, from the look-up of the name to the answer.
	Timeout time.Duration `yaml:"timeout"`
	// AlertsMax bounds the alerts in one message; further ones make another.
	AlertsMax int `yaml:"alerts_max"`
}

// Endpoint is one receiver.
type Endpoint struct {
	Name   string `yaml:"name"` // identifies it for ever: deliveries are kept by it
	URL    string `yaml:"url"`
	Format Format `yaml:"format"`
	// Secrets sign the messages, each as whsec_ and base64. With two, both signatures
	// are sent: that is how a secret is rotated.
	Secrets  []config.Secret `yaml:"secrets"`
	Schedule Schedule        `yaml:"schedule"`
	Hour     int             `yaml:"hour"`     // of a daily digest, 0–23
	Timezone string          `yaml:"timezone"` // IANA zone of Hour
	// Tenants, Rules, Severities and Owners choose what it is told; empty: everything.
	Tenants    []string `yaml:"tenants"`
	Rules      []string `yaml:"rules"`
	Severities []string `yaml:"severities"`
	Owners     []string `yaml:"owners"`
	// AllowPrivate admits addresses inside of the own network, and http.
	AllowPrivate bool `yaml:"allow_private"`
}

// DefaultConfig has no endpoints. The retries are those that Standard Webhooks
// proposes, over three days.
func DefaultConfig() Config {
	return Config{
		PlanInterval: 10 * time.Second, SendInterval: 2 * time.Second, Repeat: 7 * 24 * time.Hour,
		Retries: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
		Jitter: .2, Timeout: 15 * time.Second, AlertsMax: 50,
	}
}

// ErrConfig is wrapped by the errors of Config.Validate.
var ErrConfig = errors.New("notifier configuration is invalid")

// Validate reports everything that is out of range.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	check(c.PlanInterval > 0 && c.SendInterval > 0 && c.Timeout > 0, "plan_interval, send_interval and timeout must be positive")
	check(c.Repeat >= time.Hour, "repeat %s is less than an hour", c.Repeat)
	check(c.Jitter >= 0 && c.Jitter < 1, "jitter %g is not within 0 and 1", c.Jitter)
	check(c.AlertsMax > 0, "alerts_max %d is not positive", c.AlertsMax)
	for _, r := range c.Retries {
		check(r > 0, "retries: %s is not positive", r)
	}
	seen := make(map[string]bool)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		check(e.Name != "" && !seen[e.Name], "endpoint %q is empty or stands twice", e.Name)
		seen[e.Name] = true
		if err := e.validate(); err != nil {
			errs = append(errs, fmt.Errorf("%w: endpoint %s: %w", ErrConfig, e.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Endpoint) validate() error {
	var errs []error
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		errs = append(errs, errors.New("url cannot be read")) // its text may hold a token
	case u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !e.AllowPrivate):
		errs = append(errs, errors.New("url must be https (http only with allow_private)"))
	}
	switch e.Format {
	case Standard:
		if len(e.Secrets) == 0 {
			errs = append(errs, errors.New("format standard needs secrets"))
		}
	case Slack:
	default:
		errs = append(errs, fmt.Errorf("format %q is not standard or slack", e.Format))
	}
	for i, s := range e.Secrets {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), "whsec_"))
		if err != nil || len(raw) < 24 || len(raw) > 64 {
			errs = append(errs, fmt.Errorf("secret %d is not whsec_ and the base64 of 24 to 64 bytes", i+1))
		}
	}
	if e.Schedule != Immediate && e.Schedule != Daily {
		errs = append(errs, fmt.Errorf("schedule %q is not immediate or daily", e.Schedule))
	}
	if _, err := e.location(); err != nil || e.Hour < 0 || e.Hour > 23 {
		errs = append(errs, fmt.Errorf("hour %d or timezone %q is not one", e.Hour, e.Timezone))
	}
	return errors.Join(errs...)
}

func (e *Endpoint) location() (*time.Location, error) {
	if e.Timezone == "" {
		return time.UTC, nil
	}
	return time.LoadLocation(e.Timezone)
}

// wants tells whether the endpoint is told of an alert.
func (e *Endpoint) wants(a *Alert) bool {
	in := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return in(e.Tenants, a.Tenant) && in(e.Rules, string(a.Rule)) && in(e.Severities, a.Severity) && in(e.Owners, a.Owner)
}
