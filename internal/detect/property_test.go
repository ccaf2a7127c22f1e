package detect

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyDays draws a history with quiet and busy stretches, holidays and outages.
func anyDays(rt *rapid.T) []Input {
	level := rapid.SampledFrom([]int{0, 1, 3, 20})
	var days []Input
	for range rapid.IntRange(1, 5).Draw(rt, "stretches") {
		top := level.Draw(rt, "level")
		for range rapid.IntRange(1, 60).Draw(rt, "length") {
			days = append(days, Input{
				Sessions: rapid.IntRange(0, top).Draw(rt, "sessions"),
				Factor:   rapid.SampledFrom([]float64{1, 1, 1, .1, 1.7}).Draw(rt, "factor"),
				Frozen:   rapid.IntRange(0, 20).Draw(rt, "frozen") == 0,
			})
		}
	}
	return days
}

// Running, stepping and continuing from a stored checkpoint are the same.
func TestAnyCheckpointContinues(t *testing.T) {
	d := build(t, lordenOnly)
	rapid.Check(t, func(rt *rapid.T) {
		days := anyDays(rt)
		wantState, want := d.Run(d.Start(first), days)

		cut := rapid.IntRange(0, len(days)).Draw(rt, "cut")
		s, got := d.Run(d.Start(first), days[:cut])
		stored, err := s.Encode()
		if err != nil {
			rt.Fatal(err)
		}
		s, err = d.Resume(stored)
		if err != nil {
			rt.Fatal(err)
		}
		if again, err := s.Encode(); err != nil || !bytes.Equal(stored, again) {
			rt.Fatalf("round trip changed %s to %s (%v)", stored, again, err)
		}
		for _, in := range days[cut:] {
			var o Observation
			s, o = d.Step(s, in)
			got = append(got, o)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
		a, _ := wantState.Encode()
		b, _ := s.Encode()
		if !bytes.Equal(a, b) {
			rt.Fatalf("states differ:\n%s\n%s", a, b)
		}
	})
}

func TestStepLeavesItsStateAlone(t *testing.T) {
	d := build(t, lordenOnly)
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := d.Run(d.Start(first), anyDays(rt))
		before, _ := s.Encode()
		d.Step(s, Input{Sessions: rapid.IntRange(0, 9).Draw(rt, "sessions")})
		after, _ := s.Encode()
		if !bytes.Equal(before, after) {
			rt.Fatalf("state changed from %s to %s", before, after)
		}
	})
}

// More sessions on a day never raise that day's downward statistics.
func TestMoreSessionsNeverRaiseAStatistic(t *testing.T) {
	for _, r := range []float64{0, .5, 8} {
		d := build(t, func(c *Config) { lordenOnly(c); c.Dispersion = r })
		rapid.Check(t, func(rt *rapid.T) {
			s, _ := d.Run(d.Start(first), anyDays(rt))
			few := rapid.IntRange(0, 50).Draw(rt, "few")
			more := few + rapid.IntRange(1, 50).Draw(rt, "extra")
			low, _ := d.Step(s, Input{Sessions: few, Factor: 1})
			high, _ := d.Step(s, Input{Sessions: more, Factor: 1})
			for i := range low.Bank {
				// A resolved alert restarts the bank at zero, so only lower is possible.
				if high.Bank[i].S > low.Bank[i].S && !s.firing() {
					rt.Fatalf("ρ %v: S = %v with %d sessions, %v with %d", d.cfg.Ratios[i], low.Bank[i].S, few, high.Bank[i].S, more)
				}
			}
			if high.Ghost.S > low.Ghost.S {
				rt.Fatalf("ghosting %v with %d sessions, %v with %d", low.Ghost.S, few, high.Ghost.S, more)
			}
		})
	}
}

func TestIncrement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mu := rapid.Float64Range(0, 1e4).Draw(rt, "mu")
		ratio := rapid.Float64Range(.01, .99).Draw(rt, "ratio")
		r := rapid.Float64Range(.1, 1e3).Draw(rt, "r")
		y := rapid.IntRange(0, 1e5).Draw(rt, "y")
		got := increment(y, mu, ratio, math.Log(ratio), r)
		want := float64(y)*math.Log(ratio) + (float64(y)+r)*math.Log((r+mu)/(r+ratio*mu))
		if math.Abs(got-want) > 1e-9*(1+math.Abs(want)+float64(y)) {
			rt.Fatalf("increment %v, want %v", got, want)
		}
		if next := increment(y+1, mu, ratio, math.Log(ratio), r); next >= got {
			rt.Fatalf("increment rises from %v to %v with one session more", got, next)
		}
		limit := increment(3, 2, ratio, math.Log(ratio), 0)
		if near := increment(3, 2, ratio, math.Log(ratio), 1e9); math.Abs(near-limit) > 1e-6 {
			rt.Fatalf("r → ∞ gives %v, Poisson %v", near, limit)
		}
	})
}

// Published sequences have no gap and alternate between opening and closing.
func TestLifecycleAlternates(t *testing.T) {
	d := build(t, lordenOnly)
	rapid.Check(t, func(rt *rapid.T) {
		days := anyDays(rt)
		for i := range days {
			days[i].Rebaseline = rapid.IntRange(0, 30).Draw(rt, "rebaseline") == 0
		}
		_, obs := d.Run(d.Start(first), days)
		for _, rule := range []Rule{RuleDrop, RuleGhosting, RuleNeverActivated} {
			firing := NoDay
			for i, tr := range transitions(obs, rule) {
				opens := tr.Status == StatusFiring
				if tr.Sequence != i+1 || opens == (firing != NoDay) {
					rt.Fatalf("%v: transition %d is %+v", rule, i, tr)
				}
				if opens {
					firing = tr.Day
				}
				if tr.FiringDay != firing || tr.ChangeDay > tr.Day || tr.ChangeDay < first {
					rt.Fatalf("%v: transition %d is %+v", rule, i, tr)
				}
				if !opens {
					firing = NoDay
				}
			}
		}
	})
}
