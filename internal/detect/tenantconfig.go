package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// TenantGroups is how many groups a tenant's partners are divided into, so that no
// single partner, however big, can look like the whole tenant.
const TenantGroups = 16

// TenantConfig is the model of a tenant's daily total; start from
// DefaultTenantConfig.
type TenantConfig struct {
	// Profile weighs the days of the week, Sunday first, until the tenant's own
	// profile has been learnt. It is scaled to mean 1.
	Profile [7]float64 `json:"profile" yaml:"profile"`
	// HalfLifeDays is the half-life of the expected level's memory. Range: 1–365.
	HalfLifeDays float64 `json:"half_life_days" yaml:"half_life_days"`
	// ExpectedMin is how many sessions must be expected on a day, in the middle half
	// of the groups, for the day to tell anything about the tenant. Range: 1 and more.
	ExpectedMin float64 `json:"expected_min" yaml:"expected_min"`
	// DeadBand and NoiseSigmas bound what counts as ordinary: a day within this share
	// of its expectation, or within so many standard deviations of it, has the factor
	// 1, so that late events rarely change a factor. Ranges: 0–.5 and 0–10.
	DeadBand    float64 `json:"dead_band" yaml:"dead_band"`
	NoiseSigmas float64 `json:"noise_sigmas" yaml:"noise_sigmas"`
	// FreezeBelow is the share of the expectation below which a day means nothing for
	// partners and is frozen. Range: 0–.5.
	FreezeBelow float64 `json:"freeze_below" yaml:"freeze_below"`
	// OutageDays is how many average days' sessions must be missing in a row, at less
	// than FreezeBelow of the expectation, for tenant.activity_drop: more than the one
	// working day of a public holiday. DipDays is the same for a row of days below
	// DipBelow. RecoverAbove ends the row, and the alert.
	OutageDays   float64 `json:"outage_days" yaml:"outage_days"`
	DipDays      float64 `json:"dip_days" yaml:"dip_days"`
	DipBelow     float64 `json:"dip_below" yaml:"dip_below"`
	RecoverAbove float64 `json:"recover_above" yaml:"recover_above"`
	// AcceptDays is how long the alert fires before the new level is accepted as
	// normal, or partners would stay frozen for ever. Range: 7–365.
	AcceptDays int `json:"accept_days" yaml:"accept_days"`
}

// DefaultTenantConfig gives the documented defaults: business portals see a fifth
// of the week's average on Saturdays and Sundays.
func DefaultTenantConfig() TenantConfig {
	return TenantConfig{
		Profile:      [7]float64{.2, 1.3, 1.3, 1.3, 1.3, 1.3, .3},
		HalfLifeDays: 21, ExpectedMin: 20, DeadBand: .1, NoiseSigmas: 3, FreezeBelow: .1,
		OutageDays: 1.5, DipDays: 5, DipBelow: .5, RecoverAbove: .6, AcceptDays: 28,
	}
}

// Validate reports everything that is out of range, wrapped in ErrConfig.
func (c *TenantConfig) Validate() error {
	var errs []error
	within := func(name string, v, low, high float64) {
		if !(v >= low && v <= high) {
			errs = append(errs, fmt.Errorf("%w: tenant %s %v is not in %v–%v", ErrConfig, name, v, low, high))
		}
	}
	sum := 0.0
	for _, w := range c.Profile {
		within("profile", w, 0, 1e6)
		sum += w
	}
	within("profile's sum", sum, 1e-6, 1e7)
	within("half_life_days", c.HalfLifeDays, 1, 365)
	within("expected_min", c.ExpectedMin, 1, 1e9)
	within("dead_band", c.DeadBand, 0, .5)
	within("noise_sigmas", c.NoiseSigmas, 0, 10)
	within("freeze_below", c.FreezeBelow, 0, .5)
	within("outage_days", c.OutageDays, .1, 100)
	within("dip_days", c.DipDays, c.OutageDays, 1000)
	within("dip_below", c.DipBelow, c.FreezeBelow, 1)
	within("recover_above", c.RecoverAbove, c.DipBelow, 1)
	within("accept_days", float64(c.AcceptDays), 7, 365)
	return errors.Join(errs...)
}

// TenantModelVersion is the version of what the tenant's days mean for partners; it
// is in every state's hash. 2: priors by segment.
const TenantModelVersion = 2

// Hash identifies the configuration and the version of the model.
func (c *TenantConfig) Hash() string {
	b, err := json.Marshal(c)
	if err != nil {
		// Only NaN and infinities cannot be marshalled, and Validate refuses them.
		b = fmt.Appendf(nil, "%+v", *c)
	}
	sum := sha256.Sum256(fmt.Appendf(b, " %d model %d", TenantStateVersion, TenantModelVersion))
	return hex.EncodeToString(sum[:8])
}
