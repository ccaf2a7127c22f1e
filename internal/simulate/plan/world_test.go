package plan

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/event"
)

func newWorld(t testing.TB, change func(*Config)) *World {
	t.Helper()
	cfg := DefaultConfig(Date(2026, 11, 18))
	if change != nil {
		change(&cfg)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func encoded(t testing.TB, events []event.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	for i := range events {
		raw, err := Encode(&events[i])
		if err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func TestSameSeedGivesSameBytesInAnyOrder(t *testing.T) {
	a, b := newWorld(t, nil), newWorld(t, nil)
	if diff := cmp.Diff(a.Truth(), b.Truth()); diff != "" {
		t.Fatalf("fates differ:\n%s", diff)
	}
	type key struct {
		partner string
		day     Day
	}
	forward, events := map[key][]byte{}, 0
	for d := a.cfg.Start; d < a.cfg.Start+20; d++ {
		for _, p := range a.Partners()[:30] {
			planned := a.Day(p.ID, d)
			events += len(planned)
			forward[key{p.ID, d}] = encoded(t, planned)
		}
	}
	if events < 5000 {
		t.Fatalf("only %d events were compared", events)
	}
	for d := a.cfg.Start + 19; d >= a.cfg.Start; d-- {
		for _, p := range slices.Backward(b.Partners()[:30]) {
			if !bytes.Equal(forward[key{p.ID, d}], encoded(t, b.Day(p.ID, d))) {
				t.Fatalf("%s on %s differs when planned in another order", p.ID, d)
			}
		}
	}
}

func TestSeedAndTenantChangeTheIDs(t *testing.T) {
	base := newWorld(t, nil)
	ids := map[string]bool{}
	for _, e := range base.Day("p-0002", base.cfg.Start+3) {
		ids[e.ID] = true
	}
	for name, change := range map[string]func(*Config){
		"seed": func(c *Config) { c.Seed++ }, "tenant": func(c *Config) { c.Tenant = "other" },
	} {
		w := newWorld(t, change)
		for d := w.cfg.Start; d < w.cfg.Start+7; d++ {
			for _, e := range w.Day("p-0002", d) {
				if ids[e.ID] {
					t.Fatalf("another %s plans the same id %s", name, e.ID)
				}
			}
		}
	}
}

// history visits the events of all days before today.
func history(t *testing.T, w *World, visit func(Day, *event.Event)) {
	t.Helper()
	for d := w.cfg.Start; d < w.Today(); d++ {
		for _, e := range w.DayAll(d) {
			visit(d, e)
		}
	}
}

func TestHistoryHasTheVolumeAndShapeOfAProgramme(t *testing.T) {
	w := newWorld(t, nil)
	ids, sessions := map[string]bool{}, map[string]bool{}
	inSessions := 0
	people := map[Day]map[string]bool{}
	var last time.Time
	types, crawled, internal := map[event.Type]int{}, 0, 0
	history(t, w, func(d Day, e *event.Event) {
		if ids[e.ID] {
			t.Fatalf("id %s is planned twice", e.ID)
		}
		ids[e.ID] = true
		types[e.Type]++
		if DayOf(e.Time, time.UTC) != d || e.Time.Before(last) || e.Time.Nanosecond()%1e6 != 0 {
			t.Fatalf("%s of %s at %s is outside its day, out of order, or finer than a millisecond", e.Type, d, e.Time)
		}
		last = e.Time
		if e.SessionID != "" {
			sessions[e.SessionID], inSessions = true, inSessions+1
			if people[d] == nil {
				people[d] = map[string]bool{}
			}
			people[d][e.SessionID] = true
		}
		if slices.Contains(bots(), e.Context.UserAgent) {
			crawled++
		}
		if e.Internal {
			internal++
		}
	})
	if len(ids) < 300_000 || len(ids) > 500_000 {
		t.Errorf("%d events in 90 days of 200 partners, want 300k to 500k", len(ids))
	}
	if mean := float64(inSessions) / float64(len(sessions)); mean < 8 || mean > 12 {
		t.Errorf("%.1f events a session, want 8 to 12", mean)
	}
	for _, kind := range event.Types() {
		if types[kind] == 0 && kind != event.ContentRetired {
			t.Errorf("no %s in the whole history", kind)
		}
	}
	if crawled == 0 || crawled > len(ids)/50 || internal == 0 || internal > len(ids)/50 {
		t.Errorf("%d events of bots and %d internal ones: want a few", crawled, internal)
	}
	working, weekend := 0.0, 0.0
	for d, s := range people {
		if d.IsWeekend() {
			weekend += float64(len(s)) / 2
		} else {
			working += float64(len(s)) / 5
		}
	}
	if ratio := weekend / working; ratio < .03 || ratio > .25 {
		t.Errorf("a weekend day has %.2f of a working day's sessions, want 0.03 to 0.25", ratio)
	}
}

func TestStoppedAndNeverActivatedPartnersAreSilent(t *testing.T) {
	w := newWorld(t, nil)
	stopped, never := 0, 0
	for _, p := range w.Truth().Partners {
		switch {
		case p.Kind == NeverActivated:
			never++
			for d := w.cfg.Start; d < w.Today()+30; d++ {
				if n := len(w.Day(p.PartnerID, d)); n > 0 {
					t.Fatalf("%s was never activated but has %d events on %s", p.PartnerID, n, d)
				}
			}
		case p.Kind == Stopped && p.Change < w.Today():
			stopped++
			before := 0
			for d := p.Change - 14; d < p.Change; d++ {
				before += len(w.Day(p.PartnerID, d))
			}
			if before < 50 {
				t.Errorf("%s had only %d events in the 14 days before it stopped: nobody would notice", p.PartnerID, before)
			}
			for d := p.Change; d < w.Today()+60; d++ {
				if n := len(w.Day(p.PartnerID, d)); n > 0 || w.Rate(p.PartnerID, d) != 0 {
					t.Fatalf("%s stopped on %s but has %d events on %s", p.PartnerID, p.Change, n, d)
				}
			}
		}
	}
	if stopped < 8 || stopped > 20 || never < 3 {
		t.Errorf("%d stopped and %d never activated", stopped, never)
	}
}

func TestRecentStopsBecomeSignificantInTheLastDays(t *testing.T) {
	w := newWorld(t, nil)
	ages := map[int]int{}
	for _, p := range w.Truth().Partners {
		if p.Kind != Stopped || p.Change >= w.Today() {
			continue
		}
		healthy, missed := w.partners[w.index[p.PartnerID]], 0.0
		for d := p.Change; d < w.Today(); d++ {
			if missed += healthy.normalRate(d); missed >= 5 {
				ages[int(w.Today()-d)]++
				break
			}
		}
	}
	recent, old := 0, 0
	for age, n := range ages {
		if age <= 6 {
			recent += n
		} else if age > 10 {
			old += n
		}
	}
	if recent < 4 || old < 4 {
		t.Errorf("5 expected sessions were missed so many days ago by so many partners: %v; want some at 1–6 days and some long ago", ages)
	}
}

func TestFadingAndRecoveringChangeTheRate(t *testing.T) {
	w := newWorld(t, nil)
	sum := func(partner string, from, through Day) (planned, expected float64) {
		seen := map[string]bool{}
		for d := from; d < through; d++ {
			expected += w.Rate(partner, d)
			for _, e := range w.Day(partner, d) {
				if e.SessionID != "" {
					seen[e.SessionID] = true
				}
			}
		}
		return float64(len(seen)), expected
	}
	fading, recovering := 0, 0
	for _, p := range w.Truth().Partners {
		from, through := p.Change, w.Today()
		switch p.Kind {
		case Fading:
			fading++
			from += Day(2 * p.HalfLifeDays)
		case Recovering:
			recovering++
			through = p.End
		default:
			continue
		}
		before, _ := sum(p.PartnerID, p.Change-28, p.Change)
		after, expected := sum(p.PartnerID, from, through)
		perDayBefore, perDayAfter := before/28, after/float64(through-from)
		if perDayAfter > .45*perDayBefore {
			t.Errorf("%s (%s) had %.2f sessions a day before %s and %.2f after", p.PartnerID, p.Kind, perDayBefore, p.Change, perDayAfter)
		}
		if math.Abs(after-expected) > 6*math.Sqrt(expected+1) {
			t.Errorf("%s: %g sessions planned, Rate expects %.1f", p.PartnerID, after, expected)
		}
	}
	if fading < 4 || recovering < 3 {
		t.Errorf("%d fading and %d recovering partners", fading, recovering)
	}
}

func TestEventsFromAnInstantAreTheRestOfThePlan(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Partners = 20 })
	start := w.cfg.Start.Start(time.UTC)
	var all []string
	var cut time.Time
	for e := range w.Events(start) {
		if len(all) == 700 {
			cut = e.Time
		}
		if all = append(all, e.ID); len(all) == 1500 {
			break
		}
	}
	var rest []string
	for e := range w.Events(cut) {
		if rest = append(rest, e.ID); len(rest) == 700 {
			break
		}
	}
	at := slices.Index(all, rest[0])
	if at < 0 || at > 700 {
		t.Fatalf("the rest begins at event %d of the whole, want the first of the instant of event 700", at)
	}
	if diff := cmp.Diff(all[at:at+700], rest); diff != "" {
		t.Errorf("the rest is not the plan's:\n%s", diff)
	}
}

func TestBadConfigsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no tenant": func(c *Config) { c.Tenant = "" }, "no partners": func(c *Config) { c.Partners = 0 },
		"too many": func(c *Config) { c.Partners = 10000 }, "no days": func(c *Config) { c.Days = 0 },
		"before 1970": func(c *Config) { c.Start = -1 },
	} {
		cfg := DefaultConfig(Date(2026, 1, 1))
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnyWorldPlansWithinItsDays(t *testing.T) {
	zones := []*time.Location{time.UTC, nil, time.FixedZone("east", 13*3600), time.FixedZone("west", -11*3600)}
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Seed: rapid.Uint64().Draw(t, "seed"), Tenant: "t", Portal: "p",
			Partners: rapid.IntRange(1, 40).Draw(t, "partners"), Days: rapid.IntRange(1, 120).Draw(t, "days"),
			Start: Day(rapid.IntRange(0, 40000).Draw(t, "start")), Location: rapid.SampledFrom(zones).Draw(t, "zone"),
		}
		w, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d := cfg.Start + Day(rapid.IntRange(-2, 130).Draw(t, "day"))
		for _, e := range w.DayAll(d) {
			if d < cfg.Start || DayOf(e.Time, w.cfg.Location) != d {
				t.Fatalf("%s at %s is planned for %s", e.Type, e.Time, d)
			}
			if e.PartnerID == "" || e.Actor() == "" && !e.Type.IsDirectory() {
				t.Fatalf("%s has partner %q and actor %q", e.Type, e.PartnerID, e.Actor())
			}
		}
		for _, p := range w.Truth().Partners {
			if p.Kind == Stopped && (p.Change < cfg.Start || p.Change > w.Today()+60) {
				t.Fatalf("%s stops on %s, the history is %s to %s", p.PartnerID, p.Change, cfg.Start, w.Today())
			}
		}
	})
}

func TestLoadIsHealthyUniqueAndRepeatable(t *testing.T) {
	w := newWorld(t, nil)
	take := func(run uint64) (ids []string) {
		for e := range w.Load(run) {
			if k := w.partners[w.index[e.PartnerID]].Fate.Kind; k != Steady && k != Growing {
				t.Fatalf("the load visits %s, which is %s", e.PartnerID, k)
			}
			if ids = append(ids, e.ID); len(ids) == 3000 {
				break
			}
		}
		return ids
	}
	a, b, other := take(1), take(1), take(2)
	if !slices.Equal(a, b) {
		t.Error("one run's load differs when planned twice")
	}
	seen := map[string]bool{}
	for _, id := range append(a, other...) {
		if seen[id] {
			t.Fatalf("id %s comes twice", id)
		}
		seen[id] = true
	}
}

func BenchmarkDayAll(b *testing.B) {
	w := newWorld(b, nil)
	events := 0
	for n := 0; b.Loop(); n++ {
		events += len(w.DayAll(w.cfg.Start + Day(n%w.cfg.Days)))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(events, 1)), "ns/event")
}
