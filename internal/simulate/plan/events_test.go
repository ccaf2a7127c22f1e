package plan

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/event"
	"partnerpulse/internal/eventschema"
	"partnerpulse/schemas"
)

func TestPlannedEventsMeetTheirSchemas(t *testing.T) {
	set, err := eventschema.New(schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	checked := map[event.Type]int{}
	// The first days hold the directory, the later ones the ends of chains.
	for _, d := range []Day{0, 1, 2, 33, 60, 61, 88, 95} {
		for _, e := range w.DayAll(w.cfg.Start + d) {
			if checked[e.Type]++; checked[e.Type] > 3000 {
				continue
			}
			raw, err := Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if problems := set.Check(e.Type, raw); len(problems) > 0 {
				t.Fatalf("%s is invalid: %v\n%s", e.Type, problems[0].Error(), raw)
			}
		}
	}
	if len(checked) < 30 || checked[event.ContentEngaged] < 3000 {
		t.Errorf("the sample is too small: %v", checked)
	}
}

type reading struct {
	ViewID    string `json:"view_id"`
	ContentID string `json:"content_id"`
	EngagedMS int    `json:"engaged_ms"`
	Scroll    int    `json:"max_scroll_pct"`
	Media     int    `json:"media_pct"`
	Pages     int    `json:"pages_seen"`
	SearchID  string `json:"search_id"`
}

func decode[T any](t *testing.T, e *event.Event) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReadingIsCumulativeAndBelongsToAView(t *testing.T) {
	w := newWorld(t, nil)
	last, searches, several := map[string]reading{}, map[string]bool{}, 0
	for d := w.cfg.Start; d < w.cfg.Start+8; d++ {
		for _, e := range w.DayAll(d) {
			switch e.Type {
			case event.SearchPerformed:
				searches[decode[reading](t, e).SearchID] = true
			case event.SearchClicked:
				if !searches[decode[reading](t, e).SearchID] {
					t.Fatalf("a click on a search that was not made: %s", e.Data)
				}
			case event.ContentViewed:
				v := decode[reading](t, e)
				if _, twice := last[v.ViewID]; twice {
					t.Fatalf("view %s begins twice", v.ViewID)
				}
				last[v.ViewID] = reading{ContentID: v.ContentID}
			case event.ContentEngaged:
				v := decode[reading](t, e)
				before, ok := last[v.ViewID]
				if !ok || before.ContentID != v.ContentID {
					t.Fatalf("reading of a view that did not begin: %s", e.Data)
				}
				if v.EngagedMS <= before.EngagedMS || v.Scroll < before.Scroll || v.Media < before.Media || v.Pages < before.Pages {
					t.Fatalf("view %s goes back from %+v to %+v", v.ViewID, before, v)
				}
				if before.EngagedMS > 0 {
					several++
				}
				last[v.ViewID] = v
			}
		}
	}
	if len(last) < 1000 || several < 300 {
		t.Errorf("%d views, %d further flushes: too few to tell", len(last), several)
	}
}

func TestNoNeglectedOrUnpublishedContentIsRead(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Partners = 60 })
	published, views := map[string]Day{}, map[string]int{}
	for _, c := range w.catalog.contents {
		published[c.ID] = c.Published
	}
	total := 0
	history(t, w, func(d Day, e *event.Event) {
		if e.Type != event.ContentViewed {
			return
		}
		v := decode[reading](t, e)
		if d < published[v.ContentID] {
			t.Fatalf("%s is read on %s, before it is published", v.ContentID, d)
		}
		total++
		views[v.ContentID]++
	})
	truth := w.Truth()
	if len(truth.Neglected) < 3 || len(truth.SeenNotRead) < 2 {
		t.Fatalf("labels: %+v", truth)
	}
	fair := total / len(published)
	for _, id := range truth.SeenNotRead {
		if views[id] < fair {
			t.Errorf("%s should be seen often, but has %d views (mean %d)", id, views[id], fair)
		}
	}
}

