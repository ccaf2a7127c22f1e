package alert

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
)

// found gives the findings of an episode of partner p.
func found(rule detect.Rule, p string, firing, end detect.Day) []Finding {
	f := Finding{
		Subject: p, Partner: p, Rule: rule, Fingerprint: detect.Fingerprint("t", p, rule, "x"),
		Status: detect.StatusFiring, Day: firing, Firing: firing,
	}
	out := []Finding{f}
	if end > 0 {
		f.Status, f.Day = detect.StatusResolved, end
		out = append(out, f)
	}
	return out
}

func all(rule detect.Rule, p string, through detect.Day) []Span {
	return []Span{{Fingerprint: detect.Fingerprint("t", p, rule, "x"), From: 1, Through: through}}
}

func never(detect.Day) bool { return false }

// life writes entries as "sequence status reason day".
func life(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%d %s %s %d", e.Sequence, e.Status, e.Reason, e.Day))
	}
	return out
}

func TestLateDataTakeAnAlertBackOnce(t *testing.T) {
	rule := detect.RuleGhosting
	b := NewBook(nil)
	said := life(b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 105), never))
	said = append(said, life(b.Reconcile(nil, all(rule, "p", 106), never))...)
	said = append(said, life(b.Reconcile(nil, all(rule, "p", 107), never))...)
	// Later data bring it back, and then it ends.
	said = append(said, life(b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 108), never))...)
	said = append(said, life(b.Reconcile(found(rule, "p", 100, 109), all(rule, "p", 109), never))...)
	said = append(said, life(b.Reconcile(found(rule, "p", 100, 109), all(rule, "p", 110), never))...)
	// Later data show that it did not end.
	said = append(said, life(b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 111), never))...)
	said = append(said, life(b.Reconcile(found(rule, "p", 100, 112), all(rule, "p", 113), never))...)
	want := []string{
		"1 firing fired 100", "2 resolved retracted 106", "3 firing reinstated 108", "4 resolved recovered 109",
		"5 firing reinstated 111", "6 resolved recovered 112",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

func TestDaysThatWereNotSeenSayNothing(t *testing.T) {
	rule := detect.RuleDrop
	b := NewBook(nil)
	b.Reconcile(found(rule, "p", 100, 120), all(rule, "p", 120), never)
	span := []Span{{Fingerprint: detect.Fingerprint("t", "p", rule, "x"), From: 121, Through: 130}}
	if got := b.Reconcile(nil, span, never); len(got) > 0 {
		t.Errorf("an alert of earlier days: %v", life(got))
	}
	if got := b.Reconcile(nil, nil, never); len(got) > 0 {
		t.Errorf("no days at all: %v", life(got))
	}
	// A retracted one stays so while only later days are seen.
	b.Reconcile(nil, all(rule, "p", 130), never)
	span[0].From = 125
	if got := b.Reconcile(nil, span, never); len(got) > 0 {
		t.Errorf("a retracted alert of earlier days: %v", life(got))
	}
}

func TestAnEarlierEpisodeDoesNotRenameALaterOne(t *testing.T) {
	rule := detect.RuleDrop
	b := NewBook(nil)
	b.Reconcile(slices.Concat(found(rule, "p", 50, 60), found(rule, "p", 100, 0)), all(rule, "p", 110), never)
	if got := b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 111), never); len(got) > 0 {
		t.Errorf("told again: %v", life(got))
	}
}

func TestHistoryIsHistoricalToItsEnd(t *testing.T) {
	rule := detect.RuleDrop
	b := NewBook(nil)
	old := func(day detect.Day) bool { return day < 90 }
	entries := b.Reconcile(found(rule, "p", 50, 0), all(rule, "p", 99), old)
	entries = append(entries, b.Reconcile(found(rule, "p", 50, 100), all(rule, "p", 100), old)...)
	entries = append(entries, b.Reconcile(slices.Concat(found(rule, "p", 50, 100), found(rule, "p", 101, 0)), all(rule, "p", 101), old)...)
	var historical []bool
	for _, e := range entries {
		historical = append(historical, e.Historical)
	}
	if diff := cmp.Diff([]bool{true, true, false}, historical); diff != "" {
		t.Error(diff)
	}
}

