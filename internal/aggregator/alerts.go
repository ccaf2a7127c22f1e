package aggregator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
	"partnerpulse/internal/kafkabus"
	"partnerpulse/internal/score"
)

// knownAlert is a transition that has been recorded.
type knownAlert struct {
	Partner     string `ch:"partner_id"`
	Transition  string `ch:"transition_id"`
	Alert       string `ch:"alert_id"`
	Fingerprint string `ch:"fingerprint"`
	Rule        string `ch:"rule"`
	Status      string `ch:"status"`
	Sequence    uint32 `ch:"sequence"`
	Published   uint8  `ch:"published"`
	Message     string `ch:"message"`
}

// alertRecord is a transition on its way to the topics and into the alerts table.
type alertRecord struct {
	transition
	fingerprint, alertID, transitionID string
	historical                         bool
	message                            []byte // empty when historical
}

// alert publishes the transitions that have not been recorded yet, then records
// them. Identities come from what the alert is about, so a repetition after a
// crash between the two says the same again under the same id.
func (a *Aggregator) alert(ctx context.Context, t *tenant, p chstore.Params, h horizon, found []transition, work *Work) error {
	if len(found) == 0 {
		return nil
	}
	var known []knownAlert
	if err := a.deps.Store.Select(ctx, &known, query("known_alerts"), p); err != nil {
		return fmt.Errorf("reading known alerts: %w", err)
	}
	recorded := make(map[string]bool, len(known))
	for _, k := range known {
		recorded[k.Transition] = true
	}
	var fresh []alertRecord
	for _, f := range found {
		r := identify(t.id, f)
		if !recorded[r.transitionID] {
			r.historical = f.rerun || h.today-int32(f.Day) > int32(a.cfg.PublishAgeDaysMax)
			fresh = append(fresh, r)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := a.compose(ctx, t, p, fresh); err != nil {
		return err
	}
	msgs := alertMessages(t.id, fresh)
	states, err := stateMessages(t, known, fresh)
	if err != nil {
		return fmt.Errorf("composing alert states: %w", err)
	}
	if msgs = append(msgs, states...); len(msgs) > 0 {
		if err := a.publish(ctx, msgs); err != nil {
			return fmt.Errorf("publishing alerts: %w", err)
		}
	}
	if err := a.deps.Store.InsertColumns(ctx, "alerts", alertColumns(t.id, fresh, a.deps.Now(), p["batch"].(uint64))); err != nil {
		return fmt.Errorf("recording alerts: %w", err)
	}
	for _, r := range fresh {
		how := "published"
		if r.historical {
			how = "historical"
		} else {
			work.Alerts++
		}
		a.metrics.alerts.WithLabelValues(string(r.Rule), string(r.Status), how).Inc()
	}
	return nil
}

// component is what the detector watches; it is part of the fingerprint.
const component = "sessions"

func identify(tenantID string, f transition) alertRecord {
	r := alertRecord{transition: f}
	r.fingerprint = detect.Fingerprint(tenantID, f.partner, f.Rule, component)
	r.alertID = detect.AlertID(r.fingerprint, f.FiringDay)
	r.transitionID = detect.TransitionID(r.alertID, f.Status, f.Sequence)
	return r
}

// scoreAt is a score on a day.
type scoreAt struct {
	Partner string  `ch:"partner_id"`
	Day     int32   `ch:"day"`
	Score   int64   `ch:"score"` // millionths, score.NoScore
	Points  []int64 `ch:"points"`
}

// compose writes the messages of the records to publish, with the scores before
// the change and on the day.
func (a *Aggregator) compose(ctx context.Context, t *tenant, p chstore.Params, records []alertRecord) error {
	var partners []string
	var days []int32
	for _, r := range records {
		if !r.historical {
			partners = append(partners, r.partner, r.partner)
			days = append(days, int32(r.ChangeDay)-1, int32(r.Day))
		}
	}
	if len(partners) == 0 {
		return nil
	}
	var rows []scoreAt
	if err := a.deps.Store.Select(ctx, &rows, query("alert_scores"), with(p, chstore.Params{"partners": partners, "days": days})); err != nil {
		return fmt.Errorf("reading scores of alerts: %w", err)
	}
	type key struct {
		partner string
		day     int32
	}
	scores := make(map[key]scoreAt, len(rows))
	for _, r := range rows {
		scores[key{r.Partner, r.Day}] = r
	}
	for i := range records {
		r := &records[i]
		if r.historical {
			continue
		}
		before, hasBefore := scores[key{r.partner, int32(r.ChangeDay) - 1}]
		after, hasAfter := scores[key{r.partner, int32(r.Day)}]
		data := newAlertData(r, t.model.Version)
		if hasBefore && before.Score != score.NoScore {
			data.ScoreBefore = points(before.Score)
		}
		if hasAfter && after.Score != score.NoScore {
			data.ScoreAfter = points(after.Score)
		}
		if hasBefore && hasAfter {
			data.Components = contributions(before.Points, after.Points)
		}
		var err error
		if r.message, err = data.cloudEvent(t, r); err != nil {
			return fmt.Errorf("composing alert %s: %w", r.transitionID, err)
		}
	}
	return nil
}

// alertMessages are the records for the drop topic.
func alertMessages(tenantID string, records []alertRecord) []kafkabus.Message {
	var out []kafkabus.Message
	for _, r := range records {
		if !r.historical {
			out = append(out, kafkabus.Message{
				Topic: kafkabus.TopicDrop, Key: []byte(event.Key(tenantID, r.partner)), Value: r.message,
			})
		}
	}
	return out
}

// stateMessages give the current alerts of each partner with news. The key is the
// partner, as on every topic, so the compacted topic keeps one record per partner:
// the alert that changed last, and under "alerts" the state of all its fingerprints.
func stateMessages(t *tenant, known []knownAlert, fresh []alertRecord) ([]kafkabus.Message, error) {
	current := make(map[string]map[string]jsontext.Value) // partner, fingerprint; later sequences overwrite
	put := func(partner, fingerprint string, message []byte) error {
		if len(message) == 0 {
			return nil
		}
		data, err := dataOf(message)
		if current[partner] == nil {
			current[partner] = make(map[string]jsontext.Value)
		}
		current[partner][fingerprint] = data
		return err
	}
	var errs []error
	for _, k := range known { // ordered by sequence
		errs = append(errs, put(k.Partner, k.Fingerprint, []byte(k.Message)))
	}
	newest := make(map[string]*alertRecord)
	for i := range fresh {
		r := &fresh[i]
		errs = append(errs, put(r.partner, r.fingerprint, r.message))
		if n := newest[r.partner]; !r.historical && (n == nil || r.Day >= n.Day) {
			newest[r.partner] = r
		}
	}
	var out []kafkabus.Message
	for _, partner := range slices.Sorted(maps.Keys(newest)) {
		alerts := []jsontext.Value{}
		for _, fingerprint := range slices.Sorted(maps.Keys(current[partner])) {
			alerts = append(alerts, current[partner][fingerprint])
		}
		value, err := stateMessage(t, newest[partner], current[partner][newest[partner].fingerprint], alerts)
		errs = append(errs, err)
		out = append(out, kafkabus.Message{Topic: kafkabus.TopicAlertState, Key: []byte(event.Key(t.id, partner)), Value: value})
	}
	return out, errors.Join(errs...)
}

// alertColumns are the rows of the alerts table.
func alertColumns(tenantID string, records []alertRecord, now time.Time, batch uint64) []chstore.Column {
	strings := make([][]string, 9)
	var sequence []uint32
	dates := make([][]time.Time, 4)
	numbers := make([][]float64, 5)
	flags := make([][]uint8, 2)
	var ver []uint64
	for _, r := range records {
		for i, s := range []string{
			tenantID, r.partner, r.transitionID, r.alertID, r.fingerprint,
			string(r.Rule), string(r.Status), string(r.Severity), string(r.message),
		} {
			strings[i] = append(strings[i], s)
		}
		sequence = append(sequence, uint32(r.Sequence))
		for i, d := range []time.Time{r.Day.Time(), r.FiringDay.Time(), r.ChangeDay.Time(), now} {
			dates[i] = append(dates[i], d)
		}
		for i, f := range []float64{r.Statistic, r.Threshold, r.BaselineRate, r.CurrentRate, r.DropPct} {
			numbers[i] = append(numbers[i], f)
		}
		historical := uint8(0)
		if r.historical {
			historical = 1
		}
		flags[0], flags[1] = append(flags[0], 1-historical), append(flags[1], historical)
		ver = append(ver, batch)
	}
	return []chstore.Column{
		{Name: "tenant", Values: strings[0]}, {Name: "partner_id", Values: strings[1]}, {Name: "transition_id", Values: strings[2]},
		{Name: "alert_id", Values: strings[3]}, {Name: "fingerprint", Values: strings[4]}, {Name: "rule", Values: strings[5]},
		{Name: "status", Values: strings[6]}, {Name: "severity", Values: strings[7]}, {Name: "message", Values: strings[8]},
		{Name: "sequence", Values: sequence}, {Name: "day", Values: dates[0]}, {Name: "firing_day", Values: dates[1]},
		{Name: "change_day", Values: dates[2]}, {Name: "recorded_at", Values: dates[3]},
		{Name: "statistic", Values: numbers[0]}, {Name: "threshold", Values: numbers[1]}, {Name: "baseline_rate", Values: numbers[2]},
		{Name: "current_rate", Values: numbers[3]}, {Name: "drop_pct", Values: numbers[4]},
		{Name: "published", Values: flags[0]}, {Name: "historical", Values: flags[1]}, {Name: "ver", Values: ver},
	}
}

// contributions are the changes of the components' points, largest loss first.
func contributions(before, after []int64) []contribution {
	var out []contribution
	for i := range min(len(before), len(after)) {
		if change := after[i] - before[i]; change != 0 {
			out = append(out, contribution{score.Component(i).String(), points(change), change})
		}
	}
	slices.SortStableFunc(out, func(x, y contribution) int { return int(max(-1, min(1, x.change-y.change))) })
	return out
}
