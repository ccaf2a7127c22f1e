package alert

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"partnerpulse/internal/detect"
)

// anew makes findings and spans those of another configuration, which has counted
// the days up to seen again.
func anew(findings []Finding, spans []Span, seen detect.Day) ([]Finding, []Span) {
	for i := range findings {
		findings[i].Old = findings[i].Day <= seen
	}
	for i := range spans {
		spans[i].Rebuilt = true
	}
	return findings, spans
}

func TestAnAlertOutlivesAnotherConfiguration(t *testing.T) {
	rule := detect.RuleDrop
	b := NewBook(nil)
	id := b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 110), never)[0].Alert
	// The new configuration saw the drop three weeks later, long before today.
	findings, spans := anew(found(rule, "p", 121, 0), all(rule, "p", 150), 150)
	if got := b.Reconcile(findings, spans, never); len(got) > 0 {
		t.Fatalf("another configuration says %v", life(got))
	}
	// The next days begin within the episode, whose day is not the alert's.
	carried := []Span{{Fingerprint: detect.Fingerprint("t", "p", rule, "x"), From: 151, Through: 151, Carried: 121}}
	if got := b.Reconcile(nil, carried, never); len(got) > 0 {
		t.Fatalf("a day later: %v", life(got))
	}
	// A late event in between has days counted again, from before the alert's day in one case.
	carried[0].From = 130
	if got := b.Reconcile(nil, carried, never); len(got) > 0 {
		t.Fatalf("after a late event: %v", life(got))
	}
	carried[0].From, carried[0].Through = 152, 152
	got := b.Reconcile(found(rule, "p", 121, 152)[1:], carried, never)
	if diff := cmp.Diff([]string{"2 resolved recovered 152"}, life(got)); diff != "" || got[0].Alert != id {
		t.Errorf("%s of %s, want %s", diff, got[0].Alert, id)
	}
	// That it recovered turns out wrong.
	got = b.Reconcile(nil, carried, never)
	if diff := cmp.Diff([]string{"3 firing reinstated 152"}, life(got)); diff != "" || got[0].Alert != id {
		t.Error(diff)
	}
}

func TestAnotherConfigurationTellsNothingOfThePast(t *testing.T) {
	rule := detect.RuleDrop
	b := NewBook(nil)
	b.Reconcile(found(rule, "open", 100, 0), all(rule, "open", 110), never)
	b.Reconcile(found(rule, "over", 100, 105), all(rule, "over", 110), never)
	spans := slices.Concat(all(rule, "open", 110), all(rule, "over", 110), all(rule, "fresh", 110))
	findings := slices.Concat(found(rule, "over", 100, 0), found(rule, "fresh", 108, 0))
	entries := b.Reconcile(func() ([]Finding, []Span, func(detect.Day) bool) {
		f, s := anew(findings, spans, 110)
		return f, s, never
	}())
	var told []string
	for _, e := range entries {
		if !e.Historical {
			told = append(told, e.Subject+" "+string(e.Status)+" "+string(e.Reason))
		}
	}
	if diff := cmp.Diff([]string{"open resolved superseded"}, told); diff != "" {
		t.Error(diff)
	}
	if again := b.Reconcile(findings, spans, never); len(again) > 0 {
		t.Errorf("a repetition says %v", life(again))
	}
}

func TestLateDataMoveTheDayOfAnAlert(t *testing.T) {
	rule := detect.RuleGhosting
	for _, c := range []struct {
		moved, end detect.Day
		old        bool // the new day is too long ago to be news
		want       []string
	}{
		{moved: 98},
		{moved: 103},
		{moved: 107},
		{moved: 98, end: 109, want: []string{"2 resolved recovered 109"}},
		{moved: 120, want: []string{"2 firing fired 120", "3 resolved retracted 130"}},
		{moved: 120, old: true},
		{moved: 90, end: 95, want: []string{"2 firing fired 90", "3 resolved recovered 95", "4 resolved retracted 130"}},
	} {
		b := NewBook(nil)
		b.Reconcile(found(rule, "p", 100, 0), all(rule, "p", 105), never)
		old := func(detect.Day) bool { return c.old }
		got := b.Reconcile(found(rule, "p", c.moved, c.end), all(rule, "p", 130), old)
		if diff := cmp.Diff(c.want, life(got)); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
	}
}
