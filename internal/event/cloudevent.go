package event

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// timeLayout is RFC 3339 in UTC with milliseconds, the precision of the store.
const timeLayout = "2006-01-02T15:04:05.000Z"

// wire is the structured CloudEvents 1.0 JSON form on engagement.events.v1. Values
// are read with it; AppendCloudEvent writes the same form, held to it by a test.
// Extension attributes are lower-case letters only and hold no objects, as the
// specification asks, so any CloudEvents SDK can read the topic.
type wire struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        Type           `json:"type"`
	Subject     string         `json:"subject"`
	Time        string         `json:"time"`
	ContentType string         `json:"datacontenttype"`
	Tenant      string         `json:"tenant"`
	Portal      string         `json:"portal,omitzero"`
	UserID      string         `json:"userid,omitzero"`
	AnonymousID string         `json:"anonymousid,omitzero"`
	SessionID   string         `json:"sessionid,omitzero"`
	Internal    bool           `json:"internal,omitzero"`
	ReceivedAt  string         `json:"receivedat"`
	Via         Source         `json:"via"`
	IP          string         `json:"ip,omitzero"`
	KeyID       string         `json:"keyid,omitzero"`
	URL         string         `json:"url,omitzero"`
	Referrer    string         `json:"referrer,omitzero"`
	Title       string         `json:"title,omitzero"`
	UserAgent   string         `json:"useragent,omitzero"`
	Locale      string         `json:"locale,omitzero"`
	Timezone    string         `json:"timezone,omitzero"`
	Screen      string         `json:"screen,omitzero"`
	UTMSource   string         `json:"utmsource,omitzero"`
	UTMMedium   string         `json:"utmmedium,omitzero"`
	UTMCampaign string         `json:"utmcampaign,omitzero"`
	UTMTerm     string         `json:"utmterm,omitzero"`
	UTMContent  string         `json:"utmcontent,omitzero"`
	Data        jsontext.Value `json:"data"`
}

// UnmarshalCloudEvent decodes a value of engagement.events.v1 and checks that
// nothing the primary key needs is missing. Unknown attributes are ignored, so
// that a newer collector can add one. The event aliases b through Data.
func UnmarshalCloudEvent(b []byte) (*Event, error) {
	e := new(Event)
	if err := DecodeCloudEvent(b, e); err != nil {
		return nil, err
	}
	return e, nil
}

// DecodeCloudEvent is UnmarshalCloudEvent into an event that the caller may use again;
// after an error it holds nothing of use.
func DecodeCloudEvent(b []byte, e *Event) error {
	if decodePlain(b, e) {
		return nil
	}
	return decodeAny(b, e)
}

// specVersion is the version of CloudEvents that is read and written.
const specVersion = "1.0"

// decodeAny decodes every form of JSON.
func decodeAny(b []byte, e *Event) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("decoding CloudEvent: %w", err)
	}
	at, err := time.Parse(time.RFC3339, w.Time)
	if err != nil {
		return fmt.Errorf("decoding time: %w", err)
	}
	received, err := time.Parse(time.RFC3339, w.ReceivedAt)
	if err != nil {
		return fmt.Errorf("decoding receivedat: %w", err)
	}
	*e = Event{
		ID: w.ID, Type: w.Type, Time: at.UTC(), PartnerID: w.Subject, UserID: w.UserID,
		AnonymousID: w.AnonymousID, SessionID: w.SessionID, Internal: w.Internal,
		Context: Context{
			URL: w.URL, Referrer: w.Referrer, Title: w.Title, UserAgent: w.UserAgent, Locale: w.Locale,
			Timezone: w.Timezone, Screen: w.Screen, UTMSource: w.UTMSource, UTMMedium: w.UTMMedium,
			UTMCampaign: w.UTMCampaign, UTMTerm: w.UTMTerm, UTMContent: w.UTMContent,
		},
		Data: w.Data, Tenant: w.Tenant, Portal: w.Portal, ReceivedAt: received.UTC(), Source: w.Via,
		IP: w.IP, KeyID: w.KeyID,
	}
	if w.SpecVersion != specVersion {
		return fmt.Errorf("%w: specversion %q is not 1.0", ErrIncomplete, w.SpecVersion)
	}
	return e.validate()
}

// validate checks the frozen fields.
func (e *Event) validate() error {
	switch {
	case e.ID == "":
		return fmt.Errorf("%w: no id", ErrIncomplete)
	case e.Type == "":
		return fmt.Errorf("%w: no type", ErrIncomplete)
	case e.Tenant == "":
		return fmt.Errorf("%w: no tenant", ErrIncomplete)
	case e.PartnerID == "":
		return fmt.Errorf("%w: no subject (partner)", ErrIncomplete)
	case e.Actor() == "" && !e.Type.IsDirectory():
		return fmt.Errorf("%w: no userid and no anonymousid", ErrIncomplete)
	case e.Time.Year() < 1970 || e.Time.Year() > 2261:
		return fmt.Errorf("%w: time %s is outside 1970–2261", ErrIncomplete, e.Time.Format(time.RFC3339))
	case len(e.Data) == 0 || e.Data.Kind() != '{':
		return fmt.Errorf("%w: data is not an object", ErrIncomplete)
	}
	return nil
}
