package aggregator_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"partnerpulse/internal/event"
)

// number writes a decimal of the given scale as ClickHouse does, without zeros at the end.
func number(v any, scale int32) any {
	switch v := v.(type) {
	case float64:
		return decimal.NewFromFloat(v).Round(scale).String()
	case int:
		return decimal.NewFromInt(int64(v)).String()
	}
	return nil
}

// firstOf and lastOf give the time of the first and last fact of the types, nil for none.
func firstOf(facts []*fact, types ...event.Type) *time.Time {
	for _, f := range facts {
		if slices.Contains(types, f.Type) {
			return &f.Time
		}
	}
	return nil
}

func lastOf(facts []*fact, types ...event.Type) (out *time.Time) {
	for _, f := range facts {
		if slices.Contains(types, f.Type) {
			out = &f.Time
		}
	}
	return out
}

func (c *chronicle) checkStates() {
	c.t.Helper()
	var deals, tickets, trainings [][]any
	for key, facts := range c.histories("deal", true) {
		if key[1] != "" {
			deals = append(deals, dealRow(key, facts))
		}
	}
	for key, facts := range c.histories("ticket", true) {
		d := described{}
		for _, f := range facts {
			d.learn(f)
		}
		tickets = append(tickets, []any{
			key[0], key[1], d.text("phase"), stamp(firstOf(facts, event.SupportRequested)), stamp(lastOf(facts, event.SupportResolved)),
			d["response_s"], stamp(&facts[len(facts)-1].Time),
		})
	}
	for key, facts := range c.histories("training", true) {
		trainings = append(trainings, trainingRow(key, facts))
	}
	c.same("deal_state", "partner_id, deal_id, status, stage, opened_at, registered_at, accepted_at, rejected_at, won_at, lost_at, closed_at, "+
		"cycle_ms, toString(amount), currency, toString(margin_pct), recurring_months, influence, lead_id, stages, stage_times, events, updated_at", deals)
	c.same("lead_state", "partner_id, lead_id, referred_at, converted_at, toString(amount), currency, updated_at", c.leadRows())
	c.same("ticket_state", "partner_id, ticket_id, phase, requested_at, resolved_at, response_s, updated_at", tickets)
	c.same("training_state", "partner_id, course_id, enrolled, started, progressed, completed, passed, failed, certified, learners, first_at, "+
		"last_completed_at, last_certified_at, certificates, updated_at", trainings)
}

func dealRow(key [2]string, facts []*fact) []any {
	d := described{}
	status, stage, currency, influence, lead := "open", "", "", "", ""
	stages, times := []string{}, []any{}
	for _, f := range facts {
		d.learn(f)
		if f.Type != event.DealStageChanged {
			status = strings.TrimPrefix(string(f.Type), "deal.")
		}
		stage = cmp.Or(f.fields.Stage, stage)
		currency, influence, lead = cmp.Or(f.fields.Currency, currency), cmp.Or(f.fields.Influence, influence), cmp.Or(f.fields.LeadID, lead)
		if f.fields.Stage != "" && !slices.Contains(stages, f.fields.Stage) {
			stages, times = append(stages, f.fields.Stage), append(times, stamp(&f.Time))
		}
	}
	won, lost, registered := firstOf(facts, event.DealWon), firstOf(facts, event.DealLost), firstOf(facts, event.DealRegistered)
	closed := map[string]*time.Time{"won": won, "lost": lost}[status]
	from := cmp.Or(registered, &facts[0].Time)
	var cycle any
	if closed != nil {
		cycle = closed.Sub(*from).Milliseconds()
	}
	return []any{
		key[0], key[1], status, stage, stamp(&facts[0].Time), stamp(registered), stamp(firstOf(facts, event.DealAccepted)),
		stamp(firstOf(facts, event.DealRejected)), stamp(won), stamp(lost), stamp(closed), cycle, number(d["amount"], 4), currency,
		number(d["margin_pct"], 4), d.whole("recurring_months"), influence, lead, stages, times, len(facts), stamp(&facts[len(facts)-1].Time),
	}
}

func (c *chronicle) leadRows() [][]any {
	leads := make(map[[2]string][]*fact)
	for _, f := range c.counted() {
		if kind, id := f.entity(); (kind == "lead" || kind == "deal") && id != "" && f.fields.LeadID != "" {
			key := [2]string{f.Partner, f.fields.LeadID}
			leads[key] = append(leads[key], f)
		}
	}
	var out [][]any
	for key, facts := range leads {
		d := described{}
		var converted *time.Time
		for _, f := range facts {
			if f.Type == event.LeadReferred {
				d.learn(f)
			} else if converted == nil {
				converted = &f.Time
			}
		}
		out = append(out, []any{
			key[0], key[1], stamp(firstOf(facts, event.LeadReferred)), stamp(converted), number(d["amount"], 4), d.text("currency"),
			stamp(&facts[len(facts)-1].Time),
		})
	}
	return out
}

func trainingRow(key [2]string, facts []*fact) []any {
	counts := make(map[event.Type]int)
	learners := make(map[string]bool)
	given := make(map[string]*fact)
	for _, f := range facts {
		counts[f.Type]++
		learners[f.Actor] = true
		if f.Type == event.TrainingCertified {
			given[f.Actor] = f
		}
	}
	certificates := []any{}
	for _, actor := range []string{"other", "u0", "u1", "u2"} {
		if f := given[actor]; f != nil {
			expires := any("2299-12-31 00:00:00.000")
			if f.fields.ExpiresAt != nil {
				expires = stamp(f.fields.ExpiresAt)
			}
			certificates = append(certificates, map[string]any{"actor": actor, "certified_at": stamp(&f.Time), "expires_at": expires})
		}
	}
	row := []any{key[0], key[1]}
	for _, t := range []event.Type{
		event.TrainingEnrolled, event.TrainingStarted, event.TrainingProgressed, event.TrainingCompleted,
		event.TrainingPassed, event.TrainingFailed, event.TrainingCertified,
	} {
		row = append(row, counts[t])
	}
	return append(row, len(learners), stamp(&facts[0].Time),
		stamp(lastOf(facts, event.TrainingCompleted, event.TrainingPassed, event.TrainingCertified)),
		stamp(lastOf(facts, event.TrainingCertified)), certificates, stamp(&facts[len(facts)-1].Time))
}
