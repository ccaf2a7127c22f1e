package aggregator

import (
	"time"

	"partnerpulse/internal/chstore"
)

// alertColumns are the rows of the alerts table.
func alertColumns(tenantID string, records []alertRecord, now time.Time, batch uint64) []chstore.Column {
	n := len(records)
	texts := make(map[string][]string)
	days := make(map[string][]time.Time)
	numbers := make(map[string][]float64)
	sequence, ver := make([]uint32, n), make([]uint64, n)
	published, historical := make([]uint8, n), make([]uint8, n)
	inhibited := make([][]string, n)
	for i := range records {
		r := &records[i]
		actor := ""
		if r.data.Command != nil {
			actor = r.data.Command.Actor
		}
		for name, s := range map[string]string{
			"tenant": tenantID, "partner_id": r.Partner, "subject": r.Subject, "transition_id": r.Transition, "alert_id": r.Alert,
			"fingerprint": r.Fingerprint, "rule": string(r.Rule), "status": string(r.Status), "reason": string(r.Reason),
			"severity": string(r.data.Severity), "command_id": r.Command, "actor": actor, "owner": r.data.Owner, "message": string(r.message),
		} {
			texts[name] = append(texts[name], s)
		}
		for name, d := range map[string]time.Time{
			"day": r.Day.Time(), "firing_day": r.Firing.Time(), "change_day": r.data.ChangeAt.Time(),
			"snoozed_until": r.Until.Time(), "recorded_at": now,
		} {
			days[name] = append(days[name], d)
		}
		for name, f := range map[string]float64{
			"statistic": r.data.Statistic, "threshold": r.data.Threshold, "baseline_rate": r.data.BaselineRate,
			"current_rate": r.data.CurrentRate, "drop_pct": r.data.DropPct,
		} {
			numbers[name] = append(numbers[name], f)
		}
		sequence[i], ver[i], published[i] = uint32(r.Sequence), batch, 1
		if r.Historical {
			published[i], historical[i] = 0, 1
		}
		inhibited[i] = r.data.InhibitedBy
	}
	cols := []chstore.Column{
		{Name: "sequence", Values: sequence}, {Name: "ver", Values: ver}, {Name: "published", Values: published},
		{Name: "historical", Values: historical}, {Name: "inhibited_by", Values: inhibited},
	}
	for name, values := range texts {
		cols = append(cols, chstore.Column{Name: name, Values: values})
	}
	for name, values := range days {
		cols = append(cols, chstore.Column{Name: name, Values: values})
	}
	for name, values := range numbers {
		cols = append(cols, chstore.Column{Name: name, Values: values})
	}
	return cols
}
