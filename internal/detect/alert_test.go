package detect

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"partnerpulse/schemas"
	"pgregory.net/rapid"
)

func TestIdentifiersAreFixed(t *testing.T) {
	fingerprint := Fingerprint("demo", "p-0001", RuleDrop, "")
	alert := AlertID(fingerprint, first)
	transition := TransitionID(alert, StatusFiring, 1)
	// Consumers keep these: they may never change.
	want := []string{
		"18b6d0d1-a448-55f1-a858-7a2dccd6ffd2",
		"afd67680-0b40-5680-b702-bf95735ffffd",
		"a666d642-a6c3-58e6-b7d1-27e41d962db9",
	}
	for i, got := range []string{fingerprint, alert, transition} {
		if got != want[i] {
			t.Errorf("identifier %d is %s, want %s", i, got, want[i])
		}
	}
}

func TestFingerprintsDiffer(t *testing.T) {
	part := rapid.StringMatching(`[a-c: 0-9]{0,4}`)
	rapid.Check(t, func(rt *rapid.T) {
		a := [4]string{part.Draw(rt, "a0"), part.Draw(rt, "a1"), part.Draw(rt, "a2"), part.Draw(rt, "a3")}
		b := [4]string{part.Draw(rt, "b0"), part.Draw(rt, "b1"), part.Draw(rt, "b2"), part.Draw(rt, "b3")}
		same := Fingerprint(a[0], a[1], Rule(a[2]), a[3]) == Fingerprint(b[0], b[1], Rule(b[2]), b[3])
		if same != (a == b) {
			rt.Fatalf("%q and %q: same fingerprint is %v", a, b, same)
		}
	})
}

func TestDay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := Day(rapid.Int32Range(-200000, 200000).Draw(rt, "day"))
		if got := DayOf(d.Time()); got != d {
			rt.Fatalf("%v came back as %v", d, got)
		}
		if d.Weekday() != d.Time().Weekday() {
			rt.Fatalf("%v is a %v, not a %v", d, d.Time().Weekday(), d.Weekday())
		}
		b, err := json.Marshal(d)
		if err != nil {
			rt.Fatal(err)
		}
		var back Day
		if err := json.Unmarshal(b, &back); err != nil || back != d {
			rt.Fatalf("%s came back as %v (%v)", b, back, err)
		}
	})
	zone := time.FixedZone("UTC+14", 14*3600)
	if got := DayOf(time.Date(2026, 1, 1, 1, 0, 0, 0, zone)).String(); got != "2026-01-01" {
		t.Errorf("day %s, want the one that the tenant's clock shows", got)
	}
	var d Day
	if err := d.UnmarshalText([]byte("yesterday")); err == nil {
		t.Error("a word was read as a day")
	}
}

