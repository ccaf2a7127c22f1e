package aggregator

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"partnerpulse/internal/detect"
	"partnerpulse/internal/rules"
	"partnerpulse/internal/score"
)

// Config holds the settings of the aggregator; start from DefaultConfig.
type Config struct {
	// Interval is the pause between ticks while there is nothing to do, and the least time
	// from the beginning of one to that of the next while there is.
	Interval time.Duration `yaml:"interval"`
	// Group is the consumer group that divides the tenants among aggregators.
	Group string `yaml:"group"`
	// TakeoverAfter is how long an aggregator may be silent before others take over
	// its tenants.
	TakeoverAfter time.Duration `yaml:"takeover_after"`
	// RetryMax bounds the pause after errors.
	RetryMax time.Duration `yaml:"retry_max"`
	// StopTimeout is how long a batch may go on after a stop was asked for.
	StopTimeout time.Duration `yaml:"stop_timeout"`
	// BatchKeysMax bounds the dirty keys, and the partners that have fallen behind,
	// of one batch of a tenant.
	BatchKeysMax int `yaml:"batch_keys_max"`
	// ScoreRowsMax bounds the rows that one score statement computes; it bounds the
	// store's memory.
	ScoreRowsMax int `yaml:"score_rows_max"`
	// PublishAgeDaysMax is how many days old a transition may be and still be
	// published; older ones, of a backfill say, are recorded as historical.
	PublishAgeDaysMax int `yaml:"publish_age_days_max"`
	// Settle is how long no day before today may have changed before detection sees
	// another day as complete; SettleMax bounds that wait once the history has
	// reached the present. Without it, a history that is being loaded looks like
	// partners that went quiet.
	Settle    time.Duration `yaml:"settle"`
	SettleMax time.Duration `yaml:"settle_max"`
	// ContentInterval is the least time between two looks at what content is to be
	// scored: all content of a tenant is scored together.
	ContentInterval time.Duration `yaml:"content_interval"`
	// MarksKept is how long worked-off hours of dirty_days are kept.
	MarksKept time.Duration `yaml:"marks_kept"`
	// Timezone is the IANA zone of tenants that are not listed.
	Timezone string   `yaml:"timezone"`
	Tenants  []Tenant `yaml:"-"`
	// DealStages are the stages of a deal in order, lower case; a change to a later
	// one is a step forward. A change from or to a stage not listed counts as one.
	DealStages []string `yaml:"deal_stages"`
	// Model is the score model; its changes need another version.
	Model score.Model `yaml:"model"`
	// Detect is the drop detector.
	Detect detect.Config `yaml:"detect"`
	// TenantModel watches the tenant's totals. Its weekday profile is that of Detect
	// until the tenant's own has been learnt.
	TenantModel detect.TenantConfig `yaml:"tenant_model"`
	// Training bounds the rules about training and certifications.
	Training rules.TrainingConfig `yaml:"training"`
	// Collateral bounds the rules about documents and searches.
	Collateral rules.CollateralConfig `yaml:"collateral"`
}

// Tenant holds what differs between tenants.
type Tenant struct {
	ID       string `yaml:"id"`
	Timezone string `yaml:"timezone"` // IANA zone whose midnights separate days; empty: Config.Timezone
	// Model says by which model the tenant is scored; its zero value is Config.Model.
	Model TenantModel `yaml:"model"`
}

// TenantModel is a tenant's score model.
type TenantModel struct {
	// Active is the version of a stored model to score with, such as one that was
	// frozen from the tenant's data. Empty: the one described here.
	Active string `yaml:"active"`
	// Changes describe a model by what is different from Config.Model; with an active
	// one they are where the next freeze starts from.
	score.Changes `yaml:",inline"`
}

