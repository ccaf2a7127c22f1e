package aggregator

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/score"
)

// Types of the messages, as in schemas/alerts.
const (
	typeDrop       = "partnerpulse.drop.v1"
	typeTraining   = "partnerpulse.training-lapse.v1"
	typeCollateral = "partnerpulse.collateral.v1"
	typeAlertState = "partnerpulse.alert-state.v1"
	typeScore      = "partnerpulse.score.v1"
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
	Reason          alert.Reason    `json:"reason"`
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
	InhibitedBy     []string        `json:"inhibited_by"`
	Command         *commandData    `json:"command"`
	SnoozedUntil    *detect.Day     `json:"snoozed_until"`
	Owner           string          `json:"owner"`
	SuggestedAction string          `json:"suggested_action"`
	ModelVersion    string          `json:"model_version"`
	Sequence        int             `json:"sequence"`

	// More is what only some rules say: the course of a certification, for example.
	More map[string]jsontext.Value `json:",embed"`
}

// commandData tells who asked for a transition.
type commandData struct {
	ID    string `json:"id"`
	Actor string `json:"actor"`
	Note  string `json:"note,omitzero"`
}

// contribution is the change of one component's points.
type contribution struct {
	Component string         `json:"component"`
	Points    jsontext.Value `json:"points"`
	change    int64          // millionths
}

// evidence says where to look: the newest events up to the transition, and the days
// from the change to it.
type evidence struct {
	EventIDs []string     `json:"event_ids"`
	Days     []detect.Day `json:"days"`
}

// Bounds of the evidence; of a longer spell the newest days and events are listed.
const (
	evidenceDaysMax   = 31
	evidenceEventsMax = 10
)

// errIncomplete guards against composing a message of a transition that never fired.
var errIncomplete = errors.New("transition has no firing day")

// suggestedAction is a first step for the channel manager.
func suggestedAction(rule detect.Rule, status detect.Status, reason alert.Reason) string {
	switch {
	case reason == alert.Retracted:
		return "No action needed: events that arrived late show that all was well."
	case reason == alert.Superseded:
		return "No action needed: the rule was configured anew and does not find it."
	case status == detect.StatusResolved || status == detect.StatusRebaselined:
		return "No action needed: the alert has ended."
	}
	switch rule {
	case detect.RuleGhosting:
		return "Call the partner: nobody has come to the portal since the day given."
	case detect.RuleNeverActivated:
		return "Offer onboarding: nobody of the partner has used the portal yet."
	case alert.RuleTenantDrop:
		return "Check the portal and its tracker: the whole programme has gone quiet."
	case alert.RuleTrainingLapse:
		return "Remind the partner of its training: the last completion is too long ago."
	case alert.RuleCertificationExpiring:
		return "Offer the renewal of the certification before it expires."
	case alert.RuleCertificationExpired:
		return "Ask the partner to renew its certification: it has expired."
	case alert.RuleNeglected:
		return "Promote the document or retire it: hardly any partner opens it."
	case alert.RuleSeenNotRead:
		return "Rework the document: many open it and few read on."
	case alert.RuleSearchGap:
		return "Write or tag content for the term: partners search for it and find nothing useful."
	}
	return "Ask the partner what changed: they come less often than before."
}

// data gives what was said of the alert last; of a historical one, for which there
// is no message, its numbers.
func (k *knownAlert) data() (alertData, error) {
	if k.Message == "" {
		return alertData{
			Component: component, Severity: detect.Severity(k.Severity), ChangeAt: detect.Day(k.Change), Owner: k.Owner,
			Statistic: k.Statistic, Threshold: k.Threshold, BaselineRate: k.BaselineRate, CurrentRate: k.CurrentRate, DropPct: k.DropPct,
		}, nil
	}
	raw, err := dataOf([]byte(k.Message))
	if err != nil {
		return alertData{}, err
	}
	var d alertData
	if err := json.Unmarshal(raw, &d); err != nil {
		return alertData{}, fmt.Errorf("decoding stored alert %s: %w", k.Transition, err)
	}
	return d, nil
}

func marshalData(d *alertData) (jsontext.Value, error) {
	data, err := json.Marshal(d, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding alert: %w", err)
	}
	return data, nil
}

// subjectRunesMax bounds the subject of a message; a search term can be longer.
const subjectRunesMax = 200

func marshalEvent(t *tenant, id, kind, subject string, at time.Time, data jsontext.Value) ([]byte, error) {
	if runes := []rune(subject); len(runes) > subjectRunesMax {
		subject = string(runes[:subjectRunesMax])
	}
	b, err := json.Marshal(&cloudEvent{
		SpecVersion: "1.0", ID: id, Source: "/" + t.id, Type: kind, Subject: subject,
		Time: at.UTC().Format(time.RFC3339), ContentType: "application/json", Tenant: t.id, Data: data,
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
