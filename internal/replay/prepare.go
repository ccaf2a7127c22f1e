package replay

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
	"partnerpulse/internal/segment"
)

// row is one reject as the table has it.
type row struct {
	ID         uint64    `ch:"id"`
	RejectedAt time.Time `ch:"rejected_at"`
	Tenant     string    `ch:"tenant"`
	Stage      string    `ch:"stage"`
	Source     string    `ch:"source"`
	Code       string    `ch:"code"`
	EventID    string    `ch:"event_id"`
	EventType  string    `ch:"event_type"`
	Message    string    `ch:"message"`
	Original   string    `ch:"original"`
	Truncated  bool      `ch:"truncated"`
}

// Reasons for not sending a reject.
const (
	skipTruncated  = "truncated"  // only its first part is kept
	skipUnreadable = "unreadable" // not a JSON object: no collector will ever take it
	skipDuplicate  = "duplicate"  // the same bytes were sent in this run
	skipForgotten  = "forgotten"  // it names somebody who was erased
)

// item is one event to send.
type item struct {
	id   string
	body []byte
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// prepare gives the way that a reject goes, and what is sent: the original bytes, and
// what of the event was made at its arrival. skip is why it cannot be sent.
func (r *row) prepare() (w way, body []byte, skip string) {
	original := []byte(r.Original)
	switch v := jsontext.Value(original); {
	case r.Truncated:
		return w, nil, skipTruncated
	case !v.IsValid() || v.Kind() != '{':
		return w, nil, skipUnreadable
	}
	at := r.RejectedAt.UTC().Format(timeLayout)
	var err error
	switch {
	case r.Stage == "enricher":
		w = wayEvents()
		body, err = producers(original)
	case r.Source == string(event.SourceSegment):
		w = waySegment()
		body, err = segment.Settle(original, r.RejectedAt, r.EventID)
	case r.Source == string(event.SourceXAPI):
		w = wayXAPI()
		body, err = withMembers(original, member{"id", r.EventID}, member{"timestamp", at})
	case r.Source == string(event.SourceCloudEvents):
		w = wayCloudEvents()
		body, err = withMembers(original, member{"time", at})
	default:
		w = wayEvents()
		body, err = withMembers(original, member{"id", r.EventID}, member{"time", at})
	}
	if err != nil {
		return w, nil, skipUnreadable
	}
	return w, bytes.TrimSpace(body), ""
}

type member struct{ name, text string }

// withMembers adds to an object those members that it lacks; the rest stays as it
// is. A member without a text is not added.
func withMembers(object []byte, members ...member) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		return nil, fmt.Errorf("reading an event: %w", err)
	}
	start, empty := d.InputOffset(), d.PeekKind() == '}'
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("reading an event: %w", err)
		}
		text := name.String()
		members = slices.DeleteFunc(members, func(m member) bool { return m.name == text })
		if err := d.SkipValue(); err != nil {
			return nil, fmt.Errorf("reading an event: %w", err)
		}
	}
	members = slices.DeleteFunc(members, func(m member) bool { return m.text == "" })
	out := append(make([]byte, 0, len(object)+80), object[:start]...)
	for i, m := range members {
		var err error
		out = append(append(append(out, '"'), m.name...), '"', ':')
		if out, err = jsontext.AppendQuote(out, m.text); err != nil {
			return nil, fmt.Errorf("adding %s to an event: %w", m.name, err)
		}
		if i < len(members)-1 || !empty {
			out = append(out, ',')
		}
	}
	return append(out, object[start:]...), nil
}

// producersEvent is an event in the form that POST /v1/events takes.
type producersEvent struct {
	ID          string           `json:"id"`
	Type        event.Type       `json:"type"`
	Time        string           `json:"time"`
	PartnerID   string           `json:"partner_id,omitzero"`
	UserID      string           `json:"user_id,omitzero"`
	AnonymousID string           `json:"anonymous_id,omitzero"`
	SessionID   string           `json:"session_id,omitzero"`
	Internal    bool             `json:"internal,omitzero"`
	Context     producersContext `json:"context,omitzero"`
	Data        jsontext.Value   `json:"data"`
}

type producersContext struct {
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

// producers turns a record of the events topic, which the enricher refused, back into
// what a producer sends.
func producers(record []byte) ([]byte, error) {
	e, err := event.UnmarshalCloudEvent(record)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	out := producersEvent{
		ID: e.ID, Type: e.Type, Time: e.Time.UTC().Format(timeLayout), PartnerID: e.PartnerID, UserID: e.UserID,
		AnonymousID: e.AnonymousID, SessionID: e.SessionID, Internal: e.Internal, Context: producersContext(e.Context), Data: e.Data,
	}
	if out.PartnerID == event.TenantWide {
		out.PartnerID = "" // the collector puts it back; no producer may name it
	}
	body, err := json.Marshal(&out)
	if err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	return body, nil
}
