package detect

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// weekdays is the profile of the simulated portals.
var weekdays = [7]float64{.15, 1.45, 1.35, 1.35, 1.3, 1.15, .25}

// tenantDays draws the counts of partners, partner by partner; share says what comes of
// a day's sessions.
func tenantDays(seed uint64, rates []float64, r float64, days int, share func(partner, day int) float64) [][]int {
	out := make([][]int, len(rates))
	for p, rate := range rates {
		src := rand.NewPCG(seed, uint64(p))
		out[p] = make([]int, days)
		for day := range days {
			out[p][day] = draw(src, rate*weekdays[(first+Day(day)).Weekday()]*share(p, day), r)
		}
	}
	return out
}

// runTenant runs the tenant model and then the detector over everybody.
func runTenant(t *testing.T, d *Detector, counts [][]int) (days []TenantDay, alerts [][]Transition) {
	t.Helper()
	m, err := NewTenantModel(DefaultTenantConfig())
	if err != nil {
		t.Fatal(err)
	}
	s := m.Start(first)
	inputs := make([]Input, len(counts[0]))
	for day := range inputs {
		var groups [TenantGroups]uint64
		for p := range counts {
			groups[p%TenantGroups] += uint64(counts[p][day])
		}
		var td TenantDay
		s, td = m.Step(s, groups)
		days = append(days, td)
		inputs[day] = Input{Factor: td.Factor(), Frozen: td.Frozen}
	}
	for p := range counts {
		in := append([]Input(nil), inputs...)
		for day := range in {
			in[day].Sessions = counts[p][day]
		}
		_, obs := d.Run(d.Start(first), in)
		alerts = append(alerts, append(transitions(obs, RuleDrop), transitions(obs, RuleGhosting)...))
	}
	return days, alerts
}

// ofTenant collects the tenant's transitions.
func ofTenant(days []TenantDay) []Transition {
	var out []Transition
	for _, d := range days {
		out = append(out, d.Transitions...)
	}
	return out
}

// spread gives n rates evenly over the logarithm of .2–10.
func spread(n int) []float64 {
	rates := make([]float64, n)
	for p := range rates {
		rates[p] = .2 * math.Pow(50, (float64(p*7%n)+.5)/float64(n))
	}
	return rates
}

func always(int, int) float64 { return 1 }

// firedWithin counts drop and ghosting alerts of partners that fire in the days.
func firedWithin(alerts [][]Transition, from, through Day) int {
	n := 0
	for _, list := range alerts {
		for _, tr := range list {
			if tr.Status == StatusFiring && tr.Day >= from && tr.Day <= through {
				n++
			}
		}
	}
	return n
}

func TestOutageIsOneTenantAlert(t *testing.T) {
	d := build(t, func(c *Config) { c.Dispersion = 4 })
	rates := spread(200)
	for _, begin := range []int{162, 164, 171} { // Wednesday, Friday, Friday
		outage := func(_, day int) float64 {
			if day == begin || day == begin+1 || begin == 164 && day == begin+3 {
				return 0
			}
			return 1
		}
		if begin == 171 {
			begin = 171 + 3
		}
		last := begin + 1
		days, alerts := runTenant(t, d, tenantDays(3, rates, 4, 240, func(p, day int) float64 {
			if day >= begin && day <= last {
				return 0
			}
			return outage(p, -1)
		}))
		_, healthy := runTenant(t, d, tenantDays(3, rates, 4, 240, always))
		got := ofTenant(days)
		working := weekdays[(first+Day(begin)).Weekday()]+weekdays[(first+Day(last)).Weekday()] > 2
		if working && (len(got) != 2 || got[0].Status != StatusFiring || got[1].Status != StatusResolved ||
			got[0].ChangeDay != first+Day(begin) || got[0].Day != first+Day(last) || got[0].Severity != SeverityCritical) {
			t.Errorf("outage from %v: %+v, want one alert and its end", first+Day(begin), got)
		}
		if n, before := firedWithin(alerts, first+Day(begin), first+Day(last)+2), firedWithin(healthy, first+Day(begin), first+Day(last)+2); n > before {
			t.Errorf("outage from %v: %d partner alerts, %d without it", first+Day(begin), n, before)
		}
		for day := begin; day <= last; day++ {
			if !days[day].Frozen && days[day].Weight > .3 {
				t.Errorf("%v is not frozen: %+v", days[day].Day, days[day])
			}
		}
	}
}

func TestPublicHolidayIsNobodysFault(t *testing.T) {
	d := build(t, func(c *Config) { c.Dispersion = 4 })
	rates := spread(200)
	for _, share := range []float64{0, .05, .12, .3, .6} {
		holiday := 164 - 1 // a Thursday
		days, alerts := runTenant(t, d, tenantDays(4, rates, 4, 240, func(_, day int) float64 {
			if day == holiday {
				return share
			}
			return 1
		}))
		if got := ofTenant(days); len(got) != 0 {
			t.Errorf("holiday at %v: %+v, want no tenant alert", share, got)
		}
		_, healthy := runTenant(t, d, tenantDays(4, rates, 4, 240, always))
		if n, before := firedWithin(alerts, first+Day(holiday), first+Day(holiday)+1), firedWithin(healthy, first+Day(holiday), first+Day(holiday)+1); n > before+1 {
			t.Errorf("holiday at %v: %d partner alerts, %d without it", share, n, before)
		}
		if day := days[holiday]; !day.Frozen && math.Abs(math.Log2(day.Factor()/(weekdays[4]*share))) > .35 {
			t.Errorf("holiday at %v: factor %v", share, day.Factor())
		}
	}
}

