package e2e

import (
	"testing"
	"time"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/session"
	"partnerpulse/internal/simulate/plan"
)

// TestTheDemoHasNewsOnEveryDay plans the demo as if it were started on each day of a
// fortnight, over new year's holidays and in summer, and detects on the planned
// sessions: on every one some partner that was simulated to stop must have been
// noticed recently enough to be published.
func TestTheDemoHasNewsOnEveryDay(t *testing.T) {
	cfg := aggregator.DefaultConfig()
	detector, err := detect.New(cfg.Detect)
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []plan.Day{plan.Date(2026, time.July, 6), plan.Date(2026, time.December, 27)} {
		for today := first; today < first+14; today++ {
			for _, size := range []struct{ partners, days int }{{200, 90}} {
				news, recovered := recentStops(t, detector, today, size.partners, size.days, cfg.PublishAgeDaysMax)
				if news == 0 {
					t.Errorf("a demo of %d partners started on %s (%s) has no alert to publish", size.partners, today, today.Weekday())
				}
				t.Logf("%s %s, %d partners: %d stopped partners noticed within %d days, %d of them resolved since",
					today, today.Weekday(), size.partners, news, cfg.PublishAgeDaysMax, recovered)
			}
		}
	}
}

// recentStops counts the stopped partners whose alert would be published.
func recentStops(t *testing.T, d *detect.Detector, today plan.Day, partners, days, ageMax int) (news, resolved int) {
	t.Helper()
	w, err := plan.New(plan.Config{
		Seed: 1, Tenant: "demo", Portal: "main", Partners: partners, Start: today - plan.Day(days), Days: days, Location: time.UTC,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range w.Truth().Partners {
		if p.Kind != plan.Stopped || p.Change >= today {
			continue
		}
		counts := make([]int, days) // through yesterday: today is not over
		var events []session.Event
		for day := today - plan.Day(days); day < today; day++ {
			for _, e := range w.Day(p.PartnerID, day) {
				if e.Type.IsInteractive() && !e.Internal {
					events = append(events, session.Event{ID: e.ID, Actor: e.Actor(), SessionID: e.SessionID, Type: e.Type, Time: e.Time})
				}
			}
		}
		for _, s := range session.Split(events, time.UTC) {
			counts[s.Day-int32(today)+int32(days)]++
		}
		_, observed := d.Run(d.Start(detect.Day(today-plan.Day(days))), detect.Inputs(counts, nil))
		noticed, back := false, false
		for _, o := range observed {
			for _, tr := range o.Transitions {
				fresh := int(today)-int(tr.Day) <= ageMax && tr.Day >= detect.Day(p.Change)
				noticed = noticed || fresh && tr.Status == detect.StatusFiring
				back = back || fresh && tr.Status == detect.StatusResolved
			}
		}
		if noticed {
			news++
		}
		if noticed && back {
			resolved++
		}
	}
	return news, resolved
}
