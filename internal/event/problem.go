package event

import "strconv"

// Code says why an event was refused. Codes are part of the contract: they are
// in answers, in engagement.rejects.v1, and in metrics as a label.
type Code string

// The reasons for refusing an event.
const (
	CodeMalformed         Code = "malformed_json"     // not JSON, or not an object
	CodeSchema            Code = "schema"             // breaks the JSON Schema of its type
	CodeUnknownType       Code = "unknown_type"       // no such type, or custom.* not allowed
	CodeMissing           Code = "missing"            // a required envelope field is absent
	CodeTooLong           Code = "too_long"           // a field or the event is over its limit
	CodeTooOld            Code = "too_old"            // older than the tenant's late limit
	CodeInFuture          Code = "in_future"          // more than 5 min in the future
	CodeUnresolvedPartner Code = "unresolved_partner" // no partner given and none derivable
	CodeForbiddenType     Code = "forbidden_type"     // the key lacks the scope that the type needs
	CodeForbiddenPartner  Code = "forbidden_partner"  // the key or identity may not speak for it
	CodeConflict          Code = "conflict"           // another event with this id was taken before
	CodeUndecodable       Code = "undecodable"        // the enricher could not decode the record
	CodeUnstorable        Code = "unstorable"         // ClickHouse refuses the row
)

// Problem is one reason against one event, in a form a developer can act on.
type Problem struct {
	Code    Code
	Pointer string // JSON Pointer (RFC 6901) into the event; "" is the event itself
	Message string // what is wrong and how to mend it
}

// Error gives code, place and message.
func (p *Problem) Error() string {
	return string(p.Code) + " at " + strconv.Quote(p.Pointer) + ": " + p.Message
}