func TestCommands(t *testing.T) {
	rule := detect.RuleGhosting
	b := NewBook(nil)
	id := b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 100), never)[0].Alert
	var said []Entry
	obey := func(c Command) bool {
		c.Alert = id
		e, ok := b.Obey(c)
		if ok {
			said = append(said, e)
		}
		return ok
	}
	obey(Command{ID: "1", Action: Acknowledge})
	if obey(Command{ID: "1", Action: Acknowledge}) {
		t.Error("a command was obeyed twice")
	}
	if obey(Command{ID: "2", Action: Unsnooze}) {
		t.Error("what is not snoozed was woken")
	}
	obey(Command{ID: "3", Action: Snooze, Until: 110})
	if got := b.Wake(109); len(got) > 0 {
		t.Errorf("woken too early: %v", life(got))
	}
	said = append(said, b.Wake(110)...)
	if got := b.Wake(110); len(got) > 0 {
		t.Errorf("woken twice: %v", life(got))
	}
	said = append(said, b.Reconcile(found(rule, "p", 100, 111), all(rule, "p", 111), never)...)
	if obey(Command{ID: "4", Action: Acknowledge}) || obey(Command{ID: "5", Action: Rebaseline}) {
		t.Error("an alert that is over was commanded")
	}
	want := []string{"2 acknowledged command 100", "3 snoozed command 100", "4 firing snooze_ended 100", "5 resolved recovered 111"}
	if diff := cmp.Diff(want, life(said)); diff != "" {
		t.Error(diff)
	}
}

func TestInhibition(t *testing.T) {
	b := NewBook(nil)
	ghost := b.Reconcile(found(detect.RuleGhosting, "p", 100, 0), nil, never)[0].Alert
	if got := b.Inhibitors(detect.RuleDrop, "p"); !slices.Equal(got, []string{ghost}) {
		t.Errorf("a drop of the same partner: %v", got)
	}
	if got := b.Inhibitors(RuleTrainingLapse, "p"); !slices.Equal(got, []string{ghost}) {
		t.Errorf("a training lapse of the same partner: %v", got)
	}
	for _, free := range []struct {
		rule    detect.Rule
		partner string
	}{{detect.RuleDrop, "q"}, {detect.RuleGhosting, "p"}, {RuleCertificationExpired, "p"}} {
		if got := b.Inhibitors(free.rule, free.partner); len(got) > 0 {
			t.Errorf("%v: %v", free, got)
		}
	}
	outage := b.Reconcile(found(RuleTenantDrop, event.TenantWide, 101, 0), nil, never)[0].Alert
	if got := b.Inhibitors(detect.RuleGhosting, "q"); !slices.Equal(got, []string{outage}) {
		t.Errorf("with the tenant quiet: %v", got)
	}
	b.Reconcile(found(RuleTenantDrop, event.TenantWide, 101, 102), nil, never)
	if got := b.Inhibitors(detect.RuleGhosting, "q"); len(got) > 0 {
		t.Errorf("after the outage: %v", got)
	}
}

// TestReconcileConverges: whatever was told before, after telling what is found now
// an alert is open just when an episode goes on, a repetition says nothing, and a book
// that is read back is the same.
func TestReconcileConverges(t *testing.T) {
	rule := detect.RuleDrop
	rapid.Check(t, func(t *rapid.T) {
		var recorded []Entry
		b := NewBook(nil)
		told := make(map[string]bool)
		for round := range rapid.IntRange(1, 6).Draw(t, "rounds") {
			through := detect.Day(1000 + round)
			var findings []Finding
			day := detect.Day(1)
			standing := 0 // episodes that go on
			for range rapid.IntRange(0, 4).Draw(t, "episodes") {
				day += detect.Day(rapid.IntRange(1, 3).Draw(t, "pause"))
				end := day + detect.Day(rapid.IntRange(1, 3).Draw(t, "length"))
				open := rapid.Bool().Draw(t, "open")
				if open {
					findings = append(findings, found(rule, "p", day, 0)...)
					standing = 1
					break
				}
				findings = append(findings, found(rule, "p", day, end)...)
				day = end
			}
			entries := b.Reconcile(findings, all(rule, "p", through), never)
			recorded = append(recorded, entries...)
			for i, e := range recorded {
				if e.Sequence != i+1 {
					t.Fatalf("entry %d has sequence %d", i, e.Sequence)
				}
			}
			for _, e := range entries {
				if told[e.Transition] {
					t.Fatalf("%s was told twice", e.Transition)
				}
				told[e.Transition] = true
			}
			open := 0
			for _, id := range b.Alerts() {
				if last, _ := b.Last(id); last.Open() {
					open++
				}
			}
			if open != standing {
				t.Fatalf("%d alerts are open, %d episodes go on: %v", open, standing, life(recorded))
			}
			if again := b.Reconcile(findings, all(rule, "p", through), never); len(again) > 0 {
				t.Fatalf("a repetition says %v", life(again))
			}
			b = NewBook(recorded)
			if again := b.Reconcile(findings, all(rule, "p", through), never); len(again) > 0 {
				t.Fatalf("read back it says %v", life(again))
			}
		}
	})
}
