package xapi

import "github.com/go-json-experiment/json/jsontext"

// Statement is one xAPI statement, after its form was checked.
type Statement struct {
	ID          string       `json:"id,omitzero"`
	Actor       *Actor       `json:"actor,omitzero"`
	Verb        *VerbRef     `json:"verb,omitzero"`
	Object      *Object      `json:"object,omitzero"`
	Result      *Result      `json:"result,omitzero"`
	Context     *Context     `json:"context,omitzero"`
	Timestamp   string       `json:"timestamp,omitzero"`
	Stored      string       `json:"stored,omitzero"`
	Authority   *Actor       `json:"authority,omitzero"`
	Version     string       `json:"version,omitzero"`
	Attachments []Attachment `json:"attachments,omitzero"`
}

// Actor is an agent or a group.
type Actor struct {
	ObjectType string   `json:"objectType,omitzero"`
	Name       string   `json:"name,omitzero"`
	Mbox       string   `json:"mbox,omitzero"`
	MboxSHA1   string   `json:"mbox_sha1sum,omitzero"`
	OpenID     string   `json:"openid,omitzero"`
	Account    *Account `json:"account,omitzero"`
	Member     []Actor  `json:"member,omitzero"`
}

// Account is a login in some system.
type Account struct {
	HomePage string `json:"homePage"`
	Name     string `json:"name"`
}

// VerbRef is the verb of a statement.
type VerbRef struct {
	ID      string            `json:"id"`
	Display map[string]string `json:"display,omitzero"`
}

// Object is what the statement is about. The fields of all its kinds are here;
// which may be present depends on ObjectType.
type Object struct {
	ObjectType string      `json:"objectType,omitzero"`
	ID         string      `json:"id,omitzero"` // Activity, StatementRef
	Definition *Definition `json:"definition,omitzero"`

	Name     string   `json:"name,omitzero"` // Agent, Group
	Mbox     string   `json:"mbox,omitzero"`
	MboxSHA1 string   `json:"mbox_sha1sum,omitzero"`
	OpenID   string   `json:"openid,omitzero"`
	Account  *Account `json:"account,omitzero"`
	Member   []Actor  `json:"member,omitzero"`

	Actor       *Actor       `json:"actor,omitzero"` // SubStatement
	Verb        *VerbRef     `json:"verb,omitzero"`
	Object      *Object      `json:"object,omitzero"`
	Result      *Result      `json:"result,omitzero"`
	Context     *Context     `json:"context,omitzero"`
	Timestamp   string       `json:"timestamp,omitzero"`
	Attachments []Attachment `json:"attachments,omitzero"`
}

// Definition describes an activity. What only concerns interactions is not looked into.
type Definition struct {
	Name        map[string]string `json:"name,omitzero"`
	Description map[string]string `json:"description,omitzero"`
	Type        string            `json:"type,omitzero"`
	MoreInfo    string            `json:"moreInfo,omitzero"`
	Extensions  Extensions        `json:"extensions,omitzero"`

	InteractionType         string           `json:"interactionType,omitzero"`
	CorrectResponsesPattern []string         `json:"correctResponsesPattern,omitzero"`
	Choices                 []jsontext.Value `json:"choices,omitzero"`
	Scale                   []jsontext.Value `json:"scale,omitzero"`
	Source                  []jsontext.Value `json:"source,omitzero"`
	Target                  []jsontext.Value `json:"target,omitzero"`
	Steps                   []jsontext.Value `json:"steps,omitzero"`
}

// Extensions are values by IRI.
type Extensions map[string]jsontext.Value

// Result is the outcome.
type Result struct {
	Score      *Score     `json:"score,omitzero"`
	Success    *bool      `json:"success,omitzero"`
	Completion *bool      `json:"completion,omitzero"`
	Response   *string    `json:"response,omitzero"`
	Duration   string     `json:"duration,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
}

// Score is a mark.
type Score struct {
	Scaled *float64 `json:"scaled,omitzero"`
	Raw    *float64 `json:"raw,omitzero"`
	Min    *float64 `json:"min,omitzero"`
	Max    *float64 `json:"max,omitzero"`
}

// Context is where and with whom.
type Context struct {
	Registration string              `json:"registration,omitzero"`
	Instructor   *Actor              `json:"instructor,omitzero"`
	Team         *Actor              `json:"team,omitzero"`
	Activities   map[string]Objects  `json:"contextActivities,omitzero"`
	Revision     string              `json:"revision,omitzero"`
	Platform     string              `json:"platform,omitzero"`
	Language     string              `json:"language,omitzero"`
	Statement    *StatementReference `json:"statement,omitzero"`
	Extensions   Extensions          `json:"extensions,omitzero"`
}

// StatementReference names another statement.
type StatementReference struct {
	ObjectType string `json:"objectType"`
	ID         string `json:"id"`
}

// Attachment describes a file beside the statement.
type Attachment struct {
	UsageType   string            `json:"usageType"`
	Display     map[string]string `json:"display"`
	Description map[string]string `json:"description,omitzero"`
	ContentType string            `json:"contentType"`
	Length      *int64            `json:"length"`
	SHA2        string            `json:"sha2"`
	FileURL     string            `json:"fileUrl,omitzero"`
}

// Objects is a list that may be written as its only element.
type Objects []Object
