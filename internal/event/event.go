// Package event holds the event contract: the envelope, the event types and
// their meaning, the Kafka key, and the CloudEvents form on the log. It is pure:
// no I/O, no clock.
package event

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the envelope. They are part of the contract: a producer can rely on them.
const (
	IDLengthMax       = 100 // characters of id
	NameLengthMax     = 200 // characters of partner_id, user_id, anonymous_id, session_id
	FutureSkewMax     = 5 * time.Minute
	LateDefault       = 30 * 24 * time.Hour
	ContextLengthMax  = 2048     // characters of one context field
	DataSizeBytesMax  = 32 << 10 // bytes of data
	EventSizeBytesMax = 64 << 10 // bytes of one event as received
)

// Event is one accepted event: what the producer sent plus what the collector
// stamped. Everything in it is frozen before it reaches the log.
type Event struct {
	// From the producer.
	ID          string    // idempotency key, 1–100 characters
	Type        Type      // one of the contract's types, or custom.*
	Time        time.Time // when it happened, UTC, millisecond precision
	PartnerID   string    // never empty once accepted
	UserID      string    // UserID or AnonymousID is set
	AnonymousID string
	SessionID   string // empty: sessions are derived
	Internal    bool   // staff, tests, bots: stored, excluded from scores
	Context     Context
	Data        jsontext.Value // the type's own fields, a JSON object

	// Stamped by the collector.
	Tenant     string
	Portal     string
	ReceivedAt time.Time // UTC, millisecond precision
	Source     Source
	IP         string // truncated: /24 of IPv4, /48 of IPv6
	KeyID      string // which key was used, never the key itself
}

// Context says where an event happened. All fields are optional.
type Context struct {
	URL         string
	Referrer    string
	Title       string
	UserAgent   string
	Locale      string
	Timezone    string
	Screen      string // "1920x1080"
	UTMSource   string
	UTMMedium   string
	UTMCampaign string
	UTMTerm     string
	UTMContent  string
}

// Source says which way in an event took.
type Source string

// The ways in.
const (
	SourceAPI         Source = "api"
	SourceTracker     Source = "tracker"
	SourceSegment     Source = "segment"
	SourceXAPI        Source = "xapi"
	SourceCloudEvents Source = "cloudevents"
	SourcePixel       Source = "pixel"
)

// Key is the Kafka key of everything about a partner: "tenant/partner_id".
// One partner's history stays in one partition and so in order.
func Key(tenant, partnerID string) string { return tenant + "/" + partnerID }

// Key is the Kafka key of the event.
func (e *Event) Key() string { return Key(e.Tenant, e.PartnerID) }

// AppendKey adds the Kafka key of the event to dst.
func (e *Event) AppendKey(dst []byte) []byte {
	return append(append(append(dst, e.Tenant...), '/'), e.PartnerID...)
}

// TenantWide stands for the partner in directory events that belong to the whole
// tenant, such as a published document. No real partner may use it.
const TenantWide = "-"

// Actor is the person behind an event: the user, else the anonymous visitor.
// It is what "active users" counts and what sessions are derived for.
func (e *Event) Actor() string {
	if e.UserID != "" {
		return e.UserID
	}
	return e.AnonymousID
}

// ErrIncomplete is wrapped by Validate's error when a frozen field is missing.
var ErrIncomplete = errors.New("event is incomplete")