// schemaOf compiles one of the alert schemas.
func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	files, err := fs.Glob(schemas.Alerts, "alerts/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("alert schemas %v: %v", files, err)
	}
	const base = "https://schemas.partnerpulse.dev/"
	for _, file := range files {
		b, err := schemas.Alerts.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := compiler.AddResource(base+file, document); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	schema, err := compiler.Compile(base + "alerts/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// message is what a publisher makes of a transition.
func message(kind string, tr Transition) map[string]any {
	fingerprint := Fingerprint("demo", "p-0001", tr.Rule, "")
	alert := AlertID(fingerprint, tr.FiringDay)
	data := map[string]any{
		"alert_id": alert, "fingerprint": fingerprint, "rule": tr.Rule, "status": tr.Status,
		"severity": tr.Severity, "starts_at": tr.FiringDay, "estimated_change_at": tr.ChangeDay,
		"detected_at": tr.FiringDay, "resolved_at": nil, "baseline_rate": tr.BaselineRate,
		"current_rate": tr.CurrentRate, "drop_pct": tr.DropPct, "drop_pct_low": tr.DropPctLow,
		"drop_pct_high": tr.DropPctHigh, "statistic": tr.Statistic, "threshold": tr.Threshold,
		"arl0_days": tr.ARL0Days, "p_alive": nil, "score_before": 61.5, "score_after": nil,
		"contributing_components": []any{map[string]any{"component": "activity", "points": -8.25}},
		"evidence":                map[string]any{"event_ids": []string{"e-1"}, "days": []Day{tr.ChangeDay}},
		"owner":                   "", "suggested_action": "Call them.", "model_version": "m1", "sequence": tr.Sequence,
	}
	if tr.Status != StatusFiring {
		data["resolved_at"] = tr.Day
	}
	return map[string]any{
		"specversion": "1.0", "id": TransitionID(alert, tr.Status, tr.Sequence), "source": "/demo",
		"type": kind, "subject": "p-0001", "time": "2026-11-22T10:00:00.000Z",
		"datacontenttype": "application/json", "tenant": "demo", "data": data,
	}
}

// check validates the JSON of v.
func check(t *testing.T, schema *jsonschema.Schema, v any) error {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestTransitionsFitTheSchemas(t *testing.T) {
	drop, state := schemaOf(t, "drop.json"), schemaOf(t, "alert-state.json")
	d := build(t, nil)
	days := append(constant(40, 0), append(constant(90, 6), constant(40, 2)...)...)
	days = append(days, append(constant(60, 6), append(constant(20, 0), constant(30, 6)...)...)...)
	_, obs := d.Run(d.Start(first), days)
	seen := map[Rule]int{}
	for _, rule := range []Rule{RuleDrop, RuleGhosting, RuleNeverActivated} {
		for _, tr := range transitions(obs, rule) {
			seen[rule]++
			if err := check(t, drop, message("partnerpulse.drop.v1", tr)); err != nil {
				t.Errorf("%+v: %v", tr, err)
			}
			if err := check(t, state, message("partnerpulse.alert-state.v1", tr)); err != nil {
				t.Errorf("%+v: %v", tr, err)
			}
		}
		if seen[rule] < 2 {
			t.Errorf("%v: %d transitions, want an alert and its end", rule, seen[rule])
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := schemaOf(t, "drop.json")
	good := Transition{
		Rule: RuleDrop, Status: StatusFiring, Severity: SeverityWarning, Day: first, FiringDay: first,
		ChangeDay: first - 5, Sequence: 1, Statistic: 5, Threshold: 4.5, ARL0Days: 730,
		BaselineRate: 4, CurrentRate: 2, DropPct: 50, DropPctLow: 20, DropPctHigh: 70,
	}
	if err := check(t, schema, message("partnerpulse.drop.v1", good)); err != nil {
		t.Fatalf("a good message: %v", err)
	}
	spoil := map[string]func(envelope, data map[string]any){
		"no specversion":     func(e, _ map[string]any) { delete(e, "specversion") },
		"other type":         func(e, _ map[string]any) { e["type"] = "partnerpulse.alert-state.v1" },
		"random id":          func(e, _ map[string]any) { e["id"] = "5f1c5e9a-9f2c-4bde-8d3c-0123456789ab" },
		"no data":            func(e, _ map[string]any) { delete(e, "data") },
		"local time":         func(e, _ map[string]any) { e["time"] = "2026-11-22T10:00:00" },
		"pending":            func(_, d map[string]any) { d["status"] = "pending" },
		"rule about content": func(_, d map[string]any) { d["rule"] = "neglected" },
		"no sequence":        func(_, d map[string]any) { delete(d, "sequence") },
		"sequence 0":         func(_, d map[string]any) { d["sequence"] = 0 },
		"no baseline":        func(_, d map[string]any) { delete(d, "baseline_rate") },
		"drop of 101 %":      func(_, d map[string]any) { d["drop_pct"] = 101 },
		"firing, yet ended":  func(_, d map[string]any) { d["resolved_at"] = "2026-11-22" },
		"resolved, no end":   func(_, d map[string]any) { d["status"] = "resolved" },
	}
	for name, change := range spoil {
		bad := message("partnerpulse.drop.v1", good)
		change(bad, bad["data"].(map[string]any))
		if err := check(t, schema, bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
