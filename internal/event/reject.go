package event

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Reject is one refused event on engagement.rejects.v1: the original bytes and
// why they were refused, enough to replay them after a fix.
type Reject struct {
	RejectedAt string `json:"rejected_at"` // RFC 3339, UTC, milliseconds
	Stage      string `json:"stage"`       // collector or enricher
	Tenant     string `json:"tenant"`
	Portal     string `json:"portal,omitzero"`
	KeyID      string `json:"key_id,omitzero"`
	Source     Source `json:"source,omitzero"`
	EventID    string `json:"event_id,omitzero"` // when it could be read
	EventType  string `json:"event_type,omitzero"`
	Code       Code   `json:"code"`
	Pointer    string `json:"pointer"`
	Message    string `json:"message"`
	Topic      string `json:"topic,omitzero"` // where the record was, for the enricher
	Partition  int    `json:"partition,omitzero"`
	Offset     int64  `json:"offset,omitzero"`
	Encoding   string `json:"encoding"`           // utf-8 or base64
	Original   string `json:"original"`           // the event as received
	Truncated  bool   `json:"truncated,omitzero"` // only the first part is kept: it was over EventSizeBytesMax
}

// NewReject describes the refusal of original at the given instant.
func NewReject(at time.Time, stage string, p *Problem, original []byte) *Reject {
	r := &Reject{
		RejectedAt: at.UTC().Format(timeLayout), Stage: stage,
		Code: p.Code, Pointer: p.Pointer, Message: p.Message,
		Encoding: "utf-8", Original: string(original),
	}
	if !utf8.Valid(original) {
		r.Encoding, r.Original = "base64", base64.StdEncoding.EncodeToString(original)
	}
	return r
}

// Marshal gives the JSON on the topic.
func (r *Reject) Marshal() ([]byte, error) { return json.Marshal(r, json.Deterministic(true)) }

// Bytes gives the original bytes back.
func (r *Reject) Bytes() ([]byte, error) {
	if r.Encoding == "base64" {
		return base64.StdEncoding.DecodeString(r.Original)
	}
	return []byte(r.Original), nil
}
