package plan

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

type wireEvent struct {
	ID          string         `json:"id"`
	Type        event.Type     `json:"type"`
	Time        string         `json:"time"`
	PartnerID   string         `json:"partner_id,omitzero"`
	UserID      string         `json:"user_id,omitzero"`
	AnonymousID string         `json:"anonymous_id,omitzero"`
	SessionID   string         `json:"session_id,omitzero"`
	Internal    bool           `json:"internal,omitzero"`
	Context     wireContext    `json:"context,omitzero"`
	Data        jsontext.Value `json:"data"`
}

type wireContext struct {
	URL         string `json:"url,omitzero"`
	Referrer    string `json:"referrer,omitzero"`
	Title       string `json:"title,omitzero"`
	UserAgent   string `json:"user_agent,omitzero"`
	Locale      string `json:"locale,omitzero"`
	Timezone    string `json:"timezone,omitzero"`
	Screen      string `json:"screen,omitzero"`
	UTMSource   string `json:"utm_source,omitzero"`
	UTMMedium   string `json:"utm_medium,omitzero"`
	UTMCampaign string `json:"utm_campaign,omitzero"`
	UTMTerm     string `json:"utm_term,omitzero"`
	UTMContent  string `json:"utm_content,omitzero"`
}

// Encode gives the JSON that a producer posts for e. Equal events give equal bytes.
func Encode(e *event.Event) ([]byte, error) {
	partner := e.PartnerID
	if partner == event.TenantWide {
		partner = "" // the collector puts it back; no producer may name it
	}
	b, err := json.Marshal(&wireEvent{
		ID: e.ID, Type: e.Type, Time: e.Time.UTC().Format(timeLayout), PartnerID: partner,
		UserID: e.UserID, AnonymousID: e.AnonymousID, SessionID: e.SessionID, Internal: e.Internal,
		Context: wireContext(e.Context), Data: e.Data,
	}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	return b, nil
}

// fields builds a data object field by field, in a fixed order.
type fields []byte

func newFields() fields { return make(fields, 0, 160) }

func (f fields) key(k string) fields {
	if len(f) == 0 {
		f = append(f, '{')
	} else {
		f = append(f, ',')
	}
	f = append(f, '"')
	f = append(f, k...)
	return append(f, '"', ':')
}

func (f fields) str(k, v string) fields {
	return append(f.key(k), quoted(v)...)
}

// quoted drops no error that can happen: the plan's own texts are valid UTF-8.
func quoted(v string) []byte {
	b, _ := jsontext.AppendQuote(nil, v)
	return b
}

// opt adds a text unless it is empty.
func (f fields) opt(k, v string) fields {
	if v == "" {
		return f
	}
	return f.str(k, v)
}

func (f fields) num(k string, v int) fields { return strconv.AppendInt(f.key(k), int64(v), 10) }

// pos adds a number unless it is 0, which stands for unknown.
func (f fields) pos(k string, v int) fields {
	if v == 0 {
		return f
	}
	return f.num(k, v)
}

func (f fields) dec(k string, v float64, digits int) fields {
	return strconv.AppendFloat(f.key(k), v, 'f', digits, 64)
}

func (f fields) flag(k string, v bool) fields { return strconv.AppendBool(f.key(k), v) }

func (f fields) time(k string, t time.Time) fields { return f.str(k, t.UTC().Format(timeLayout)) }

// list adds an array of one text.
func (f fields) list(k, v string) fields {
	return append(append(f.key(k), '['), append(quoted(v), ']')...)
}

func (f fields) end() jsontext.Value {
	if len(f) == 0 {
		f = append(f, '{')
	}
	return jsontext.Value(append(f, '}'))
}