// DefaultConfig gives the documented defaults. The detector expects a fifth of
// the week's average on Saturdays and Sundays, as business portals see.
func DefaultConfig() Config {
	d := detect.DefaultConfig()
	d.WeekdayProfile = [7]float64{.2, 1.3, 1.3, 1.3, 1.3, 1.3, .3}
	return Config{
		Group: "partnerpulse-aggregator", TakeoverAfter: 10 * time.Second,
		Interval: time.Second, RetryMax: 30 * time.Second, StopTimeout: 10 * time.Second,
		BatchKeysMax: 20_000, ScoreRowsMax: 200_000,
		Settle: 10 * time.Second, SettleMax: 10 * time.Minute,
		PublishAgeDaysMax: 7, ContentInterval: time.Minute, MarksKept: 24 * time.Hour, Timezone: "UTC",
		DealStages: []string{
			"lead", "registered", "qualification", "qualified", "discovery", "demo", "evaluation",
			"proposal", "quote", "negotiation", "contract", "commit", "closed", "won", "closed_won",
		},
		Model: score.DefaultModel(), Detect: d, TenantModel: detect.DefaultTenantConfig(),
		Training: rules.DefaultTraining(), Collateral: rules.DefaultCollateral(),
	}
}

// ErrConfig is wrapped by the errors of Config.Validate.
var ErrConfig = errors.New("aggregator configuration is invalid")

// Validate reports everything that is out of range.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	check(c.Interval > 0 && c.RetryMax >= c.Interval, "interval %s and retry_max %s: need 0 < interval ≤ retry_max", c.Interval, c.RetryMax)
	check(c.Group != "", "group is empty")
	check(c.TakeoverAfter >= time.Second, "takeover_after %s is less than a second", c.TakeoverAfter)
	check(c.StopTimeout >= 0, "stop_timeout %s is negative", c.StopTimeout)
	check(c.BatchKeysMax > 0, "batch_keys_max %d is not positive", c.BatchKeysMax)
	check(c.ScoreRowsMax > 0, "score_rows_max %d is not positive", c.ScoreRowsMax)
	check(c.PublishAgeDaysMax >= 0, "publish_age_days_max %d is negative", c.PublishAgeDaysMax)
	check(c.Settle >= 0 && c.SettleMax >= c.Settle, "settle %s and settle_max %s: need 0 ≤ settle ≤ settle_max", c.Settle, c.SettleMax)
	check(c.ContentInterval >= 0, "content_interval %s is negative", c.ContentInterval)
	check(c.MarksKept >= time.Hour, "marks_kept %s is less than an hour", c.MarksKept)
	check(c.Training.Valid(), "training %+v: need lapse_factor ≥ 1, cadence_days and expiry_days ≥ 1", c.Training)
	check(c.Collateral.Valid(), "collateral %+v: need positive numbers and 0 < search_failed_min ≤ 1", c.Collateral)
	zone := func(name, tz string) {
		_, err := time.LoadLocation(tz)
		check(err == nil && tz != "" && tz != "Local", "%s %q is not an IANA time zone", name, tz)
	}
	zone("timezone", c.Timezone)
	seen := make(map[string]bool)
	for _, t := range c.Tenants {
		check(t.ID != "" && !seen[t.ID], "tenant %q is empty or stands twice", t.ID)
		seen[t.ID] = true
		zone("timezone of tenant "+t.ID, cmp.Or(t.Timezone, c.Timezone))
		if _, err := c.Model.With(t.Model.Changes); err != nil {
			errs = append(errs, fmt.Errorf("%w: model of tenant %s: %w", ErrConfig, t.ID, err))
		}
	}
	return errors.Join(append(errs, c.Model.Validate(), c.Detect.Validate(), c.TenantModel.Validate())...)
}

// detectors makes the detector of partners and the model of the tenant, which gives
// the weekday profile to the former day by day.
func (c *Config) detectors() (*detect.Detector, *detect.TenantModel, error) {
	partners, tenant := c.Detect, c.TenantModel
	tenant.Profile = partners.WeekdayProfile
	partners.WeekdayProfile = [7]float64{1, 1, 1, 1, 1, 1, 1}
	detector, err := detect.New(partners)
	if err != nil {
		return nil, nil, err
	}
	model, err := detect.NewTenantModel(tenant)
	return detector, model, err
}
