package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sort"

	"golang.org/x/sync/errgroup"

	"partnerpulse/internal/detect"
)

// DetectorConfig says how much is simulated; start from DefaultDetectorConfig.
type DetectorConfig struct {
	Tenants  int    // healthy tenants of each dispersion
	Partners int    // healthy partners of each tenant
	Days     int    // of their history
	Changing int    // partners of each rate that drop, in each setting
	Million  int    // partners stepped through one day
	Seed     uint64 // of everything that is drawn
	Version  string // of the program
	Progress func(line string)
}

// DefaultDetectorConfig is the full form.
func DefaultDetectorConfig() DetectorConfig {
	return DetectorConfig{Tenants: 3, Partners: 2000, Days: 730, Changing: 600, Million: 1_000_000, Seed: 20261122, Progress: func(string) {}}
}

// Validate reports what is out of range.
func (c *DetectorConfig) Validate() error {
	if c.Tenants < 1 || c.Partners < 50 || c.Days < 200 || c.Changing < 10 || c.Million < 1 {
		return errors.New("at least one tenant, 50 partners, 200 days, 10 changing partners and one to step are needed")
	}
	return nil
}

// rateBands are the bands of the report, sessions per average day.
var rateBands = []float64{.1, .3, 1, 3, 10, 30}

// Detector measures the drop detector on simulated tenants.
func Detector(ctx context.Context, cfg DetectorConfig) (*DetectorReport, error) {
	detector, err := detect.New(detect.DefaultConfig())
	if err != nil {
		return nil, err
	}
	tenant, err := detect.NewTenantModel(detect.DefaultTenantConfig())
	if err != nil {
		return nil, err
	}
	b := &detectorBench{cfg: cfg, detector: detector, tenant: tenant}
	c := detector.Config()
	b.arl0 = c.Budget()
	report := &DetectorReport{
		Name: "detector", Unit: "days, median delay after a halving at one session a day, weekdays and holidays, rate unknown",
		BudgetDays: b.arl0, AlertsPerManagerWeek: c.AlertsPerManagerWeek, PartnersPerManager: c.PartnersPerManager,
		Seed: cfg.Seed, Environs: environment(cfg.Version),
	}
	for _, r := range []float64{0, 8, 2} {
		cfg.Progress(fmt.Sprintf("false alarms, dispersion %s", dispersionName(r)))
		bands, err := b.falseAlarms(ctx, r)
		if err != nil {
			return nil, err
		}
		report.FalseAlarms = append(report.FalseAlarms, bands...)
	}
	for _, setting := range []setting{
		{Name: "steady", Dispersion: 0}, {Name: "steady", Dispersion: 4},
		{Name: "business", Dispersion: 0, Business: true}, {Name: "business", Dispersion: 4, Business: true},
	} {
		cfg.Progress(fmt.Sprintf("delays, %s days, dispersion %s", setting.Name, dispersionName(setting.Dispersion)))
		rows, rules, err := b.delays(ctx, setting)
		if err != nil {
			return nil, err
		}
		report.Delays = append(report.Delays, rows...)
		report.Rules = append(report.Rules, rules...)
	}
	report.Stops = b.stops()
	cfg.Progress(fmt.Sprintf("one day of %d partners", cfg.Million))
	if report.Day, err = b.oneDay(ctx); err != nil {
		return nil, err
	}
	report.headline()
	return report, nil
}

type detectorBench struct {
	cfg      DetectorConfig
	detector *detect.Detector
	tenant   *detect.TenantModel
	arl0     float64
}

// eachPartner runs f for all indexes on all cores.
func eachPartner(ctx context.Context, n int, f func(i int)) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < n; i += workers {
				if err := ctx.Err(); err != nil {
					return fmt.Errorf("simulating: %w", err)
				}
				f(i)
			}
			return nil
		})
	}
	return g.Wait()
}

// firstMonday is where the simulated histories begin.
const firstMonday detect.Day = 20003

