package detect

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// first is a Monday.
const first Day = 20003

// usual is the default detector, built once because its table takes most of a
// second.
var usual = sync.OnceValues(func() (*Detector, error) { return New(DefaultConfig()) })

// build makes a detector, with changes to the defaults.
func build(t testing.TB, change func(*Config)) *Detector {
	t.Helper()
	if change == nil {
		d, err := usual()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	cfg := DefaultConfig()
	change(&cfg)
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// lordenOnly saves the table where its exactness does not matter.
func lordenOnly(c *Config) { c.Thresholds = FormLorden }

// constant gives n days of y sessions.
func constant(n, y int) []Input {
	in := make([]Input, n)
	for i := range in {
		in[i] = Input{Sessions: y, Factor: 1}
	}
	return in
}

// transitions collects the published transitions of a rule.
func transitions(obs []Observation, rule Rule) []Transition {
	var out []Transition
	for _, o := range obs {
		for _, tr := range o.Transitions {
			if tr.Rule == rule && tr.Status.Published() {
				out = append(out, tr)
			}
		}
	}
	return out
}

func TestStoppedPartner(t *testing.T) {
	d := build(t, nil)
	before := 60
	s, obs := d.Run(d.Start(first), append(constant(before, 2), constant(30, 0)...))
	got := transitions(obs, RuleGhosting)
	if len(got) != 1 {
		t.Fatalf("%d ghosting transitions, want 1: %+v", len(got), got)
	}
	tr := got[0]
	if tr.Status != StatusFiring || tr.Severity != SeverityCritical || tr.Sequence != 1 {
		t.Errorf("transition %+v, want the first, firing and critical", tr)
	}
	if want := first + Day(before); tr.ChangeDay != want {
		t.Errorf("estimated change on %v, want %v", tr.ChangeDay, want)
	}
	if tr.Day != tr.FiringDay || tr.Day < first+Day(before)+2 || tr.Day > first+Day(before)+6 {
		t.Errorf("fired on %v, want within a week after %v", tr.Day, first+Day(before))
	}
	if tr.Statistic < tr.Threshold || tr.ARL0Days != 728 {
		t.Errorf("statistic %v, threshold %v, ARL₀ %v", tr.Statistic, tr.Threshold, tr.ARL0Days)
	}
	if math.Abs(tr.BaselineRate-2) > .1 || tr.CurrentRate != 0 || tr.DropPct != 100 || tr.DropPctHigh != 100 || tr.DropPctLow >= 100 {
		t.Errorf("rates %v → %v, drop %v%% (%v–%v)", tr.BaselineRate, tr.CurrentRate, tr.DropPct, tr.DropPctLow, tr.DropPctHigh)
	}
	if s.Quiet.Status != StatusFiring || s.LastSeen != first+Day(before)-1 || s.SilentDays != 30 {
		t.Errorf("state %+v", s)
	}
}

func TestHalvedPartnerFiresAndRecovers(t *testing.T) {
	d := build(t, nil)
	days := append(append(constant(90, 8), constant(30, 3)...), constant(40, 8)...)
	_, obs := d.Run(d.Start(first), days)
	got := transitions(obs, RuleDrop)
	if len(got) != 2 || got[0].Status != StatusFiring || got[1].Status != StatusResolved {
		t.Fatalf("transitions %+v, want firing and resolved", got)
	}
	fired, resolved := got[0], got[1]
	if fired.ChangeDay != first+90 {
		t.Errorf("estimated change on %v, want %v", fired.ChangeDay, first+90)
	}
	if fired.Severity != SeverityWarning || fired.CurrentRate != 3 || math.Abs(fired.DropPct-62.5) > 1 ||
		!(fired.DropPctLow < fired.DropPct && fired.DropPct < fired.DropPctHigh) {
		t.Errorf("fired with %+v", fired)
	}
	if resolved.Day <= first+120 || resolved.Day > first+135 || resolved.FiringDay != fired.FiringDay ||
		resolved.Sequence != 2 || resolved.CurrentRate != 8 || resolved.ChangeDay != fired.ChangeDay {
		t.Errorf("resolved with %+v", resolved)
	}
	// The drop was kept out of the baseline.
	if last := obs[len(obs)-1]; math.Abs(last.BaselineRate-8) > .5 || last.Drop.Status != StatusOK {
		t.Errorf("in the end %+v", last)
	}
	if n := len(transitions(obs, RuleGhosting)); n != 0 {
		t.Errorf("%d ghosting transitions, want none", n)
	}
}

func TestGhostReturns(t *testing.T) {
	d := build(t, nil)
	days := append(append(constant(90, 2), constant(20, 0)...), constant(60, 2)...)
	s, obs := d.Run(d.Start(first), days)
	got := transitions(obs, RuleGhosting)
	if len(got) != 2 || got[1].Status != StatusResolved || got[1].Sequence != 2 {
		t.Fatalf("transitions %+v, want firing and resolved", got)
	}
	if s.firing() || s.SilentDays != 0 {
		t.Errorf("in the end %+v", s)
	}
}

func TestPendingComesBeforeFiringAndClears(t *testing.T) {
	d := build(t, nil)
	_, obs := d.Run(d.Start(first), append(append(constant(90, 1), constant(6, 0)...), constant(30, 2)...))
	var seen []Status
	for _, o := range obs {
		for _, tr := range o.Transitions {
			if tr.Rule == RuleGhosting {
				seen = append(seen, tr.Status)
				if tr.Sequence != 0 || tr.FiringDay != NoDay {
					t.Errorf("unpublished transition %+v has a sequence or a firing day", tr)
				}
			}
		}
	}
	if diff := cmp.Diff([]Status{StatusPending, StatusCleared}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestNeverActivated(t *testing.T) {
	d := build(t, nil)
	s, obs := d.Run(d.Start(first), constant(100, 0))
	got := transitions(obs, RuleNeverActivated)
	if len(got) != 1 || got[0].Day != first+29 || got[0].ChangeDay != first || got[0].Severity != SeverityInfo {
		t.Fatalf("transitions %+v, want one after 30 days", got)
	}
	if a, b := transitions(obs, RuleDrop), transitions(obs, RuleGhosting); len(a)+len(b) != 0 {
		t.Errorf("a partner never seen had %v %v", a, b)
	}
	_, obs = d.Run(s, constant(50, 1))
	got = transitions(obs, RuleNeverActivated)
	if len(got) != 1 || got[0].Status != StatusResolved || got[0].Day != first+100 || got[0].Sequence != 2 {
		t.Errorf("transitions %+v, want resolved on the first session", got)
	}
}

func TestTooLittleBaselineNeverFires(t *testing.T) {
	d := build(t, nil)
	// Four sessions are below the least baseline of five.
	days := constant(400, 0)
	for _, i := range []int{0, 3, 9, 15} {
		days[i].Sessions = 1
	}
	_, obs := d.Run(d.Start(first), days)
	for _, o := range obs {
		if o.Armed || len(o.Transitions) > 0 || !math.IsInf(o.Drop.Threshold, 1) {
			t.Fatalf("%v: %+v, want nothing", o.Day, o)
		}
	}
}

func TestEarlyLeaverIsNoticed(t *testing.T) {
	d := build(t, nil)
	_, obs := d.Run(d.Start(first), append(constant(17, 2), constant(40, 0)...))
	got := transitions(obs, RuleGhosting)
	if len(got) != 1 || got[0].ChangeDay != first+17 {
		t.Errorf("transitions %+v, want ghosting since %v", got, first+17)
	}
}

func TestFrozenDaysMoveNothing(t *testing.T) {
	d := build(t, nil)
	s, _ := d.Run(d.Start(first), constant(60, 5))
	frozen := constant(20, 0)
	for i := range frozen {
		frozen[i].Frozen = true
	}
	after, obs := d.Run(s, frozen)
	for _, o := range obs {
		if o.Drop.Statistic != 0 || o.Ghosting.Statistic != 0 || o.Expected != 0 || len(o.Transitions) > 0 {
			t.Fatalf("%+v, want no movement", o)
		}
	}
	if after.SilentDays != 0 || after.Next != s.Next+20 {
		t.Errorf("state %+v", after)
	}
}

func TestHolidayIsNotBlamedOnPartners(t *testing.T) {
	d := build(t, nil)
	days := append(constant(60, 5), constant(3, 0)...)
	for i := range 3 {
		days[60+i].Factor = .02
	}
	_, obs := d.Run(d.Start(first), append(days, constant(10, 5)...))
	for _, o := range obs {
		if len(o.Transitions) > 0 {
			t.Errorf("%v: %+v", o.Day, o.Transitions)
		}
	}
}

func TestWeekdayProfile(t *testing.T) {
	d := build(t, func(c *Config) { c.WeekdayProfile = [7]float64{0, 2, 2, 2, 2, 2, 0} })
	days := constant(140, 4)
	for i := range days {
		if weekday := (first + Day(i)).Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			days[i].Sessions = 0
		}
	}
	_, obs := d.Run(d.Start(first), days)
	last := obs[len(obs)-1]
	if math.Abs(last.BaselineRate-4*5.0/7) > .1 {
		t.Errorf("baseline %v, want %v sessions per average day", last.BaselineRate, 4*5.0/7)
	}
	for _, o := range obs {
		if len(o.Transitions) > 0 {
			t.Errorf("%v: %+v", o.Day, o.Transitions)
		}
	}
}

func TestRebaseline(t *testing.T) {
	d := build(t, nil)
	days := append(constant(90, 8), constant(120, 3)...)
	days[130].Rebaseline = true
	s, obs := d.Run(d.Start(first), days)
	got := transitions(obs, RuleDrop)
	if len(got) != 2 || got[1].Status != StatusRebaselined || got[1].Day != first+130 || got[1].Sequence != 2 {
		t.Fatalf("transitions %+v, want firing and rebaselined", got)
	}
	if last := obs[len(obs)-1]; math.Abs(last.BaselineRate-3) > .2 || s.firing() {
		t.Errorf("in the end %+v", last)
	}
	// Accepting a level when nothing fires changes nothing.
	quiet, _ := d.Step(d.Start(first), Input{Sessions: 1, Rebaseline: true})
	plain, _ := d.Step(d.Start(first), Input{Sessions: 1})
	if diff := cmp.Diff(plain, quiet); diff != "" {
		t.Error(diff)
	}
}

func TestExtremes(t *testing.T) {
	d := build(t, nil)
	tests := map[string][]Input{
		"one day":           constant(1, 1),
		"no day":            nil,
		"zeros only":        constant(1000, 0),
		"huge":              constant(400, math.MaxInt32),
		"huge, then none":   append(constant(100, math.MaxInt32), constant(100, 0)...),
		"none, then huge":   append(constant(100, 0), constant(100, math.MaxInt32)...),
		"negative":          constant(100, -5),
		"strange factors":   {{Sessions: 1, Factor: math.NaN()}, {Sessions: 1, Factor: math.Inf(1)}, {Sessions: 1, Factor: -1}},
		"vanishing factors": append(constant(60, 3), Inputs(make([]int, 60), []float64{1e-300, 1e-300})...),
	}
	for name, days := range tests {
		t.Run(name, func(t *testing.T) {
			s, obs := d.Run(d.Start(first), days)
			if len(obs) != len(days) {
				t.Fatalf("%d observations for %d days", len(obs), len(days))
			}
			if _, err := s.Encode(); err != nil {
				t.Fatal(err)
			}
			for _, o := range obs {
				for _, v := range []float64{o.Expected, o.BaselineRate, o.CurrentRate, o.Drop.Statistic, o.Ghosting.Statistic} {
					if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
						t.Fatalf("%v: %+v", o.Day, o)
					}
				}
			}
		})
	}
}

// BenchmarkStep is one partner's day at the default bank.
func BenchmarkStep(b *testing.B) {
	d := build(b, nil)
	s, _ := d.Run(d.Start(first), constant(60, 2))
	days := []Input{{Sessions: 2, Factor: 1}, {Sessions: 1, Factor: 1}, {Sessions: 3, Factor: 1}}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		d.step(&s, days[i%len(days)])
		i++
	}
}

// BenchmarkNew is the tabulation of the default thresholds.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(DefaultConfig()); err != nil {
			b.Fatal(err)
		}
	}
}
