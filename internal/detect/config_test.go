package detect

import (
	"errors"
	"math"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	tests := map[string]func(*Config){
		"no budget":           func(c *Config) { c.AlertsPerManagerWeek = 0 },
		"no partners":         func(c *Config) { c.PartnersPerManager = 0 },
		"tiny budget":         func(c *Config) { c.ARL0Days = 1 },
		"negative budget":     func(c *Config) { c.ARL0Days = -730 },
		"budget not a number": func(c *Config) { c.ARL0Days = math.NaN() },
		"bank factor":         func(c *Config) { c.BankFactor = .5 },
		"form":                func(c *Config) { c.Thresholds = "guess" },
		"no ratio":            func(c *Config) { c.Ratios = nil },
		"too many ratios":     func(c *Config) { c.Ratios = []float64{.9, .8, .7, .6, .5} },
		"rising ratios":       func(c *Config) { c.Ratios = []float64{.1, .5} },
		"equal ratios":        func(c *Config) { c.Ratios = []float64{.5, .5} },
		"ratio 1":             func(c *Config) { c.Ratios = []float64{1} },
		"ratio 0":             func(c *Config) { c.Ratios = []float64{.5, 0} },
		"dispersion":          func(c *Config) { c.Dispersion = -1 },
		"no guard":            func(c *Config) { c.GuardDays = 0 },
		"long guard":          func(c *Config) { c.GuardDays = GuardDaysMax + 1 },
		"half-life":           func(c *Config) { c.HalfLifeDays = math.Inf(1) },
		"prior sessions":      func(c *Config) { c.PriorSessions = 0 },
		"prior days":          func(c *Config) { c.PriorDays = 0 },
		"caution":             func(c *Config) { c.CautionSE = 4 },
		"negative weekday":    func(c *Config) { c.WeekdayProfile[3] = -1 },
		"no weekday":          func(c *Config) { c.WeekdayProfile = [7]float64{} },
		"baseline sessions":   func(c *Config) { c.BaselineSessionsMin = 0 },
		"baseline days":       func(c *Config) { c.BaselineDaysMin = 0 },
		"silent days":         func(c *Config) { c.SilentDaysMin = 0 },
		"never activated":     func(c *Config) { c.NeverActivatedDays = 0 },
		"pending 1":           func(c *Config) { c.PendingFraction = 1 },
		"resolve":             func(c *Config) { c.ResolveDays = 1 },
		"critical":            func(c *Config) { c.CriticalDropPct = 101 },
	}
	for name, change := range tests {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: New gave %v, want ErrConfig", name, err)
		}
	}
}

func TestConfigHash(t *testing.T) {
	a, b := DefaultConfig(), DefaultConfig()
	if a.Hash() != b.Hash() || len(a.Hash()) != 16 {
		t.Errorf("hashes %q and %q of equal configurations", a.Hash(), b.Hash())
	}
	b.Ratios = []float64{.5, .2}
	if a.Hash() == b.Hash() {
		t.Error("another bank has the same hash")
	}
}

// A detector does not change with the configuration it was made from.
func TestDetectorOwnsItsConfig(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Thresholds = FormLorden
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Ratios[0] = .9
	d.Config().Ratios[0] = .8
	if got := d.Config().Ratios[0]; got != .5 {
		t.Errorf("ratio %v, want .5", got)
	}
}
