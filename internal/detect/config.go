package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Limits of a configuration; they bound the size of a state.
const (
	RatiosMax    = 4  // CUSUMs in the bank
	GuardDaysMax = 60 // days kept out of the baseline
)

// Form says where thresholds come from.
type Form string

// The threshold forms.
const (
	// FormExact tabulates h(μ, r) by the Markov chain of Brook and Evans (1972).
	FormExact Form = "exact"
	// FormLorden takes h = ln(ARL₀), which never gives more false alarms than
	// stated (Lorden 1971) but reacts later.
	FormLorden Form = "lorden"
)

// ErrConfig is wrapped by every error of Config.Validate.
var ErrConfig = errors.New("detection configuration is invalid")

// Config holds the budget and the model of one detector. The zero value is not
// usable; start from DefaultConfig.
type Config struct {
	// AlertsPerManagerWeek is the false-alarm budget: how many false drop or ghosting
	// alerts one channel manager may get in a week on average. Range: above 0.
	AlertsPerManagerWeek float64 `json:"alerts_per_manager_week" yaml:"alerts_per_manager_week"`
	// PartnersPerManager is how many partners one channel manager looks after.
	PartnersPerManager float64 `json:"partners_per_manager" yaml:"partners_per_manager"`
	// ARL0Days states the budget directly and overrides the two above: a healthy
	// partner raises, on average, one false alert in so many days. 0 derives it, see
	// Budget. Range: 0, or 7 and more.
	ARL0Days float64 `json:"arl0_days" yaml:"arl0_days"`
	// BankFactor is how many times rarer each detector of a bank that is not
	// tabulated (other ratios than the default's) fires than the whole bank may. 1
	// leaves the sharing out; the number of ratios is Bonferroni's bound. The default
	// bank needs none: its joint chain knows what the members share. Range: 1 and more.
	BankFactor float64 `json:"bank_factor" yaml:"bank_factor"`
	// Thresholds is where h comes from.
	Thresholds Form `json:"thresholds" yaml:"thresholds"`

	// Ratios are the ρ of the bank, new rate ÷ baseline rate, strictly falling,
	// each in (0, 1).
	Ratios []float64 `json:"ratios" yaml:"ratios"`
	// Dispersion is the size r of the negative binomial: variance = μ + μ²/r.
	// 0 is the Poisson limit r → ∞.
	Dispersion float64 `json:"dispersion" yaml:"dispersion"`

	// GuardDays keeps the newest days out of the baseline, so that a drop does not
	// hide itself. Range: 1–60.
	GuardDays int `json:"guard_days" yaml:"guard_days"`
	// HalfLifeDays is the half-life of the baseline's memory. Range: 1 and more.
	HalfLifeDays float64 `json:"half_life_days" yaml:"half_life_days"`
	// PriorSessions and PriorDays are α₀ and β₀ of the Gamma prior on the rate: as
	// if so many sessions had been seen in so many average days. Both > 0.
	PriorSessions float64 `json:"prior_sessions" yaml:"prior_sessions"`
	PriorDays     float64 `json:"prior_days" yaml:"prior_days"`
	// CautionSE lowers the tested baseline by so many standard errors of its
	// estimate, because an overestimated baseline looks like a drop for ever. The
	// thresholds of the default bank know of it. Range: 0–3.
	CautionSE float64 `json:"caution_se" yaml:"caution_se"`
	// WeekdayProfile weighs the days of the week, Sunday first as in time.Weekday.
	// It is scaled to mean 1. A caller whose profile changes over time leaves it
	// flat and puts the weight into Input.Factor.
	WeekdayProfile [7]float64 `json:"weekday_profile" yaml:"weekday_profile"`

	// BaselineSessionsMin and BaselineDaysMin are how much remembered history (with
	// forgetting, guard days apart) a partner needs before a drop or ghosting can
	// fire. Once armed, a partner is disarmed below half of the sessions.
	BaselineSessionsMin float64 `json:"baseline_sessions_min" yaml:"baseline_sessions_min"`
	BaselineDaysMin     float64 `json:"baseline_days_min" yaml:"baseline_days_min"`
	// SilentDaysMin is how many days without a session ghosting needs besides its
	// threshold, so that one empty day of a busy partner is not called ghosting.
	SilentDaysMin int `json:"silent_days_min" yaml:"silent_days_min"`
	// NeverActivatedDays is how many days after its first known day a partner
	// without any session becomes never_activated.
	NeverActivatedDays int `json:"never_activated_days" yaml:"never_activated_days"`

	// PendingFraction of the threshold makes an alert pending. Range: (0, 1).
	PendingFraction float64 `json:"pending_fraction" yaml:"pending_fraction"`
	// ResolveDays sets the threshold ln(ResolveDays) of the upward CUSUM that
	// confirms a recovery: a partner that stays down is resolved wrongly at most
	// once in so many days on average. Range: 2 and more.
	ResolveDays float64 `json:"resolve_days" yaml:"resolve_days"`
	// CriticalDropPct is the drop from which sessions_drop is critical. Range: 0–100.
	CriticalDropPct float64 `json:"critical_drop_pct" yaml:"critical_drop_pct"`
}

