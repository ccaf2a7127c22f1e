package aggregator

import (
	"context"
	"fmt"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/kafkabus"
)

// knownAlert is a transition that has been recorded.
type knownAlert struct {
	Partner      string  `ch:"partner_id"`
	Subject      string  `ch:"subject"`
	Transition   string  `ch:"transition_id"`
	Alert        string  `ch:"alert_id"`
	Fingerprint  string  `ch:"fingerprint"`
	Rule         string  `ch:"rule"`
	Status       string  `ch:"status"`
	Reason       string  `ch:"reason"`
	Severity     string  `ch:"severity"`
	Sequence     uint32  `ch:"sequence"`
	Day          int32   `ch:"day_"`
	Firing       int32   `ch:"firing"`
	Change       int32   `ch:"change"`
	Until        int32   `ch:"until"`
	Command      string  `ch:"command_id"`
	Owner        string  `ch:"owner"`
	Statistic    float64 `ch:"statistic"`
	Threshold    float64 `ch:"threshold"`
	BaselineRate float64 `ch:"baseline_rate"`
	CurrentRate  float64 `ch:"current_rate"`
	DropPct      float64 `ch:"drop_pct"`
	Historical   uint8   `ch:"historical"`
	Message      string  `ch:"message"`
}

// entry is the transition as package alert knows it.
func (k *knownAlert) entry() alert.Entry {
	return alert.Entry{
		Subject: k.Subject, Partner: k.Partner, Rule: detect.Rule(k.Rule), Alert: k.Alert, Fingerprint: k.Fingerprint,
		Transition: k.Transition, Status: detect.Status(k.Status), Reason: alert.Reason(k.Reason), Sequence: int(k.Sequence),
		Day: detect.Day(k.Day), Firing: detect.Day(k.Firing), Until: detect.Day(k.Until), Command: k.Command, Historical: k.Historical == 1,
	}
}

// finding is what a rule found, with the numbers behind it.
type finding struct {
	alert.Finding
	data alertData
}

// component is what the detector watches; it is part of the fingerprint.
const component = "sessions"

// detected gives the findings of the detector.
func detected(tenantID string, found []transition) []finding {
	out := make([]finding, len(found))
	for i, f := range found {
		out[i] = finding{
			Finding: alert.Finding{
				Subject: f.partner, Partner: f.partner, Rule: f.Rule, Status: f.Status, Day: f.Day, Firing: f.FiringDay,
				Fingerprint: detect.Fingerprint(tenantID, f.partner, f.Rule, component), Old: f.rerun,
			},
			data: alertData{
				Component: component, Severity: f.Severity, ChangeAt: f.ChangeDay,
				BaselineRate: f.BaselineRate, CurrentRate: f.CurrentRate,
				DropPct: f.DropPct, DropPctLow: f.DropPctLow, DropPctHigh: f.DropPctHigh,
				Statistic: f.Statistic, Threshold: f.Threshold, ARL0Days: f.ARL0Days,
			},
		}
	}
	return out
}

// alert publishes what the detector and the rules beside it say and has not been
// recorded yet, then records it. Identities come from what an alert is about, so a
// repetition after a crash between the two says the same again under the same id.
func (a *Aggregator) alert(ctx context.Context, t *tenant, p chstore.Params, h horizon, found []transition, spans []alert.Span, work *Work) error {
	findings := detected(t.id, found)
	ruled, err := a.trainingRules(ctx, t, p)
	if err != nil {
		return err
	}
	return a.reconcile(ctx, t, p, h, append(findings, ruled.findings...), append(spans, ruled.spans...), &ruled.grounds, work)
}

// reconcile tells what the findings say that the alerts table does not have yet. facts
// are behind those about training.
func (a *Aggregator) reconcile(ctx context.Context, t *tenant, p chstore.Params, h horizon, findings []finding, spans []alert.Span, facts *grounds, work *Work) error {
	var known []knownAlert
	if err := a.deps.Store.Select(ctx, &known, query("known_alerts"), p); err != nil {
		return fmt.Errorf("reading known alerts: %w", err)
	}
	if len(findings) == 0 && len(known) == 0 {
		return nil
	}
	if err := facts.amend(spans, known); err != nil {
		return err
	}
	book := newBook(known)
	plain := make([]alert.Finding, len(findings))
	for i := range findings {
		plain[i] = findings[i].Finding
	}
	entries := book.Reconcile(plain, spans, func(firing detect.Day) bool {
		return h.today-int32(firing) > int32(a.cfg.PublishAgeDaysMax)
	})
	return a.tell(ctx, t, p, &telling{known: known, findings: findings, entries: entries, book: book}, work)
}

func newBook(known []knownAlert) *alert.Book {
	entries := make([]alert.Entry, len(known))
	for i := range known {
		entries[i] = known[i].entry()
	}
	return alert.NewBook(entries)
}

// telling is one round of news.
type telling struct {
	known    []knownAlert
	findings []finding
	commands []command
	entries  []alert.Entry // in the order of their sequences
	book     *alert.Book   // with the entries
}

// tell publishes the entries that are not historical, each on its rule's topic and
// the states of their partners, and records all of them.
func (a *Aggregator) tell(ctx context.Context, t *tenant, p chstore.Params, n *telling, work *Work) error {
	if len(n.entries) == 0 {
		return nil
	}
	records, err := a.compose(ctx, t, p, n)
	if err != nil {
		return err
	}
	msgs := alertMessages(t.id, records)
	states, err := stateMessages(t, n, records)
	if err != nil {
		return fmt.Errorf("composing alert states: %w", err)
	}
	if msgs = append(msgs, states...); len(msgs) > 0 {
		if err := a.publish(ctx, msgs); err != nil {
			return fmt.Errorf("publishing alerts: %w", err)
		}
	}
	if err := a.deps.Store.InsertColumns(ctx, "alerts", alertColumns(t.id, records, a.deps.Now(), p["batch"].(uint64))); err != nil {
		return fmt.Errorf("recording alerts: %w", err)
	}
	for i := range records {
		r, how := &records[i], "published"
		if r.Historical {
			how = "historical"
		} else {
			work.Alerts++
		}
		a.metrics.alerts.WithLabelValues(string(r.Rule), string(r.Status), how).Inc()
	}
	return nil
}

// topicOf gives the topic and the message type of a rule.
func topicOf(rule detect.Rule) (topic, kind string) {
	switch rule {
	case alert.RuleTrainingLapse, alert.RuleCertificationExpiring, alert.RuleCertificationExpired:
		return kafkabus.TopicTrainingLapse, typeTraining
	case alert.RuleNeglected, alert.RuleSeenNotRead, alert.RuleSearchGap:
		return kafkabus.TopicCollateral, typeCollateral
	}
	return kafkabus.TopicDrop, typeDrop
}
