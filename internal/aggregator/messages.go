package aggregator

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/detect"
	"partnerpulse/internal/score"
)

// Types of the messages, as in schemas/alerts.
const (
	typeDrop       = "partnerpulse.drop.v1"
	typeAlertState = "partnerpulse.alert-state.v1"
)

// cloudEvent is the structured CloudEvents 1.0 form of what the aggregator says.
type cloudEvent struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subject     string         `json:"subject"`
	Time        string         `json:"time"`
	ContentType string         `json:"datacontenttype"`
	Tenant      string         `json:"tenant"`
	Data        jsontext.Value `json:"data"`
}

// alertData is the alert inside, as in schemas/alerts/alert.json.
type alertData struct {
	AlertID         string          `json:"alert_id"`
	Fingerprint     string          `json:"fingerprint"`
	Rule            detect.Rule     `json:"rule"`
	Component       string          `json:"component"`
	Status          detect.Status   `json:"status"`
	Severity        detect.Severity `json:"severity"`
	StartsAt        detect.Day      `json:"starts_at"`
	ChangeAt        detect.Day      `json:"estimated_change_at"`
	DetectedAt      detect.Day      `json:"detected_at"`
	ResolvedAt      *detect.Day     `json:"resolved_at"`
	BaselineRate    float64         `json:"baseline_rate"`
	CurrentRate     float64         `json:"current_rate"`
	DropPct         float64         `json:"drop_pct"`
	DropPctLow      float64         `json:"drop_pct_low"`
	DropPctHigh     float64         `json:"drop_pct_high"`
	Statistic       float64         `json:"statistic"`
	Threshold       float64         `json:"threshold"`
	ARL0Days        float64         `json:"arl0_days"`
	PAlive          *float64        `json:"p_alive"`
	ScoreBefore     jsontext.Value  `json:"score_before"`
	ScoreAfter      jsontext.Value  `json:"score_after"`
	Components      []contribution  `json:"contributing_components"`
	Evidence        evidence        `json:"evidence"`
	Owner           string          `json:"owner"`
	SuggestedAction string          `json:"suggested_action"`
	ModelVersion    string          `json:"model_version"`
	Sequence        int             `json:"sequence"`
}

// contribution is the change of one component's points.
type contribution struct {
	Component string         `json:"component"`
	Points    jsontext.Value `json:"points"`
	change    int64          // millionths
}

// evidence says where to look: the days from the change to the transition.
type evidence struct {
	Days []detect.Day `json:"days"`
}

// evidenceDaysMax bounds the days listed; of a longer spell the newest are.
const evidenceDaysMax = 31

// errIncomplete guards against composing a message of a transition that never fired.
var errIncomplete = errors.New("transition has no firing day")

func newAlertData(r *alertRecord, modelVersion string) *alertData {
	d := &alertData{
		AlertID: r.alertID, Fingerprint: r.fingerprint, Rule: r.Rule, Component: component,
		Status: r.Status, Severity: r.Severity,
		StartsAt: r.FiringDay, ChangeAt: r.ChangeDay, DetectedAt: r.FiringDay,
		BaselineRate: r.BaselineRate, CurrentRate: r.CurrentRate,
		DropPct: r.DropPct, DropPctLow: r.DropPctLow, DropPctHigh: r.DropPctHigh,
		Statistic: r.Statistic, Threshold: r.Threshold, ARL0Days: r.ARL0Days,
		Components: []contribution{}, SuggestedAction: suggestedAction(r.Rule, r.Status),
		ModelVersion: modelVersion, Sequence: r.Sequence,
	}
	if r.Status != detect.StatusFiring {
		day := r.Day
		d.ResolvedAt = &day
	}
	for day := max(r.ChangeDay, r.Day-evidenceDaysMax+1); day <= r.Day; day++ {
		d.Evidence.Days = append(d.Evidence.Days, day)
	}
	return d
}

// suggestedAction is a first step for the channel manager.
func suggestedAction(rule detect.Rule, status detect.Status) string {
	switch {
	case status != detect.StatusFiring:
		return "No action needed: the alert has ended."
	case rule == detect.RuleGhosting:
		return "Call the partner: nobody has come to the portal since the day given."
	case rule == detect.RuleNeverActivated:
		return "Offer onboarding: nobody of the partner has used the portal yet."
	}
	return "Ask the partner what changed: they come less often than before."
}

// cloudEvent wraps the alert for the drop topic. Its time is the end of the day
// that decided, so that a repetition is the same to the byte.
func (d *alertData) cloudEvent(t *tenant, r *alertRecord) ([]byte, error) {
	if r.FiringDay == detect.NoDay {
		return nil, errIncomplete
	}
	data, err := json.Marshal(d, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding alert: %w", err)
	}
	return marshalEvent(t, r.transitionID, typeDrop, r.partner, r.Day, data)
}

func marshalEvent(t *tenant, id, kind, partner string, day detect.Day, data jsontext.Value) ([]byte, error) {
	b, err := json.Marshal(&cloudEvent{
		SpecVersion: "1.0", ID: id, Source: "/" + t.id, Type: kind, Subject: partner,
		Time: t.endOf(day).UTC().Format(time.RFC3339), ContentType: "application/json", Tenant: t.id, Data: data,
	}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding CloudEvent: %w", err)
	}
	return b, nil
}

// endOf is the midnight that ends a local day.
func (t *tenant) endOf(day detect.Day) time.Time {
	y, m, d := (day + 1).Time().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.loc)
}

// stateMessage is a value on the alert-state topic: the data of the partner's alert
// that changed last, with all of the partner's alerts beside it.
func stateMessage(t *tenant, r *alertRecord, newest jsontext.Value, all []jsontext.Value) ([]byte, error) {
	data := make(map[string]jsontext.Value)
	if err := json.Unmarshal(newest, &data); err != nil {
		return nil, fmt.Errorf("decoding alert: %w", err)
	}
	list, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encoding alerts: %w", err)
	}
	data["alerts"] = list
	value, err := json.Marshal(data, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding alert state: %w", err)
	}
	return marshalEvent(t, r.transitionID, typeAlertState, r.partner, r.Day, value)
}

// dataOf gives the data of a stored message.
func dataOf(message []byte) (jsontext.Value, error) {
	var e cloudEvent
	if err := json.Unmarshal(message, &e); err != nil {
		return nil, fmt.Errorf("decoding stored alert: %w", err)
	}
	return e.Data, nil
}

// scoreMessage is a value on engagement.scores.v1.
type scoreMessage struct {
	Tenant       string                    `json:"tenant"`
	PartnerID    string                    `json:"partner_id"`
	ModelVersion string                    `json:"model_version"`
	AsOf         string                    `json:"as_of"`
	Score        jsontext.Value            `json:"score"` // 0–100, null without enough coverage
	Tier         *string                   `json:"tier"`  // strong, steady, at_risk; null without a score
	Coverage     jsontext.Value            `json:"coverage"`
	Components   map[string]scoreComponent `json:"components"`
}

// scoreComponent is one component; the points sum to the score.
type scoreComponent struct {
	Score   jsontext.Value `json:"score"`
	Points  jsontext.Value `json:"points"`
	Imputed bool           `json:"imputed"`
}

// points writes millionths as a JSON number.
func points(millionths int64) jsontext.Value {
	sign := ""
	if millionths < 0 {
		sign, millionths = "-", -millionths
	}
	return jsontext.Value(fmt.Sprintf("%s%d.%06d", sign, millionths/score.InputUnit, millionths%score.InputUnit))
}