func TestChainsAreWholeAndInOrder(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Partners = 120 })
	rank := map[event.Type]int{
		event.TrainingEnrolled: 1, event.TrainingStarted: 2, event.TrainingProgressed: 3, event.TrainingCompleted: 4,
		event.TrainingFailed: 5, event.TrainingPassed: 6, event.TrainingCertified: 7,
		event.DealRegistered: 1, event.DealAccepted: 2, event.DealRejected: 2, event.DealStageChanged: 3, event.DealWon: 4, event.DealLost: 4,
	}
	type step struct {
		Registration string `json:"registration"`
		DealID       string `json:"deal_id"`
		Stage        string `json:"stage"`
		PrevStage    string `json:"prev_stage"`
		TicketID     string `json:"ticket_id"`
	}
	at, stage, ended, won := map[string]int{}, map[string]string{}, map[string]bool{}, 0
	history(t, w, func(_ Day, e *event.Event) {
		r, ok := rank[e.Type]
		if !ok {
			return
		}
		v := decode[step](t, e)
		id := v.Registration + v.DealID
		if r > 1 && at[id] == 0 || r < at[id] || ended[id] {
			t.Fatalf("%s of %s comes after step %d (ended: %t)", e.Type, id, at[id], ended[id])
		}
		if v.DealID != "" && v.PrevStage != stage[id] {
			t.Fatalf("%s of %s comes from stage %q, which was %q", e.Type, id, v.PrevStage, stage[id])
		}
		at[id], stage[id] = r, v.Stage
		ended[id] = e.Type == event.DealWon || e.Type == event.DealLost || e.Type == event.DealRejected || e.Type == event.TrainingCertified
		if e.Type == event.DealWon {
			won++
		}
	})
	if len(at) < 600 || won < 40 {
		t.Errorf("%d chains and %d deals won: too few to tell", len(at), won)
	}
}

func TestChainsEndWithinTheDaysLookedBack(t *testing.T) {
	w := newWorld(t, nil)
	kinds := []struct {
		use      stream
		lookback Day
		begin    func(*chain)
	}{
		{streamTraining, trainingLookback, (*chain).train}, {streamPipeline, dealLookback, (*chain).deal},
		{streamSurvey, surveyLookback, func(c *chain) { c.ask("s") }}, {streamService, ticketLookback, func(c *chain) { c.wait(1, 6) }},
	}
	for _, k := range kinds {
		for n := range 20_000 {
			p := &w.partners[n%len(w.partners)]
			from := p.nextOfficeDay(w.cfg.Start + Day(n%400))
			c := &chain{w: w, p: p, r: w.rng(k.use, uint64(n)), day: from, want: -1}
			k.begin(c)
			if c.day-from > k.lookback {
				t.Fatalf("a chain of use %d takes %d days, but only %d are looked back", k.use, c.day-from, k.lookback)
			}
		}
	}
}

func TestHolidaysAreQuiet(t *testing.T) {
	for _, c := range []struct {
		day    Day
		region string
		want   bool
	}{
		{Date(2026, 12, 25), "APAC", true}, {Date(2026, 11, 26), "AMER", true}, {Date(2026, 11, 26), "EMEA", false},
		{Date(2026, 4, 3), "EMEA", true}, {Date(2026, 4, 6), "EMEA", true}, {Date(2026, 4, 6), "AMER", false},
		{Date(2026, 9, 7), "AMER", true}, {Date(2026, 9, 14), "AMER", false}, {Date(2026, 3, 11), "APAC", false},
	} {
		if got := isHoliday(c.day, c.region); got != c.want {
			t.Errorf("isHoliday(%s, %s) = %t, want %t", c.day, c.region, got, c.want)
		}
	}
	// Dates published for Easter Sunday.
	for year, want := range map[int]Day{2024: Date(2024, 3, 31), 2025: Date(2025, 4, 20), 2026: Date(2026, 4, 5), 2038: Date(2038, 4, 25)} {
		if got := easterSunday(year); got != want {
			t.Errorf("Easter %d = %s, want %s", year, got, want)
		}
	}
}

func TestDaysAreCivilDates(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	d := DayOf(time.Date(2026, 10, 24, 23, 30, 0, 0, time.UTC), berlin)
	if d.String() != "2026-10-25" || d.Weekday() != time.Sunday {
		t.Errorf("got %s, %s", d, d.Weekday())
	}
	if hours := (d + 1).Start(berlin).Sub(d.Start(berlin)).Hours(); hours != 25 {
		t.Errorf("the day of the clock change has %g hours, want 25", hours)
	}
	var back Day
	if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
		t.Errorf("%s came back as %s, %v", d, back, err)
	}
	if _, err := ParseDay("2026-13-01"); err == nil {
		t.Error("a thirteenth month was read")
	}
}
