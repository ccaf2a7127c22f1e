package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The joint chain against simulation, a start from zero after each alarm. The chain's
// lattice is worth 15 %; 4.5 standard errors of the simulated mean come on top.
func TestBankARLAgainstSimulation(t *testing.T) {
	for _, tt := range []struct{ h, mu, r, truth float64 }{
		{3.3, .3, 0, 1}, {4.37, .3, 0, .6}, {4.37, 1, 0, 1}, {4.37, 3, 0, .6}, {4.37, 10, 0, 1},
		{4.37, 1, 4, 1}, {4.37, 10, 4, 1}, {3.7, 40, 1, .8},
	} {
		src := rand.NewPCG(20261122, uint64(tt.mu*100))
		alarms, days := 0, 0
		var s [2]float64
		for days < 150_000 {
			days++
			y := draw(src, tt.truth*tt.mu, tt.r)
			alarm := false
			for i, ratio := range bankRatios {
				s[i] = max(0, s[i]+increment(y, tt.mu, ratio, math.Log(ratio), tt.r))
				alarm = alarm || s[i] >= tt.h+float64(i)*secondOffset
			}
			if alarm {
				alarms++
				s = [2]float64{}
			}
		}
		want := float64(days) / float64(alarms)
		got := BankARL(tt.h, tt.mu, bankRatios, tt.r, tt.truth*tt.mu)
		if allowed := .15 + 4.5/math.Sqrt(float64(alarms)); math.Abs(got/want-1) > allowed {
			t.Errorf("%+v: run length %.1f, simulated %.1f (%d alarms), allowed ±%.0f %%", tt, got, want, alarms, 100*allowed)
		}
	}
}

// The joint chain has a member alone as its limits: the other cannot make it slower,
// nor faster than the sum of both rates.
func TestBankIsBetweenItsMembers(t *testing.T) {
	for _, r := range []float64{0, 3} {
		for _, mu := range []float64{.2, 1, 5} {
			const h = 4.2
			bank := BankARL(h, mu, bankRatios, r, mu)
			first, second := ARL(h, mu, bankRatios[0], r, mu), ARL(h+secondOffset, mu, bankRatios[1], r, mu)
			if both := 1 / (1/first + 1/second); bank < both*.85 || bank > min(first, second)*1.15 {
				t.Errorf("μ %v, r %v: bank %.0f, members %.0f and %.0f, their rates' sum %.0f", mu, r, bank, first, second, both)
			}
		}
	}
}

// A week of equal days is no week.
func TestWeekOfEqualDays(t *testing.T) {
	got, want := bankWeekARL(4, 1, bankRatios, 3, [7]float64{1, 1, 1, 1, 1, 1, 1}), BankARL(4, 1, bankRatios, 3, 1)
	if math.Abs(got/want-1) > .02 {
		t.Errorf("run length %v, want %v", got, want)
	}
}

// The stored tables are what the chain gives: some rows of each are computed again.
func TestTablesAreReproducible(t *testing.T) {
	rows, err := readBankTable(bankTable, GridRows, len(gridLimits))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []int{38, 164, 251, GridRows - 2} {
		for i, v := range GridRow(row) {
			if math.Abs(min(v, 30)-rows[row][i]) > .0051 {
				t.Errorf("row %d, limit %v: %v, stored %v", row, gridLimits[i], v, rows[row][i])
			}
		}
	}
	weeks, err := readBankTable(bankWeekTable, GridWeekRows, len(gridWeekLimits))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []int{8, 33, GridWeekRows - 1} {
		for i, v := range GridWeekRow(row) {
			if math.Abs(v-weeks[row][i]) > .0051 {
				t.Errorf("week row %d, limit %v: %v, stored %v", row, gridWeekLimits[i], v, weeks[row][i])
			}
		}
	}
}

// A larger budget, a less certain baseline and a higher rate do not lower the limit
// of a partner whose counts are Poisson.
func TestLimitsRise(t *testing.T) {
	few, err := newBankLimits(365, 0, math.Log(30), 90)
	if err != nil {
		t.Fatal(err)
	}
	rare, err := newBankLimits(1460, 0, math.Log(30), 90)
	if err != nil {
		t.Fatal(err)
	}
	for _, mu := range []float64{.05, .2, 1, 4, 20, 1e6} {
		for _, r := range []float64{0, 1e9, 5, .1} {
			for _, spread := range []float64{0, .1, .3, 5} {
				if a, b := few.at(mu, spread, r, 1), rare.at(mu, spread, r, 1); !(b > a) {
					t.Errorf("μ %v, spread %v, r %v: h = %v, and %v for a fourth of the alerts", mu, spread, r, a, b)
				}
				if a, b := rare.at(mu, 0, r, 1), rare.at(mu, spread, r, 1); b < a-1e-9 {
					t.Errorf("μ %v, r %v: h = %v with a known baseline, %v with spread %v", mu, r, a, b, spread)
				}
			}
		}
	}
}
