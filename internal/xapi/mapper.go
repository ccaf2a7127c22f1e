package xapi

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Mapper turns statements into events. It is safe for concurrent use.
type Mapper struct {
	cfg         Config
	verbs       map[string]Verb
	classes     map[string]Class
	homePage    *regexp.Regexp // nil: none
	accountName *regexp.Regexp // nil: none
}

// NewMapper checks the configuration and adds it to the defaults.
func NewMapper(cfg Config) (*Mapper, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m := &Mapper{cfg: cfg, verbs: DefaultVerbs(), classes: DefaultActivityTypes()}
	maps.Copy(m.verbs, cfg.Verbs)
	maps.Copy(m.classes, cfg.ActivityTypes)
	var err error
	if m.homePage, err = pattern("home_page_pattern", cfg.Partners.HomePagePattern); err != nil {
		return nil, err
	}
	m.accountName, err = pattern("account_pattern", cfg.Partners.AccountPattern)
	return m, err
}

// Mapped is the event that a statement stands for.
type Mapped struct {
	ID      string // of the statement, lower case
	Type    event.Type
	Partner string // "": the directory may know the user's
	// Envelope is the event's JSON as POST /v1/events takes it.
	Envelope []byte
	// Unmapped says why a statement has no type of the contract; its Type is then
	// one of custom.xapi.*, for tenants that allow those. Empty: it is mapped.
	Unmapped string
}

// envelope is the event's JSON.
type envelope struct {
	ID          string         `json:"id"`
	Type        event.Type     `json:"type"`
	Time        string         `json:"time"`
	PartnerID   string         `json:"partner_id,omitzero"`
	UserID      string         `json:"user_id,omitzero"`
	AnonymousID string         `json:"anonymous_id,omitzero"`
	Internal    bool           `json:"internal,omitzero"`
	Context     *whereabouts   `json:"context,omitzero"`
	Data        map[string]any `json:"data"`
}

type whereabouts struct {
	Title  string `json:"title,omitzero"`
	Locale string `json:"locale,omitzero"`
}

// Map turns a statement into an event. Its id is id where the statement has none,
// its time arrival where the statement has none. raw is the statement as sent; the
// event carries it in data.statement.
func (m *Mapper) Map(s *Statement, raw []byte, id string, arrival time.Time) (Mapped, error) {
	if s.ID != "" {
		id = strings.ToLower(s.ID)
	}
	partner, user, anonymous := m.who(s)
	e := envelope{ID: id, PartnerID: partner, UserID: user, AnonymousID: anonymous, Data: map[string]any{}}
	at := arrival
	if s.Timestamp != "" {
		t, err := Time(s.Timestamp)
		if err != nil {
			return Mapped{}, err // was checked when decoding
		}
		at = t
	}
	e.Time = at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	unmapped := m.what(s, &e)
	m.outcome(s, &e)
	if title, locale := titleOf(s.Object), contextOf(s).Language; title != "" || locale != "" {
		e.Context = &whereabouts{Title: title, Locale: cut(locale, 100)}
	}
	e.Data["verb"] = s.Verb.ID
	e.Data["statement"] = jsontext.Value(raw)
	if r := contextOf(s).Registration; r != "" {
		e.Data["registration"] = strings.ToLower(r)
	}
	b, err := json.Marshal(&e, json.Deterministic(true))
	if err != nil {
		return Mapped{}, fmt.Errorf("encoding the event of a statement: %w", err)
	}
	return Mapped{ID: id, Type: e.Type, Partner: partner, Envelope: b, Unmapped: unmapped}, nil
}

// VoidedType is the type of events of voiding statements. It is never scored, and
// taken from tenants without custom types, too: it is ours.
const VoidedType event.Type = event.CustomPrefix + "xapi.voided"

// what settles the type and what it is about. It gives the reason when there is none.
func (m *Mapper) what(s *Statement, e *envelope) (unmapped string) {
	e.Type = customType(s.Verb.ID)
	o := s.Object
	course := m.course(s)
	switch {
	case s.VoidedTarget() != "":
		e.Type, e.Internal = VoidedType, true
		e.Data["target_id"] = s.VoidedTarget()
		return ""
	case o.ObjectType != "" && o.ObjectType != "Activity" && (course == nil || o.ObjectType == "SubStatement"):
		return fmt.Sprintf("a statement with an object of the kind %s has no place among the event types, unless its contextActivities name a course", o.ObjectType)
	case o.ObjectType != "" && o.ObjectType != "Activity":
		o = course
	}
	verb, known := m.verbs[s.Verb.ID]
	class := m.class(o)
	t := verb.Training
	if class == Content {
		t = verb.Content
	}
	e.Data["activity_id"] = o.ID
	if t == "" {
		if known {
			return fmt.Sprintf("the verb %.200s means nothing for %s: map it under collector.xapi.verbs", s.Verb.ID, class)
		}
		return fmt.Sprintf("the verb %.200s is not mapped: map it under collector.xapi.verbs", s.Verb.ID)
	}
	e.Type = t
	if class == Content {
		m.content(s, o, e)
		return ""
	}
	e.Data["course_id"] = m.name(o.ID)
	if course != nil && course.ID != s.Object.ID && m.cfg.Parts == PartsProgress {
		e.Type, e.Data["course_id"] = partOf(t), m.name(course.ID)
	}
	return ""
}

