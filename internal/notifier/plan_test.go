package notifier

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/detect"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func firing(id, partner string, rule detect.Rule, owner string) Alert {
	return Alert{
		Tenant: "demo", ID: id, Partner: partner, Subject: partner, Rule: rule, Status: detect.StatusFiring, Severity: "warning",
		Owner: owner, Data: []byte(`{"drop_pct":70.4,"estimated_change_at":"2026-10-20","suggested_action":"Call."}`), Received: noon.Add(-time.Hour), Sequence: 1,
	}
}

func with(a Alert, status detect.Status, sequence uint64) Alert {
	a.Status, a.Sequence = status, sequence
	return a
}

func endpoint() Endpoint {
	return Endpoint{Name: "crm", Format: Standard, Schedule: Immediate}
}

// said writes notifications as "owner: alert status …", with * before repetitions.
func said(ns []Notification) []string {
	var out []string
	for _, n := range ns {
		s := n.Owner + ":"
		for i, a := range n.Alerts {
			mark := " "
			if n.Repeat[i] {
				mark = " *"
			}
			s += fmt.Sprint(mark, a.ID, " ", a.Status)
		}
		out = append(out, s)
	}
	return out
}

func TestPlan(t *testing.T) {
	drop, ghost := firing("a1", "p", detect.RuleDrop, "kim"), firing("a2", "p", detect.RuleGhosting, "kim")
	other, lapse := firing("a3", "q", detect.RuleDrop, "lee"), firing("a4", "p", alert.RuleTrainingLapse, "kim")
	outage := firing("a9", "-", alert.RuleTenantDrop, "")
	for name, test := range map[string]struct {
		alerts []Alert
		told   map[string]Told
		at     time.Time
		want   []string
	}{
		"news are grouped by owner":                      {alerts: []Alert{other, drop, firing("a5", "r", detect.RuleDrop, "kim")}, want: []string{"kim: a1 firing a5 firing", "lee: a3 firing"}},
		"ghosting says more":                             {alerts: []Alert{drop, ghost, lapse}, want: []string{"kim: a2 firing"}},
		"and less once it is over":                       {alerts: []Alert{drop, with(ghost, detect.StatusResolved, 2), lapse}, want: []string{"kim: a1 firing a4 firing"}},
		"a snoozed source inhibits":                      {alerts: []Alert{drop, with(ghost, alert.Snoozed, 2)}, told: map[string]Told{"a2": {1, noon}}},
		"the whole programme":                            {alerts: []Alert{drop, other, outage}, want: []string{": a9 firing"}},
		"what nobody was told of ends in peace":          {alerts: []Alert{with(drop, detect.StatusResolved, 2)}},
		"what they were told of is told to end":          {alerts: []Alert{with(drop, detect.StatusResolved, 2)}, told: map[string]Told{"a1": {1, noon}}, want: []string{"kim: a1 resolved"}},
		"that it is looked after, too":                   {alerts: []Alert{with(drop, alert.Acknowledged, 2)}, told: map[string]Told{"a1": {1, noon}}, want: []string{"kim: a1 acknowledged"}},
		"not that it is quiet":                           {alerts: []Alert{with(drop, alert.Snoozed, 2)}, told: map[string]Told{"a1": {1, noon}}},
		"told is told":                                   {alerts: []Alert{drop}, told: map[string]Told{"a1": {1, noon}}},
		"a week later it is told again":                  {alerts: []Alert{drop}, told: map[string]Told{"a1": {1, noon}}, at: noon.Add(7 * 24 * time.Hour), want: []string{"kim: *a1 firing"}},
		"not when somebody looks after it":               {alerts: []Alert{with(drop, alert.Acknowledged, 2)}, told: map[string]Told{"a1": {2, noon}}, at: noon.Add(30 * 24 * time.Hour)},
		"the end of what is inhibited is told":           {alerts: []Alert{with(drop, detect.StatusResolved, 2), ghost}, told: map[string]Told{"a1": {1, noon}, "a2": {1, noon}}, want: []string{"kim: a1 resolved"}},
		"an older transition than the told says nothing": {alerts: []Alert{drop}, told: map[string]Told{"a1": {3, noon}}},
	} {
		cfg, e := DefaultConfig(), endpoint()
		at := test.at
		if at.IsZero() {
			at = noon
		}
		if diff := cmp.Diff(test.want, said(cfg.plan(at, &e, test.alerts, test.told))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestADigestIsOfItsHour(t *testing.T) {
	cfg, e := DefaultConfig(), endpoint()
	e.Schedule, e.Hour, e.Timezone = Daily, 8, "Europe/Berlin" // 07:00 UTC in November
	early, late := firing("a1", "p", detect.RuleDrop, "kim"), firing("a2", "q", detect.RuleDrop, "kim")
	early.Received, late.Received = time.Date(2026, 11, 3, 6, 59, 0, 0, time.UTC), time.Date(2026, 11, 3, 7, 1, 0, 0, time.UTC)
	alerts := []Alert{early, late}
	before := time.Date(2026, 11, 3, 6, 59, 59, 0, time.UTC)
	if got := said(cfg.plan(before, &e, alerts, nil)); got != nil {
		t.Errorf("before the hour: %v", got)
	}
	on := cfg.plan(before.Add(time.Second), &e, alerts, nil)
	if diff := cmp.Diff([]string{"kim: a1 firing"}, said(on)); diff != "" {
		t.Error(diff)
	}
	// After a day without the notifier it is told late, and what came since waits.
	later := cfg.plan(before.Add(20*time.Hour), &e, alerts, nil)
	if diff := cmp.Diff(said(on), said(later)); diff != "" || on[0].ID != later[0].ID {
		t.Errorf("later: %s, ids %s %s", diff, on[0].ID, later[0].ID)
	}
	told := map[string]Told{"a1": {1, before.Add(time.Second)}}
	if diff := cmp.Diff([]string{"kim: a2 firing"}, said(cfg.plan(before.Add(24*time.Hour+time.Second), &e, alerts, told))); diff != "" {
		t.Error(diff)
	}
}

// TestADigestRepeatsOnItsWeekday: composed seconds after its hour, and over a change of
// the clocks, it comes a week later and not eight days.
func TestADigestRepeatsOnItsWeekday(t *testing.T) {
	cfg, e := DefaultConfig(), endpoint()
	e.Schedule, e.Hour, e.Timezone = Daily, 8, "Europe/Berlin"
	loc, err := e.location()
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []time.Time{
		time.Date(2026, 11, 3, 8, 0, 7, 0, loc),
		time.Date(2027, 3, 25, 8, 0, 7, 0, loc),  // clocks go forward on the 28th
		time.Date(2026, 10, 22, 8, 0, 7, 0, loc), // and back on the 25th
	} {
		a := firing("a1", "p", detect.RuleDrop, "kim")
		a.Received = first.Add(-time.Hour)
		told := map[string]Told{"a1": {1, first}}
		y, m, d := first.Date()
		early := time.Date(y, m, d+6, 23, 59, 0, 0, loc)
		if got := said(cfg.plan(early, &e, []Alert{a}, told)); got != nil {
			t.Errorf("%s: on %s it says %v", first, early, got)
		}
		due := time.Date(y, m, d+7, 8, 0, 1, 0, loc)
		if diff := cmp.Diff([]string{"kim: *a1 firing"}, said(cfg.plan(due, &e, []Alert{a}, told))); diff != "" {
			t.Errorf("%s: on %s %s", first, due, diff)
		}
	}
}

func TestIdsTellWhatIsTold(t *testing.T) {
	cfg, e := DefaultConfig(), endpoint()
	cfg.AlertsMax = 1
	drop, other := firing("a1", "p", detect.RuleDrop, "kim"), firing("a2", "q", detect.RuleDrop, "kim")
	ids := make(map[string]string)
	note := func(name string, ns []Notification) {
		for i, n := range ns {
			if was, ok := ids[n.ID]; ok {
				t.Errorf("%s and %s have the same id", name, was)
			}
			ids[n.ID] = fmt.Sprint(name, i)
		}
	}
	first := cfg.plan(noon, &e, []Alert{drop, other}, nil)
	if len(first) != 2 {
		t.Fatalf("%d messages for two alerts, one in each", len(first))
	}
	note("first", first)
	again := cfg.plan(noon.Add(time.Minute), &e, []Alert{other, drop}, nil)
	if again[0].ID != first[0].ID || again[1].ID != first[1].ID {
		t.Error("the same news has another id")
	}
	week := 7 * 24 * time.Hour
	note("repeated", cfg.plan(noon.Add(week), &e, []Alert{drop}, map[string]Told{"a1": {1, noon}}))
	note("repeated again", cfg.plan(noon.Add(2*week), &e, []Alert{drop}, map[string]Told{"a1": {1, noon.Add(week)}}))
	note("resolved", cfg.plan(noon, &e, []Alert{with(drop, detect.StatusResolved, 2)}, map[string]Told{"a1": {1, noon}}))
	e.Name = "chat"
	note("another endpoint", cfg.plan(noon, &e, []Alert{drop}, nil))
}

func TestSlackText(t *testing.T) {
	a := firing("a1", "p<!channel>&co", detect.RuleDrop, "kim")
	n := Notification{Tenant: "demo", Owner: "kim", Alerts: []Alert{a}, Repeat: []bool{true}}
	body, err := n.body(Slack, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"text":"*demo*: 1 alert for kim\n• *p&lt;!channel&gt;&amp;co* sessions_drop is firing (warning), 70 % fewer sessions, since 2026-10-20, as told before. Call."}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}
