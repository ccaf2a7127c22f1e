package aggregator

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/rules"
)

// componentTraining is what training lapse is about; of a certification it is the course.
const componentTraining = "training"

// trainingRules gives the findings about the training of the batch's partners up to
// the last completed day. The rules see the whole history each time, so the spans
// are whole histories, too.
func (a *Aggregator) trainingRules(ctx context.Context, t *tenant, p chstore.Params) (*ruling, error) {
	var days []struct {
		Partner   string   `ch:"partner_id"`
		Completed []int32  `ch:"completed"`
		Committed []int32  `ch:"committed"`
		Cadences  []uint32 `ch:"cadences"`
	}
	if err := a.deps.Store.Select(ctx, &days, query("training_days"), p); err != nil {
		return nil, fmt.Errorf("reading training days: %w", err)
	}
	var certificates []struct {
		Partner string  `ch:"partner_id"`
		Course  string  `ch:"course_id"`
		Earned  []int32 `ch:"earned"`
		Expires []int32 `ch:"expires"`
	}
	if err := a.deps.Store.Select(ctx, &certificates, query("certificates"), p); err != nil {
		return nil, fmt.Errorf("reading certifications: %w", err)
	}
	through, err := dayParam(p, "complete")
	if err != nil {
		return nil, err
	}
	r := &ruling{tenant: t.id, through: through, grounds: grounds{make(map[string][]detect.Day), make(map[string][]detect.Day)}}
	for _, d := range days {
		commitments := make([]rules.Commitment, len(d.Committed))
		for i, day := range d.Committed {
			commitments[i] = rules.Commitment{From: detect.Day(day), CadenceDays: int(d.Cadences[i])}
		}
		r.lapses(d.Partner, toDays(d.Completed), a.cfg.Training.Lapses(toDays(d.Completed), commitments, through))
	}
	for _, c := range certificates {
		list := make([]rules.Certificate, len(c.Earned))
		for i := range c.Earned {
			list[i] = rules.Certificate{Earned: detect.Day(c.Earned[i]), Expires: detect.Day(c.Expires[i])}
		}
		r.expiries(c.Partner, c.Course, toDays(c.Expires), a.cfg.Training.Expiries(list, through))
	}
	return r, nil
}

// ruling collects what the rules give.
type ruling struct {
	tenant   string
	through  detect.Day
	findings []finding
	spans    []alert.Span
	grounds  grounds
}

// add gives the findings of one episode: that it fired and, when it has, its end.
func (r *ruling) add(partner, subject, fingerprint string, rule detect.Rule, e rules.Episode, data alertData) {
	data.ChangeAt = e.Change
	f := finding{data: data, Finding: alert.Finding{
		Subject: subject, Partner: partner, Rule: rule, Fingerprint: fingerprint,
		Status: detect.StatusFiring, Day: e.Firing, Firing: e.Firing,
	}}
	r.findings = append(r.findings, f)
	if e.End != detect.NoDay {
		f.Status, f.Day = detect.StatusResolved, e.End
		f.data.Statistic = 0
		r.findings = append(r.findings, f)
	}
}

// span says that the rule has seen everything about the fingerprint of a partner, a
// document or a term.
func (r *ruling) span(subject string, rule detect.Rule, component string) string {
	fingerprint := detect.Fingerprint(r.tenant, subject, rule, component)
	r.spans = append(r.spans, alert.Span{Fingerprint: fingerprint, From: 1, Through: r.through})
	return fingerprint
}

func (r *ruling) lapses(partner string, completed []detect.Day, lapses []rules.Lapse) {
	fingerprint := r.span(partner, alert.RuleTrainingLapse, componentTraining)
	r.grounds.completed[fingerprint] = completed
	for _, l := range lapses {
		last := jsontext.Value("null")
		if l.Last != detect.NoDay {
			last = dayValue(l.Last)
		}
		r.add(partner, partner, fingerprint, alert.RuleTrainingLapse, l.Episode, alertData{
			Component: componentTraining, Severity: detect.SeverityWarning,
			Statistic: float64(l.Firing - l.Change + 1), Threshold: float64(l.LimitDays),
			More: map[string]jsontext.Value{
				"last_completed_on": last, "cadence_days": jsontext.Value(fmt.Sprint(l.CadenceDays)),
			},
		})
	}
}

func (r *ruling) expiries(partner, course string, ends []detect.Day, expiries []rules.Expiry) {
	expiring := r.span(partner, alert.RuleCertificationExpiring, course)
	expired := r.span(partner, alert.RuleCertificationExpired, course)
	r.grounds.expires[expiring], r.grounds.expires[expired] = ends, ends
	name := quoted(course)
	for _, e := range expiries {
		rule, fingerprint, severity := alert.RuleCertificationExpiring, expiring, detect.SeverityInfo
		if e.Expired {
			rule, fingerprint, severity = alert.RuleCertificationExpired, expired, detect.SeverityWarning
		}
		r.add(partner, partner, fingerprint, rule, e.Episode, alertData{
			Component: course, Severity: severity, Statistic: max(0, float64(e.Firing-e.Expires)),
			More: map[string]jsontext.Value{"course_id": name, "expires_on": dayValue(e.Expires)},
		})
	}
}

// quoted gives a string as JSON.
func quoted(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return jsontext.Value(`"?"`) // not UTF-8; the collector lets none through
	}
	return b
}

func dayValue(d detect.Day) jsontext.Value { return jsontext.Value(`"` + d.String() + `"`) }

func toDays(days []int32) []detect.Day {
	out := make([]detect.Day, len(days))
	for i, d := range days {
		out[i] = detect.Day(d)
	}
	return out
}

// dayParam reads back a parameter that params wrote with date.
func dayParam(p chstore.Params, name string) (detect.Day, error) {
	text, _ := p[name].(string)
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("reading parameter %s: %w", name, err)
	}
	return detect.DayOf(at), nil
}
