package replay

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
)

// Config says what is sent where.
type Config struct {
	Filter    Filter
	Collector string // base address
	Key       string // server key
	// BatchMax and BatchBytesMax bound one request. Defaults 100 and 256 KiB, which
	// every collector takes.
	BatchMax      int
	BatchBytesMax int
	// PageMax is how many rejects are read, and held, at once. Default 500.
	PageMax int
	// RequestTimeout bounds one request (default 60 s), GiveUp the repetition of one
	// that the collector cannot take at the moment (default 5 min).
	RequestTimeout, GiveUp time.Duration
	// RetryMin and RetryMax bound the pause between repetitions where the collector
	// names none. Defaults 200 ms and 10 s.
	RetryMin, RetryMax time.Duration
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.BatchMax, 100)
	def(&c.BatchBytesMax, 256<<10)
	def(&c.PageMax, 500)
	wait := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	wait(&c.RequestTimeout, time.Minute)
	wait(&c.GiveUp, 5*time.Minute)
	wait(&c.RetryMin, 200*time.Millisecond)
	wait(&c.RetryMax, 10*time.Second)
	if c.Filter.Until.IsZero() {
		c.Filter.Until = time.Now()
	}
	return c
}

// target checks what only sending needs.
func (c *Config) target() error {
	u, err := url.Parse(c.Collector)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("the collector's address %q is not a URL such as http://127.0.0.1:8080", c.Collector)
	case c.Key == "":
		return errors.New("sending needs a server key")
	case c.Filter.Tenant == "":
		return errors.New("sending needs a tenant: events go to the tenant of the key, so only that tenant's rejects may be sent with it")
	}
	return nil
}

// Filter selects rejects.
type Filter struct {
	Tenant string   // empty: any
	Codes  []string // empty: any but those of Guarded
	Stage  string   // collector or enricher; empty: any
	// Since and Until bound the time of the refusal, [Since, Until). Zero: from the
	// beginning, until now.
	Since, Until time.Time
	Limit        uint64 // 0: none
}

// Guarded are the codes that are not replayed unless they are named: what they refuse
// was not the sender's right, or contradicts what is there, and a server key would
// be believed.
func Guarded() []string {
	return []string{string(event.CodeForbiddenPartner), string(event.CodeForbiddenType), string(event.CodeConflict)}
}

func (f *Filter) validate() error {
	if f.Stage != "" && !slices.Contains([]string{"collector", "enricher", "rejects"}, f.Stage) {
		return fmt.Errorf("the stage %q is not collector or enricher", f.Stage)
	}
	if slices.ContainsFunc(f.Codes, func(c string) bool { return strings.TrimSpace(c) == "" }) {
		return errors.New("a code is empty")
	}
	if !f.Since.IsZero() && !f.Since.Before(f.Until) {
		return fmt.Errorf("since (%s) is not before until (%s)", f.Since.Format(time.RFC3339), f.Until.Format(time.RFC3339))
	}
	return nil
}

// limitNone is more than a table has.
const limitNone = 1 << 40

func (f *Filter) limit() uint64 {
	if f.Limit == 0 {
		return limitNone
	}
	return f.Limit
}

func (f *Filter) params() chstore.Params {
	codes := f.Codes
	if codes == nil {
		codes = []string{}
	}
	return chstore.Params{
		"tenant": f.Tenant, "stage": f.Stage, "codes": codes, "skipped": Guarded(),
		"since": max(0, f.Since.UnixMilli()), "until": f.Until.UnixMilli(),
	}
}