// DefaultConfig gives the documented defaults.
func DefaultConfig() Config {
	return Config{
		AlertsPerManagerWeek: .5, PartnersPerManager: 52, BankFactor: 2, Thresholds: FormExact,
		Ratios: []float64{.5, .1}, Dispersion: 8,
		GuardDays: 14, HalfLifeDays: 90, PriorSessions: .5, PriorDays: 1, CautionSE: .25,
		WeekdayProfile:      [7]float64{1, 1, 1, 1, 1, 1, 1},
		BaselineSessionsMin: 5, BaselineDaysMin: 14, SilentDaysMin: 3, NeverActivatedDays: 30,
		PendingFraction: .6, ResolveDays: 30, CriticalDropPct: 75,
	}
}

// Validate reports everything that is out of range, wrapped in ErrConfig.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	within := func(name string, v, low, high float64) {
		check(v >= low && v <= high, "%s %v is not in %v–%v", name, v, low, high)
	}
	within("alerts_per_manager_week", c.AlertsPerManagerWeek, 1e-6, 1e6)
	within("partners_per_manager", c.PartnersPerManager, 1, 1e6)
	check(c.ARL0Days >= 0, "arl0_days %v is neither 0 nor positive", c.ARL0Days)
	within("the budget, days between false alerts of a partner,", c.Budget(), 7, 1e6)
	within("bank_factor", c.BankFactor, 1, 100)
	check(c.Thresholds == FormExact || c.Thresholds == FormLorden, "thresholds %q is neither exact nor lorden", c.Thresholds)
	check(len(c.Ratios) > 0 && len(c.Ratios) <= RatiosMax, "ratios: %d given, 1–%d allowed", len(c.Ratios), RatiosMax)
	above := 1.0
	for _, ratio := range c.Ratios {
		check(ratio >= .001 && ratio < above && ratio <= .99, "ratios %v are not strictly falling within .001–.99", c.Ratios)
		above = ratio
	}
	check(c.Dispersion == 0 || (c.Dispersion >= .01 && c.Dispersion <= 1e9),
		"dispersion %v is neither 0 nor in .01–1e9", c.Dispersion)
	within("guard_days", float64(c.GuardDays), 1, GuardDaysMax)
	within("half_life_days", c.HalfLifeDays, 1, 1e5)
	within("prior_sessions", c.PriorSessions, 1e-6, 1e9)
	within("prior_days", c.PriorDays, 1e-6, 1e9)
	within("caution_se", c.CautionSE, 0, 3)
	sum := 0.0
	for _, w := range c.WeekdayProfile {
		within("weekday_profile", w, 0, 1e6)
		sum += w
	}
	check(sum > 0 && !math.IsInf(sum, 0), "weekday_profile has no positive weight")
	within("baseline_sessions_min", c.BaselineSessionsMin, 1, 1e6)
	within("baseline_days_min", c.BaselineDaysMin, 1, 1e5)
	within("silent_days_min", float64(c.SilentDaysMin), 1, 365)
	within("never_activated_days", float64(c.NeverActivatedDays), 1, 3650)
	within("pending_fraction", c.PendingFraction, 1e-6, 1-1e-6)
	within("resolve_days", c.ResolveDays, 2, 1e6)
	within("critical_drop_pct", c.CriticalDropPct, 0, 100)
	return errors.Join(errs...)
}

// Budget is the stated mean number of days between two false alerts of a healthy
// partner, ARL₀: ARL0Days, or 7 · PartnersPerManager ÷ AlertsPerManagerWeek. The
// days are those on which the partner has enough baseline to be watched.
func (c *Config) Budget() float64 {
	if c.ARL0Days != 0 {
		return c.ARL0Days
	}
	return 7 * c.PartnersPerManager / c.AlertsPerManagerWeek
}

// ModelVersion is the version of what the detector does with a state and a day,
// limits included; another one finds other things on the same days. 2: the allowance
// for weekdays fades at high rates.
const ModelVersion = 2

// Hash identifies the configuration and the versions of state and model: 16
// hexadecimal digits, equal for equal values. A state is only valid under the one that
// made it.
func (c *Config) Hash() string {
	b, err := json.Marshal(c)
	if err != nil {
		// Only NaN and infinities cannot be marshalled, and Validate refuses them.
		b = fmt.Appendf(nil, "%+v", *c)
	}
	sum := sha256.Sum256(fmt.Appendf(b, " state %d model %d", StateVersion, ModelVersion))
	return hex.EncodeToString(sum[:8])
}