// course gives the course that the statement's activity is part of, or nil.
func (m *Mapper) course(s *Statement) *Object {
	if m.class(s.Object) == Course {
		return nil
	}
	for _, list := range []string{"parent", "grouping"} {
		for i := range contextOf(s).Activities[list] {
			if o := &contextOf(s).Activities[list][i]; m.class(o) == Course {
				return o
			}
		}
	}
	return nil
}

func (m *Mapper) class(o *Object) Class {
	if o.Definition != nil {
		if class, ok := m.classes[o.Definition.Type]; ok {
			return class
		}
	}
	return m.cfg.DefaultClass
}

// name is the id of a course or document of ours.
func (m *Mapper) name(activityID string) string {
	if short := strings.TrimPrefix(activityID, m.cfg.ActivityPrefix); short != "" {
		return short
	}
	return activityID
}

// content fills what content events need. One session with the activity is one
// view; without a session each statement is.
func (m *Mapper) content(s *Statement, o *Object, e *envelope) {
	e.Data["content_id"], e.Data["view_id"] = m.name(o.ID), e.ID
	for _, iri := range m.cfg.SessionExtensions {
		if id := textOf(contextOf(s).Extensions[iri]); id != "" {
			e.Data["view_id"] = id
			break
		}
	}
	switch e.Type {
	case event.ContentViewed:
		if o.Definition != nil {
			e.Data["kind"] = cut(lastPart(o.Definition.Type), 100)
		}
	case event.ContentEngaged:
		e.Data["engaged_ms"], e.Data["max_scroll_pct"] = 0, 0.0
		if seconds, ok := durationOf(s); ok {
			e.Data["engaged_ms"] = int64(math.Round(seconds * 1000))
		}
		if p, ok := m.progress(s); ok {
			e.Data["max_scroll_pct"], e.Data["media_pct"] = p, p
		}
	}
}

// outcome fills what the result tells about training.
func (m *Mapper) outcome(s *Statement, e *envelope) {
	if !strings.HasPrefix(string(e.Type), "training.") {
		return
	}
	if p, ok := m.progress(s); ok {
		e.Data["progress"] = p
	}
	const year = 365 * 86400
	if seconds, ok := durationOf(s); ok && seconds <= year {
		e.Data["duration_s"] = seconds
	}
	if s.Result == nil || s.Result.Score == nil {
		return
	}
	switch score := s.Result.Score; {
	case score.Scaled != nil:
		e.Data["score_scaled"] = *score.Scaled
	case score.Raw != nil && score.Min != nil && score.Max != nil:
		e.Data["score_scaled"] = (*score.Raw - *score.Min) / (*score.Max - *score.Min)
	}
}

// progress gives the per cent of the first progress extension, in order of their
// IRIs. What is outside 0–100 is no progress.
func (m *Mapper) progress(s *Statement) (percent float64, ok bool) {
	for _, iri := range slices.Sorted(maps.Keys(m.cfg.ProgressExtensions)) {
		for _, in := range []Extensions{resultOf(s).Extensions, contextOf(s).Extensions} {
			var n float64
			v := in[iri]
			if v.Kind() != '0' || json.Unmarshal(v, &n) != nil {
				continue
			}
			// Fractions such as 0.29 × 100 must not show their binary rest.
			if n = math.Round(n*m.cfg.ProgressExtensions[iri]*1e6) / 1e6; n >= 0 && n <= 100 {
				return n, true
			}
		}
	}
	return 0, false
}

func durationOf(s *Statement) (seconds float64, ok bool) {
	if resultOf(s).Duration == "" {
		return 0, false
	}
	return Seconds(s.Result.Duration)
}

func contextOf(s *Statement) *Context {
	if s.Context == nil {
		return new(Context)
	}
	return s.Context
}

func resultOf(s *Statement) *Result {
	if s.Result == nil {
		return new(Result)
	}
	return s.Result
}

// titleOf gives the activity's name: English, else the first by language tag.
func titleOf(o *Object) string {
	if o.Definition == nil {
		return ""
	}
	names := o.Definition.Name
	for _, tag := range slices.Sorted(maps.Keys(names)) {
		if tag == "en" || strings.HasPrefix(tag, "en-") {
			return cut(names[tag], event.ContextLengthMax)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(names)) {
		return cut(names[tag], event.ContextLengthMax)
	}
	return ""
}

// textOf gives the text of a JSON string, "" for anything else.
func textOf(v jsontext.Value) string {
	var s string
	if v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// lastPart is what an IRI ends with.
func lastPart(iri string) string {
	iri = strings.TrimRight(iri, "/#")
	return iri[strings.LastIndexAny(iri, "/#:")+1:]
}

// customType names the type of a verb that is not mapped.
func customType(verb string) event.Type {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, lastPart(verb))
	if name == "" {
		name = "unnamed"
	}
	return event.Type(event.CustomPrefix + "xapi." + cut(name, 80))
}

// cut gives the first n characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
