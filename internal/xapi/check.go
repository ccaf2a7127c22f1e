package xapi

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// found carries the first problem of a statement.
type found struct{ pointer, problem string }

func (f *found) add(pointer, problem string) {
	if f.problem == "" {
		f.pointer, f.problem = pointer, problem
	}
}

// check holds a statement to the specification's part 2.
func (s *Statement) check() (pointer, problem string) {
	f := new(found)
	if s.ID != "" && !isUUID(s.ID) {
		f.add("/id", "must be a UUID")
	}
	f.actor("/actor", s.Actor, true)
	f.body("", s.Verb, s.Object, s.Result, s.Context, s.Timestamp)
	if s.Verb != nil && s.Verb.ID == Voided && (s.Object == nil || s.Object.ObjectType != "StatementRef") {
		f.add("/object/objectType", "a statement that voids has a StatementRef for its object")
	}
	if s.Authority != nil {
		f.actor("/authority", s.Authority, true)
	}
	if s.Stored != "" {
		if _, err := Time(s.Stored); err != nil {
			f.add("/stored", err.Error())
		}
	}
	if s.Version != "" && s.Version != "1.0" && !strings.HasPrefix(s.Version, "1.0.") {
		f.add("/version", "must be 1.0.x")
	}
	f.attachments("/attachments", s.Attachments)
	return f.pointer, f.problem
}

// body checks what statements and sub-statements share.
func (f *found) body(at string, v *VerbRef, o *Object, r *Result, c *Context, timestamp string) {
	switch {
	case v == nil:
		f.add(at+"/verb", "is required")
	case !isIRI(v.ID):
		f.add(at+"/verb/id", "must be an IRI such as http://adlnet.gov/expapi/verbs/completed")
	}
	if o == nil {
		f.add(at+"/object", "is required")
	} else {
		f.object(at+"/object", o, at == "")
	}
	if r != nil {
		f.result(at+"/result", r)
	}
	if c != nil {
		f.context(at+"/context", c, o)
	}
	if timestamp != "" {
		if _, err := Time(timestamp); err != nil {
			f.add(at+"/timestamp", err.Error())
		}
	}
}

// actor checks an agent or a group. anonymous: a group without identity may stand there.
func (f *found) actor(at string, a *Actor, anonymous bool) {
	if a == nil {
		f.add(at, "is required")
		return
	}
	ids := 0
	for _, present := range []bool{a.Mbox != "", a.MboxSHA1 != "", a.OpenID != "", a.Account != nil} {
		if present {
			ids++
		}
	}
	switch a.ObjectType {
	case "", "Agent":
		if ids != 1 {
			f.add(at, "an agent has exactly one of mbox, mbox_sha1sum, openid and account")
		}
		if a.Member != nil {
			f.add(at+"/member", "only a group has members")
		}
	case "Group":
		if ids > 1 || ids == 0 && !anonymous {
			f.add(at, "a group has at most one of mbox, mbox_sha1sum, openid and account")
		}
		if ids == 0 && len(a.Member) == 0 {
			f.add(at+"/member", "a group without identity has members")
		}
	default:
		f.add(at+"/objectType", "must be Agent or Group")
	}
	f.identity(at, a)
	for i := range a.Member {
		place := fmt.Sprintf("%s/member/%d", at, i)
		if a.Member[i].ObjectType == "Group" {
			f.add(place, "a member is an agent")
			continue
		}
		f.actor(place, &a.Member[i], false)
	}
}

var sha1Form = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// identity checks the form of what identifies an actor.
func (f *found) identity(at string, a *Actor) {
	if a.Mbox != "" && (!strings.HasPrefix(a.Mbox, "mailto:") || !strings.Contains(a.Mbox[len("mailto:"):], "@")) {
		f.add(at+"/mbox", "must be mailto: and an e-mail address")
	}
	if a.MboxSHA1 != "" && !sha1Form.MatchString(a.MboxSHA1) {
		f.add(at+"/mbox_sha1sum", "must be the 40 hexadecimal digits of a SHA-1")
	}
	if a.OpenID != "" && !isIRI(a.OpenID) {
		f.add(at+"/openid", "must be a URI")
	}
	if a.Account == nil {
		return
	}
	if !isIRI(a.Account.HomePage) {
		f.add(at+"/account/homePage", "must be an IRI")
	}
	if a.Account.Name == "" {
		f.add(at+"/account/name", "is required")
	}
}

// object checks the object by its kind.
func (f *found) object(at string, o *Object, top bool) {
	agent := o.Name != "" || o.Mbox != "" || o.MboxSHA1 != "" || o.OpenID != "" || o.Account != nil || o.Member != nil
	sub := o.Actor != nil || o.Verb != nil || o.Object != nil || o.Result != nil || o.Context != nil || o.Timestamp != "" || o.Attachments != nil
	foreign := func(wrong bool) {
		if wrong {
			f.add(at, "has properties that do not belong to its objectType")
		}
	}
	switch o.ObjectType {
	case "", "Activity":
		foreign(agent || sub)
		f.activity(at, o)
	case "Agent", "Group":
		foreign(sub || o.ID != "" || o.Definition != nil)
		a := o.agent()
		f.actor(at, &a, true)
	case "StatementRef":
		foreign(agent || sub || o.Definition != nil)
		if !isUUID(o.ID) {
			f.add(at+"/id", "must be the UUID of a statement")
		}
	case "SubStatement":
		foreign(agent || o.ID != "" || o.Definition != nil)
		if !top || o.Object != nil && o.Object.ObjectType == "SubStatement" {
			f.add(at, "a SubStatement must not hold another one")
			return
		}
		f.actor(at+"/actor", o.Actor, true)
		f.body(at, o.Verb, o.Object, o.Result, o.Context, o.Timestamp)
		f.attachments(at+"/attachments", o.Attachments)
	default:
		f.add(at+"/objectType", "must be Activity, Agent, Group, StatementRef or SubStatement")
	}
}

