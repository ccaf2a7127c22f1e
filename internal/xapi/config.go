// Package xapi reads xAPI 1.0.3 statements, checks what the specification demands
// of them, and turns each into an event of the contract, written as the JSON object
// that POST /v1/events takes. It also keeps, in bounded memory, the statements of
// the last minutes and the state documents of courses. It does no I/O.
//
// A statement that breaks the specification is an error. One that is valid and has
// no place in the contract, for example with a verb that is not mapped, becomes a
// message with a Problem: it is kept, not counted.
package xapi

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"partnerpulse/internal/event"
)

// Config says how statements become events.
type Config struct {
	// Verbs maps verb IRIs, added to DefaultVerbs. An entry without types takes a
	// default away.
	Verbs map[string]Verb `yaml:"verbs"`
	// ActivityTypes maps activity types to "course", "training" or "content", added
	// to DefaultActivityTypes.
	ActivityTypes map[string]Class `yaml:"activity_types"`
	// DefaultClass is that of activities without a type or with an unknown one.
	DefaultClass Class `yaml:"default_class"`
	// Parts says what a lesson or test inside a course is: "progress", it moves its
	// course forward and only the course's own statements finish it; or "own",
	// it is a course of its own.
	Parts Parts `yaml:"parts"`
	// Partners says how the actor's partner is found.
	Partners Partners `yaml:"partners"`
	// ProgressExtensions maps result or context extensions to what their number is
	// multiplied by to give per cent.
	ProgressExtensions map[string]float64 `yaml:"progress_extensions"`
	// SessionExtensions are context extensions that name one session with the
	// activity; the first present is the view_id of content events.
	SessionExtensions []string `yaml:"session_extensions"`
	// ActivityPrefix is cut from activity ids to give course and content ids.
	ActivityPrefix string `yaml:"activity_prefix"`
	// Strict answers 400 to statements that are valid but cannot be counted, and
	// takes nothing of their request. Otherwise they are answered as taken and kept
	// among the rejects.
	Strict bool `yaml:"strict"`
	// RecentMax and RecentBytesMax bound the statements kept in memory for GET and
	// for telling repetitions from conflicts.
	RecentMax      int   `yaml:"recent_max"`
	RecentBytesMax int64 `yaml:"recent_bytes_max"`
	// DocumentsMax, DocumentsBytesMax and DocumentBytesMax bound the state documents
	// in memory: their number, their sum, and one of them.
	DocumentsMax      int   `yaml:"documents_max"`
	DocumentsBytesMax int64 `yaml:"documents_bytes_max"`
	DocumentBytesMax  int64 `yaml:"document_bytes_max"`
}

// Verb gives the event type of a verb, by what the activity is.
type Verb struct {
	Training event.Type `yaml:"training"`
	Content  event.Type `yaml:"content"`
}

// Class says what an activity is to us.
type Class string

// The classes. A course is training that others can be part of.
const (
	Course   Class = "course"
	Training Class = "training"
	Content  Class = "content"
)

// Parts says what the parts of a course are.
type Parts string

// The ways.
const (
	PartsProgress Parts = "progress"
	PartsOwn      Parts = "own"
)

// Partners says how the partner of a statement is found. The first way that gives
// one wins: a context extension, the team, the account's home page, its pattern,
// the pattern of account names, and an actor that is a group. Where none does, the
// directory is asked for the user.
type Partners struct {
	// Extensions are context extensions whose text is the partner's id.
	Extensions []string `yaml:"extensions"`
	// Team takes the account name of context.team.
	Team bool `yaml:"team"`
	// HomePages maps an account's homePage to a partner's id.
	HomePages map[string]string `yaml:"home_pages"`
	// HomePagePattern is a regular expression over homePage with the group partner.
	HomePagePattern string `yaml:"home_page_pattern"`
	// AccountPattern is a regular expression over an account's name with the group
	// partner and, optionally, user: ^(?P<partner>[^/]+)/(?P<user>.+)$
	AccountPattern string `yaml:"account_pattern"`
	// Group takes the account name of an actor that is an identified group.
	Group bool `yaml:"group"`
}

// PartnerExtension is the context extension that always may name the partner.
const PartnerExtension = "https://schemas.partnerpulse.dev/xapi/partner_id"

// DefaultConfig suits cmi5 courses and the usual LMS plug-ins.
func DefaultConfig() Config {
	return Config{
		DefaultClass: Training, Parts: PartsProgress,
		Partners: Partners{Extensions: []string{PartnerExtension}, Team: true, Group: true},
		ProgressExtensions: map[string]float64{
			"https://w3id.org/xapi/cmi5/result/extensions/progress": 1,
			"https://w3id.org/xapi/video/extensions/progress":       100,
			"http://w3id.org/xapi/video/extensions/progress":        100,
		},
		SessionExtensions: []string{
			"https://w3id.org/xapi/cmi5/context/extensions/sessionid",
			"https://w3id.org/xapi/video/extensions/session-id",
		},
		RecentMax: 20_000, RecentBytesMax: 32 << 20,
		DocumentsMax: 20_000, DocumentsBytesMax: 64 << 20, DocumentBytesMax: 1 << 20,
	}
}

// Validate checks the values.
func (c *Config) Validate() error {
	_, err := NewMapper(*c)
	return err
}

// check does Validate's work, without the patterns.
func (c *Config) check() error {
	classes := []Class{Course, Training, Content}
	if !slices.Contains(classes[1:], c.DefaultClass) {
		return fmt.Errorf("default_class %q is neither training nor content", c.DefaultClass)
	}
	if c.Parts != PartsProgress && c.Parts != PartsOwn {
		return fmt.Errorf("parts %q is neither progress nor own", c.Parts)
	}
	for iri, class := range c.ActivityTypes {
		if !slices.Contains(classes, class) {
			return fmt.Errorf("activity_types: %s: %q is none of %v", iri, class, classes)
		}
	}
	for _, iri := range slices.Sorted(maps.Keys(c.Verbs)) {
		v := c.Verbs[iri]
		if v.Training != "" && !isGroup(v.Training, "training.") {
			return fmt.Errorf("verbs: %s: training: %q is not one of the training types", iri, v.Training)
		}
		if v.Content != "" && !isGroup(v.Content, "content.") {
			return fmt.Errorf("verbs: %s: content: %q is not one of the content types", iri, v.Content)
		}
	}
	if c.RecentMax <= 0 || c.RecentBytesMax <= 0 || c.DocumentsMax <= 0 || c.DocumentBytesMax <= 0 || c.DocumentsBytesMax < c.DocumentBytesMax {
		return errors.New("recent_max, recent_bytes_max, documents_max and document_bytes_max must be positive, documents_bytes_max not below the last")
	}
	return nil
}

// isGroup tells a behaviour type of the contract with the prefix.
func isGroup(t event.Type, prefix string) bool {
	return strings.HasPrefix(string(t), prefix) && slices.Contains(event.Types(), t) && !t.IsDirectory()
}

// pattern compiles a regular expression that must have the group partner.
func pattern(name, text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("partners.%s: %w", name, err)
	}
	if re.SubexpIndex("partner") < 0 {
		return nil, fmt.Errorf("partners.%s has no group (?P<partner>…)", name)
	}
	return re, nil
}