// healthyTenant makes a tenant whose rates are spread evenly over the logarithm.
func (b *detectorBench) healthyTenant(r float64, seed uint64) *simulated {
	s := &simulated{Days: b.cfg.Days, Dispersion: r, Weekdays: business, First: firstMonday}
	s.Holidays = holidays(rand.New(rand.NewPCG(seed, 1)), s.Days)
	low, high := rateBands[0], rateBands[len(rateBands)-1]
	for p := range b.cfg.Partners {
		s.Rates = append(s.Rates, low*math.Pow(high/low, (float64(p)+.5)/float64(b.cfg.Partners)))
	}
	rand.New(rand.NewPCG(seed, 2)).Shuffle(len(s.Rates), func(i, j int) { s.Rates[i], s.Rates[j] = s.Rates[j], s.Rates[i] })
	return s
}

// watched counts a partner's days and alerts.
type watched struct {
	days   int // with enough baseline
	open   int // of them, with an alert open
	alerts int // times that nothing fired and then something did
	second int // ghosting that fired while a drop did already
}

// watch runs the detector over a partner's history.
func (b *detectorBench) watch(s *simulated, p int, context []detect.Input) (w watched) {
	state := s.start(b.detector)
	open := false
	for day, in := range context {
		in.Sessions = int(s.counts[p][day])
		var o detect.Observation
		state, o = b.detector.Step(state, in)
		firing := o.Drop.Status == detect.StatusFiring || o.Ghosting.Status == detect.StatusFiring
		if o.Armed {
			w.days++
			if firing {
				w.open++
			}
		}
		if firing && !open {
			w.alerts++
		} else if open {
			for _, tr := range o.Transitions {
				if tr.Status == detect.StatusFiring && tr.Rule != detect.RuleNeverActivated {
					w.second++
				}
			}
		}
		open = firing
	}
	return w
}

func (s *simulated) start(d *detect.Detector) detect.State { return d.Start(s.First) }

// falseAlarms counts the alerts about partners whose rate never changes, in several
// tenants with holidays of their own.
func (b *detectorBench) falseAlarms(ctx context.Context, r float64) ([]FalseAlarms, error) {
	out := make([]FalseAlarms, len(rateBands)-1)
	for i := range out {
		out[i] = FalseAlarms{Dispersion: r, RateFrom: rateBands[i], RateTo: rateBands[i+1]}
	}
	for tenant := range uint64(b.cfg.Tenants) {
		if err := b.falseAlarmsOf(ctx, r, b.cfg.Seed+tenant, out); err != nil {
			return nil, err
		}
	}
	for i := range out {
		f := &out[i]
		f.Expected = float64(f.Days) / b.arl0
		f.Ratio = ratio(float64(f.Alerts), f.Expected)
		f.Error = ratio(math.Sqrt(float64(f.Alerts)), f.Expected)
	}
	return out, nil
}

// falseAlarmsOf adds one tenant to the bands.
func (b *detectorBench) falseAlarmsOf(ctx context.Context, r float64, seed uint64, out []FalseAlarms) error {
	s := b.healthyTenant(r, seed)
	s.fill(seed)
	inputs := s.context(b.tenant)
	seen := make([]watched, len(s.Rates))
	if err := eachPartner(ctx, len(s.Rates), func(p int) { seen[p] = b.watch(s, p, inputs) }); err != nil {
		return err
	}
	alerts, days := make([]float64, len(out)), make([]float64, len(out))
	for p, w := range seen {
		i := min(max(sort.SearchFloat64s(rateBands, s.Rates[p]), 1), len(out)) - 1
		out[i].Partners++
		out[i].Days += w.days
		out[i].OpenDays += w.open
		out[i].Alerts += w.alerts
		out[i].Second += w.second
		alerts[i], days[i] = alerts[i]+float64(w.alerts), days[i]+float64(w.days)
	}
	for i := range out {
		out[i].ByTenant = append(out[i].ByTenant, ratio(alerts[i], days[i]/b.arl0))
		out[i].Estimated = finite(inputs[len(inputs)-1].Dispersion)
	}
	return nil
}

// finite writes Poisson's +Inf as 0, which JSON can hold.
func finite(r float64) float64 {
	if math.IsInf(r, 1) {
		return 0
	}
	return r
}

func dispersionName(r float64) string {
	if r == 0 {
		return "Poisson"
	}
	return fmt.Sprintf("r = %g", r)
}
