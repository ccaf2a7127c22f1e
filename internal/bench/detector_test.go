package bench

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"partnerpulse/internal/detect"
)

// smallDetector is a bench that takes seconds.
func smallDetector(t *testing.T) *detectorBench {
	t.Helper()
	detector, err := detect.New(detect.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := detect.NewTenantModel(detect.DefaultTenantConfig())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultDetectorConfig()
	cfg.Tenants, cfg.Partners, cfg.Changing, cfg.Million = 1, 400, 40, 1000
	c := detector.Config()
	return &detectorBench{cfg: cfg, detector: detector, tenant: tenant, arl0: c.Budget()}
}

// TestFalseAlarmsKeepTheBudget is the reduced form of the benchmark's first part: whole
// tenants with weekdays and holidays, nothing told to the detector. Allowed is a fifth
// more or less than the budget, widened by the exact 99.9 % Poisson limits.
func TestFalseAlarmsKeepTheBudget(t *testing.T) {
	b := smallDetector(t)
	for _, r := range []float64{0, 8, 2} {
		bands, err := b.falseAlarms(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		alerts, expected := 0, 0.0
		for _, f := range bands {
			alerts += f.Alerts
			expected += f.Expected
			least, most := distuv.Poisson{Lambda: .8 * f.Expected}, distuv.Poisson{Lambda: 1.2 * f.Expected}
			if n := float64(f.Alerts); least.CDF(n) < .0005 || most.CDF(n-1) > .9995 {
				t.Errorf("%s, %g–%g a day: %d alerts, the budget is %.0f", dispersionName(r), f.RateFrom, f.RateTo, f.Alerts, f.Expected)
			}
		}
		if n := float64(alerts); n < expected*.8 || n > expected*1.2 {
			t.Errorf("%s: %d alerts, the budget is %.0f", dispersionName(r), alerts, expected)
		}
	}
}

// TestDelaysAreNearTheBound is the reduced form of the second part, for all drops at
// one session a day and more; medians are allowed the bound's goal and one day more,
// for they are whole days.
func TestDelaysAreNearTheBound(t *testing.T) {
	b := smallDetector(t)
	rows, rules, err := b.delays(t.Context(), setting{Name: "business", Business: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != 5 || len(rows) != len(delayRates)*len(dropRatios) {
		t.Fatalf("%d rules, %d rows", len(rules), len(rows))
	}
	for _, d := range rows {
		if d.Rate >= 1 && (d.Ours.Median <= 0 || d.Ours.Median > 1.15*d.WholeBound+1) {
			t.Errorf("%+v: median %g, bound %g", d, d.Ours.Median, d.WholeBound)
		}
		if d.Ours.Missed > .2 {
			t.Errorf("rate %g, %g left: %g missed", d.Rate, d.Ratio, d.Ours.Missed)
		}
		if other := d.Rules["week over week"]; d.Rate == 1 && d.Ratio == .5 && other.Missed < .5 && other.Median < d.Ours.Median {
			t.Errorf("week over week finds a halving in %g days, the detector in %g", other.Median, d.Ours.Median)
		}
	}
}

// The oracle alone, against the exact chain: from zero its mean delay is the bound.
func TestOracleMeetsTheBound(t *testing.T) {
	const rate, drop, n = 3., .5, 4000
	want, h := detect.DelayBound(rate, drop, 0, 728)
	s := &simulated{Days: 200, Weekdays: [7]float64{1, 1, 1, 1, 1, 1, 1}, First: firstMonday, Ratio: drop}
	for range n {
		s.Rates, s.Change = append(s.Rates, rate*drop), append(s.Change, 0)
	}
	s.fill(5)
	sum := 0.0
	for p := range n {
		d := oracleCusum{rate, drop, 0, h}.delay(s, p)
		if d <= 0 || d > s.Days {
			t.Fatalf("delay %d", d)
		}
		sum += float64(d)
	}
	if got := sum / n; math.Abs(got/want-1) > .04 {
		t.Errorf("mean delay %.2f, the chain says %.2f", got, want)
	}
}

func TestRuleStatistics(t *testing.T) {
	counts := make([]uint16, 100)
	for day := range counts {
		if day%2 == 0 {
			counts[day] = 4
		}
	}
	for day := 90; day < 100; day++ {
		counts[day] = 0
	}
	silent, week, z := make([]float32, 100), make([]float32, 100), make([]float32, 100)
	silentDays(counts, silent)
	weekOverWeek(counts, week)
	robustZ(counts, z)
	if silent[99] != 11 || silent[0] != 0 {
		t.Errorf("silent for %v days in the end, want 11", silent[99])
	}
	if week[80] > 26 || week[97] != 100 {
		t.Errorf("week over week %v %% and %v %%, want little and 100", week[80], week[97])
	}
	if z[80] > 2 || z[99] < 3.5 {
		t.Errorf("robust z %v and %v, want little and much", z[80], z[99])
	}
	if n := episodes([][]float32{silent}, 5); n != 1 {
		t.Errorf("%d episodes of five silent days, want 1", n)
	}
}

// The page and its plots are written from whatever was measured.
func TestDetectorReportIsWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "detector")
	r := &DetectorReport{
		Name: "detector", BudgetDays: 728,
		FalseAlarms: []FalseAlarms{{RateFrom: .1, RateTo: .3, Partners: 3, Days: 2000, Alerts: 3, Expected: 2.7, Ratio: 1.1}},
		Delays: []Delays{{
			Setting: "business", Rate: 1, Ratio: .5, Bound: 25.6, WholeBound: 26, Ours: DelayFigures{Median: 20},
			Oracle: DelayFigures{Median: 19}, Rules: map[string]DelayFigures{"week over week": {Median: 70}},
		}},
		Rules: []RuleFigures{{Setting: "business", Name: "week over week", Knob: 100, Unit: "% lost", ARL0: map[string]float64{"1": 300}}},
	}
	r.headline()
	if r.Ours != 20 || r.Ratios["exact_bound"] != .781 {
		t.Errorf("headline %v, ratios %v", r.Ours, r.Ratios)
	}
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string]string{
		"report.md": "| business | Poisson | 1 | 0.5 | 25.6 | 26.0 | 20 |", "detector.json": `"budget_arl0_days":728`,
		"false-alarms.svg": "<circle", "delay-halved.svg": "PartnerPulse", "delay-silent.svg": "</svg>",
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(b), part) {
			t.Errorf("%s: %v, does not contain %q", name, err, part)
		}
		if strings.Contains(string(b), "%!") {
			t.Errorf("%s has a verb of a format that is none", name)
		}
	}
	var back DetectorReport
	b, err := os.ReadFile(filepath.Join(dir, "detector.json"))
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil || back.Delays[0].Bound != 25.6 {
		t.Errorf("the figures come back as %+v: %v", back.Delays, err)
	}
	if !strings.Contains(r.String(), "one false alert in 728 days") {
		t.Errorf("the report for people: %s", r)
	}
}

func TestOneDayOfPartners(t *testing.T) {
	if testing.Short() {
		t.Skip("steps 20,000 partners through their history")
	}
	f, err := smallDetector(t).oneDay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.StateBytes < 100 || f.StateBytes > 600 || f.Partners != 1000 {
		t.Errorf("%+v", f)
	}
}

func TestDetectorStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := smallDetector(t).falseAlarms(ctx, 0); err == nil {
		t.Error("no error although it was cancelled")
	}
}