// One partner with half of all sessions stops: that is a partner's drop.
func TestBigPartnerIsNotTheTenant(t *testing.T) {
	d := build(t, func(c *Config) { c.Dispersion = 4 })
	rates := spread(100)
	total := 0.0
	for _, rate := range rates {
		total += rate
	}
	rates[17] = total
	days, alerts := runTenant(t, d, tenantDays(5, rates, 4, 240, func(p, day int) float64 {
		if p == 17 && day >= 160 {
			return 0
		}
		return 1
	}))
	if got := ofTenant(days); len(got) != 0 {
		t.Errorf("%+v, want no tenant alert", got)
	}
	for _, day := range days[160:] {
		if day.Frozen {
			t.Errorf("%v is frozen", day.Day)
		}
	}
	if n := len(alerts[17]); n == 0 {
		t.Error("the big partner's stop was not noticed")
	}
}

// A week at a third is told, and a level that stays is accepted in the end.
func TestDipAndNewLevel(t *testing.T) {
	d := build(t, nil)
	for _, share := range []float64{.3, 0} {
		days, _ := runTenant(t, d, tenantDays(6, spread(100), 0, 300, func(_, day int) float64 {
			if day >= 150 {
				return share
			}
			return 1
		}))
		got := ofTenant(days)
		if len(got) != 2 || got[0].Status != StatusFiring || got[1].Status != StatusRebaselined {
			t.Fatalf("at %v: %+v, want an alert that ends as accepted", share, got)
		}
		if share > 0 {
			if days[297].Frozen || days[297].Expected == 0 || math.Abs(days[297].Observed/days[297].Expected-1) > .3 {
				t.Errorf("in the end %+v, want an ordinary day of the new level", days[297])
			}
		}
	}
}

// The profile is learnt although it is far from the one assumed.
func TestProfileIsLearnt(t *testing.T) {
	cfg := DefaultTenantConfig()
	m, err := NewTenantModel(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := m.Start(first)
	src := rand.NewPCG(7, 7)
	var last TenantDay
	for day := range 120 {
		var groups [TenantGroups]uint64
		for g := range groups {
			groups[g] = uint64(draw(src, 50, 0)) // the same on Sundays
		}
		s, last = m.Step(s, groups)
		if day > 30 && (math.Abs(last.Factor()-1) > .13 || last.Frozen) {
			t.Errorf("%v: factor %v", last.Day, last.Factor())
		}
	}
	for dow, w := range s.Profile {
		if math.Abs(w-1) > .07 {
			t.Errorf("weekday %d weighs %v, want 1", dow, w)
		}
	}
}

func TestFewPartnersAreNoTenant(t *testing.T) {
	d := build(t, nil)
	days, alerts := runTenant(t, d, tenantDays(8, []float64{3, 3, 3}, 0, 120, func(_, day int) float64 {
		if day >= 100 {
			return 0
		}
		return 1
	}))
	for _, day := range days {
		if day.Frozen || len(day.Transitions) > 0 {
			t.Errorf("%+v, want partners to be judged by themselves", day)
		}
	}
	if firedWithin(alerts, first+100, first+119) < 3 {
		t.Error("the stops were not noticed")
	}
}

// Stored and read back, the model goes on as if it had not been interrupted, and a
// step leaves its argument alone.
func TestTenantCheckpoint(t *testing.T) {
	m, err := NewTenantModel(DefaultTenantConfig())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		level := rapid.SampledFrom([]int{0, 1, 30, 4000})
		s := m.Start(first)
		for range rapid.IntRange(0, 100).Draw(rt, "days") {
			var groups [TenantGroups]uint64
			top := level.Draw(rt, "level")
			for g := range groups {
				groups[g] = uint64(rapid.IntRange(0, top).Draw(rt, "sessions"))
			}
			stored, err := s.Encode()
			if err != nil {
				rt.Fatal(err)
			}
			back, err := m.Resume(stored)
			if err != nil {
				rt.Fatal(err)
			}
			a, da := m.Step(s, groups)
			b, db := m.Step(back, groups)
			if diff := cmp.Diff(da, db); diff != "" {
				rt.Fatal(diff)
			}
			if !(da.Factor() > 0) || math.IsInf(da.Factor(), 0) {
				rt.Fatalf("factor %v", da.Factor())
			}
			again, _ := s.Encode()
			if !bytes.Equal(stored, again) {
				rt.Fatal("the step changed its argument")
			}
			x, _ := a.Encode()
			y, _ := b.Encode()
			if !bytes.Equal(x, y) {
				rt.Fatalf("states differ:\n%s\n%s", x, y)
			}
			s = a
		}
	})
	for _, b := range []string{"", "{}", "null", `{"version":1,"config":"x"}`} {
		if _, err := m.Resume([]byte(b)); !errors.Is(err, ErrState) {
			t.Errorf("%q: %v, want ErrState", b, err)
		}
	}
}

func TestTenantConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*TenantConfig){
		"profile":  func(c *TenantConfig) { c.Profile = [7]float64{} },
		"negative": func(c *TenantConfig) { c.Profile[1] = -1 },
		"memory":   func(c *TenantConfig) { c.HalfLifeDays = 0 },
		"minimum":  func(c *TenantConfig) { c.ExpectedMin = math.NaN() },
		"band":     func(c *TenantConfig) { c.DeadBand = 1 },
		"sigmas":   func(c *TenantConfig) { c.NoiseSigmas = -1 },
		"freeze":   func(c *TenantConfig) { c.FreezeBelow = .9 },
		"outage":   func(c *TenantConfig) { c.OutageDays = 0 },
		"dip":      func(c *TenantConfig) { c.DipDays = 1 },
		"below":    func(c *TenantConfig) { c.DipBelow = .05 },
		"recover":  func(c *TenantConfig) { c.RecoverAbove = .4 },
		"accept":   func(c *TenantConfig) { c.AcceptDays = 1 },
	} {
		cfg := DefaultTenantConfig()
		change(&cfg)
		if _, err := NewTenantModel(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
}

// The dispersion and the prior come back from drawn counts.
func TestMomentsEstimate(t *testing.T) {
	for _, r := range []float64{0, 8, 2} {
		var m Moments
		src := rand.NewPCG(9, uint64(r))
		exposure := 0.0
		for day := range 90 {
			exposure += weekdays[(first + Day(day)).Weekday()]
		}
		const partners, alpha, beta = 3000, 2., 1.5
		for range partners {
			rate := draw(src, 1e6*alpha/beta, alpha) // Gamma, nearly
			counts := make([]uint64, 90)
			sum := uint64(0)
			for day := range counts {
				counts[day] = uint64(draw(src, float64(rate)/1e6*weekdays[(first+Day(day)).Weekday()], r))
				sum += counts[day]
				if day >= 7 {
					a, b := counts[day], counts[day-7]
					m.PairSums += a + b
					m.PairProduct += a * b
					m.PairSquares += (max(a, b) - min(a, b)) * (max(a, b) - min(a, b))
				}
			}
			m.Partners++
			m.Sum += sum
			m.SumSquares += sum * sum
		}
		p := m.Estimate(exposure)
		if r == 0 && !math.IsInf(p.Dispersion, 1) || r > 0 && math.Abs(math.Log(p.Dispersion/r)) > .12 {
			t.Errorf("dispersion %v, want %v (0: Poisson)", p.Dispersion, r)
		}
		if math.Abs(math.Log(p.Sessions/alpha)) > .35 || math.Abs(math.Log(p.Days/beta)) > .35 {
			t.Errorf("r %v: prior %v sessions in %v days, want %v in %v", r, p.Sessions, p.Days, alpha, beta)
		}
	}
	if p := (&Moments{Partners: 3, Sum: 10, SumSquares: 40}).Estimate(80); p != (Prior{}) {
		t.Errorf("three partners gave %+v, want nothing", p)
	}
}

// Segments of other rates have other priors; together they look as spread as they are.
func TestEstimateRateOfSegments(t *testing.T) {
	const days, r = 90., 4.
	var all Moments
	src := rand.NewPCG(21, 22)
	for _, c := range []struct{ alpha, beta float64 }{{2, 8}, {3, .5}} {
		var m Moments
		for range 4000 {
			rate := float64(draw(src, 1e6*c.alpha/c.beta, c.alpha)) / 1e6 // Gamma, nearly
			sum := uint64(0)
			for range int(days) {
				sum += uint64(draw(src, rate, r))
			}
			m.Partners++
			m.Sum += sum
			m.SumSquares += sum * sum
		}
		sessions, in := m.EstimateRate(days, r)
		if math.Abs(math.Log(sessions/c.alpha)) > .3 || math.Abs(math.Log(in/c.beta)) > .3 {
			t.Errorf("prior %v sessions in %v days, want %v in %v", sessions, in, c.alpha, c.beta)
		}
		all.Add(&m)
	}
	sessions, in := all.EstimateRate(days, r)
	if rate := sessions / in; rate < 2.4 || rate > 4 || in > .5 {
		t.Errorf("of all: %v sessions in %v days, want about 3.1 a day, worth less than half a day", sessions, in)
	}
	if sessions, in := (&Moments{Partners: 19, Sum: 100, SumSquares: 900}).EstimateRate(days, r); sessions != 0 || in != 0 {
		t.Errorf("19 partners have a prior of %v in %v", sessions, in)
	}
}