// agent gives the actor that an object is.
func (o *Object) agent() Actor {
	return Actor{ObjectType: o.ObjectType, Name: o.Name, Mbox: o.Mbox, MboxSHA1: o.MboxSHA1, OpenID: o.OpenID, Account: o.Account, Member: o.Member}
}

func (f *found) activity(at string, o *Object) {
	if !isIRI(o.ID) {
		f.add(at+"/id", "must be an IRI")
	}
	if d := o.Definition; d != nil {
		if d.Type != "" && !isIRI(d.Type) {
			f.add(at+"/definition/type", "must be an IRI")
		}
		if d.MoreInfo != "" && !isIRI(d.MoreInfo) {
			f.add(at+"/definition/moreInfo", "must be an IRL")
		}
		f.extensions(at+"/definition", d.Extensions)
	}
}

func (f *found) result(at string, r *Result) {
	if s := r.Score; s != nil {
		if s.Scaled != nil && (*s.Scaled < -1 || *s.Scaled > 1) {
			f.add(at+"/score/scaled", "must be from -1 to 1")
		}
		if s.Min != nil && s.Max != nil && *s.Min >= *s.Max {
			f.add(at+"/score/min", "must be below max")
		}
		if s.Raw != nil && (s.Min != nil && *s.Raw < *s.Min || s.Max != nil && *s.Raw > *s.Max) {
			f.add(at+"/score/raw", "must be from min to max")
		}
	}
	if r.Duration != "" {
		if _, ok := Seconds(r.Duration); !ok {
			f.add(at+"/duration", "must be an ISO 8601 duration such as PT1H2M3.5S")
		}
	}
	f.extensions(at, r.Extensions)
}

func (f *found) context(at string, c *Context, o *Object) {
	if c.Registration != "" && !isUUID(c.Registration) {
		f.add(at+"/registration", "must be a UUID")
	}
	if c.Instructor != nil {
		f.actor(at+"/instructor", c.Instructor, true)
	}
	if c.Team != nil {
		f.actor(at+"/team", c.Team, true)
		if c.Team.ObjectType != "Group" {
			f.add(at+"/team/objectType", "must be Group")
		}
	}
	for kind, list := range c.Activities {
		switch kind {
		case "parent", "grouping", "category", "other":
		default:
			f.add(at+"/contextActivities", "has only parent, grouping, category and other")
		}
		for i := range list {
			place := fmt.Sprintf("%s/contextActivities/%s/%d", at, kind, i)
			if t := list[i].ObjectType; t != "" && t != "Activity" {
				f.add(place+"/objectType", "must be Activity")
				continue
			}
			f.object(place, &list[i], false)
		}
	}
	if (c.Revision != "" || c.Platform != "") && o != nil && o.ObjectType != "" && o.ObjectType != "Activity" {
		f.add(at, "revision and platform stand only beside an activity")
	}
	if s := c.Statement; s != nil && (s.ObjectType != "StatementRef" || !isUUID(s.ID)) {
		f.add(at+"/statement", "must be a StatementRef with a UUID")
	}
	f.extensions(at, c.Extensions)
}

func (f *found) extensions(at string, e Extensions) {
	for iri := range e {
		if !isIRI(iri) {
			f.add(at+"/extensions", fmt.Sprintf("%.100q is not an IRI", iri))
		}
	}
}

func (f *found) attachments(at string, list []Attachment) {
	for i, a := range list {
		place := fmt.Sprintf("%s/%d", at, i)
		if !isIRI(a.UsageType) || a.Display == nil || a.ContentType == "" || a.Length == nil || a.SHA2 == "" {
			f.add(place, "an attachment has usageType (an IRI), display, contentType, length and sha2")
		}
		if a.FileURL != "" && !isIRI(a.FileURL) {
			f.add(place+"/fileUrl", "must be an IRL")
		}
	}
}

func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// IsIRI tells an absolute IRI.
func IsIRI(s string) bool { return isIRI(s) }

// isIRI tells an absolute IRI: a scheme and something behind it.
func isIRI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || strings.ContainsAny(s, " \t\r\n<>\"") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

// Time reads a timestamp: ISO 8601 with a zone, also +01 and +0100.
func Time(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07"} {
		if t, err := time.Parse(layout, s); err == nil {
			if strings.HasSuffix(s, "-00:00") || strings.HasSuffix(s, "-0000") || strings.HasSuffix(s, "-00") {
				break
			}
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is not an ISO 8601 time with a zone, such as 2026-11-03T09:15:00.000Z", s)
}
