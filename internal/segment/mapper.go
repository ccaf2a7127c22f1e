package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Env is what a call's meaning depends on besides itself.
type Env struct {
	ReceivedAt  time.Time
	Directory   bool          // the key may describe partners and users
	AllowCustom bool          // the tenant takes custom.* types
	NewID       func() string // a new random id, for a call without id and time
}

// Result is what a call becomes.
type Result struct {
	// Events are in the form of POST /v1/events: none for a call that carries no event
	// (see Ignored), two for a group call of a key that may describe the directory.
	Events [][]byte
	// Ignored says that there is nothing to store: alias; identify and group of a key
	// that may not describe the directory; a rule of type ignore.
	Ignored bool
	// Problem says why the call is refused whatever its event looks like; nil: the
	// contract's rules decide.
	Problem *event.Problem

	// Member is what an identify or group call says about whose somebody is.
	Member Member

	pointers map[string]string // of event fields into the call
}

// Member is a user or visitor and the partner they are said to belong to; PartnerID
// is empty when nothing was said.
type Member struct {
	UserID, AnonymousID, PartnerID string
}

// member gives what the call says about its user, if it names a partner.
func (c *Call) member(partner string) Member {
	m := Member{UserID: c.members.text("userId"), AnonymousID: c.members.text("anonymousId"), PartnerID: partner}
	if m.UserID == "" && m.AnonymousID == "" || partner == "" {
		return Member{}
	}
	return m
}

// refuse is the result of a call that cannot become an event.
func refuse(code event.Code, pointer, message string) Result {
	return Result{Problem: &event.Problem{Code: code, Pointer: pointer, Message: message}}
}

// membersMax is how many members an object may have whose members are looked up one
// by one; the schema allows no more in data.
const membersMax = 200

// Map rewrites a call that was read without a problem.
func (m *Mapper) Map(c *Call, env Env) Result {
	for _, o := range []struct {
		place string
		size  int
	}{
		{"", len(c.members)}, {"/context", len(c.context)},
		{"/properties", len(c.properties)}, {"/traits", len(c.traits)},
	} {
		if o.size > membersMax {
			return refuse(event.CodeSchema, o.place, fmt.Sprintf("must have at most %d members, not %d", membersMax, o.size))
		}
	}
	switch c.method {
	case Track:
		return m.track(c, env)
	case Page, Screen:
		return m.page(c, env)
	case Identify:
		return m.identify(c, env)
	case Group:
		return m.group(c, env)
	case Alias:
		return Result{Ignored: true}
	}
	return refuse(event.CodeUnknownType, "/type", fmt.Sprintf("%q is not track, page, screen, identify, group or alias", cut(string(c.method))))
}

// cut shortens a text that a message quotes.
func cut(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// Method is the kind of the call; what is not a method of ours is unknown.
func (c *Call) Method() Method {
	switch c.method {
	case Track, Page, Screen, Identify, Group, Alias:
		return c.method
	}
	return "unknown"
}

// track finds the type by the event's name.
func (m *Mapper) track(c *Call, env Env) Result {
	name := c.members.text("event")
	if name == "" {
		return refuse(event.CodeMissing, "/event", "a track call needs event, the name of what happened")
	}
	var unknown *event.Problem
	r := m.rules[normal(name)]
	switch {
	case r == nil && event.Type(name).IsCustom():
		r = &rule{typ: event.Type(name)}
	case r == nil && slug(name) == "":
		return refuse(event.CodeUnknownType, "/event", fmt.Sprintf("%q has no ASCII letter or digit to make a custom type of: map it in collector.segment.events", cut(name)))
	case r == nil:
		r = &rule{typ: event.Type(event.CustomPrefix + slug(name))}
		if !env.AllowCustom {
			unknown = &event.Problem{Code: event.CodeUnknownType, Pointer: "/event", Message: fmt.Sprintf(
				"the event name %q is not mapped to a type: map it in collector.segment.events, or allow custom types for the tenant", cut(name))}
		}
	case r.typ == Ignore:
		return Result{Ignored: true}
	}
	b := m.build(c, env, r.typ)
	b.data(r, c.properties, "/properties")
	switch r.typ {
	case event.ContentViewed, event.PageViewed:
		b.fill("view_id", str(b.id))
	case event.SearchPerformed:
		b.fill("search_id", str(b.id))
	}
	if r.typ == event.PageViewed {
		b.fillPage(c.properties, "")
	}
	result := b.result()
	result.Problem = unknown
	return result
}

// page makes page.viewed of page and screen calls.
func (m *Mapper) page(c *Call, env Env) Result {
	b := m.build(c, env, event.PageViewed)
	properties := c.properties
	b.data(m.types[event.PageViewed], properties, "/properties")
	b.fill("view_id", str(b.id))
	name := c.members.text("name")
	for _, field := range []string{"name", "category"} {
		if s := c.members.text(field); s != "" {
			b.fill(field, str(s))
		}
	}
	if c.method == Screen {
		b.fill("path", str("/screen/"+name))
		b.fill("title", str(name))
	}
	b.fillPage(properties, name)
	return b.result()
}

// identify describes a user, when the key may do that.
func (m *Mapper) identify(c *Call, env Env) Result {
	user := c.members.text("userId")
	if partner, _ := m.partner(c); !env.Directory || user == "" {
		return Result{Ignored: true, Member: c.member(partner)}
	}
	b := m.build(c, env, event.UserUpserted)
	traits := c.traits
	if traits == nil {
		traits = c.context.object("traits") // where older SDKs put them
	}
	b.out = append(b.out, member{"user_id", str(user)})
	b.data(m.types[event.UserUpserted], m.kept(traits), "/traits")
	if full := strings.TrimSpace(textOf(find(traits, "first name")) + " " + textOf(find(traits, "last name"))); full != "" {
		b.fill("name", str(full))
	}
	result := b.result()
	result.Member = c.member(b.partner)
	return result
}

// group describes a partner and says that the user belongs to it, when the key may
// do that.
func (m *Mapper) group(c *Call, env Env) Result {
	partner := c.members.text("groupId")
	if !env.Directory {
		return Result{Ignored: true, Member: c.member(partner)}
	}
	if partner == "" {
		return refuse(event.CodeUnresolvedPartner, "/groupId", "a group call needs groupId: it is the partner")
	}
	b := m.build(c, env, event.PartnerUpserted)
	b.partner = partner
	b.out = append(b.out, member{"partner_id", str(partner)})
	b.data(m.types[event.PartnerUpserted], m.kept(c.traits).without("partner_id"), "/traits")
	result := b.result()
	result.Member = c.member(partner)
	if user := c.members.text("userId"); user != "" {
		link := m.build(c, env, event.UserUpserted)
		link.id, link.partner = b.id+":user", partner
		link.out = object{{"user_id", str(user)}}
		result.Events = append(result.Events, link.event())
	}
	return result
}

// kept gives the traits that are stored.
func (m *Mapper) kept(traits object) object {
	var out object
	for _, t := range traits {
		if t.name != IdentityField && !m.dropTraits[normal(t.name)] {
			out = append(out, t)
		}
	}
	return out
}

// partner finds what the call itself says about its partner, and where.
func (m *Mapper) partner(c *Call) (partner, pointer string) {
	for _, path := range m.partnerFrom {
		o, pointer := c.members, ""
		for i, name := range path {
			found := lookup(o, name)
			if found == nil {
				break
			}
			pointer += "/" + escape(found.name)
			if i == len(path)-1 {
				if s := textOf(found.value); s != "" {
					return s, pointer
				}
				break
			}
			inner, err := readObject(found.value)
			if err != nil {
				break
			}
			o = inner
		}
	}
	return "", "/context/groupId"
}

// id gives the call's id. One without gets a digest of the call, the same when the
// call is sent again; but a call without a time, too, is the same as every other of
// its kind, so that only a random id tells them apart.
func (c *Call) id(env Env) string {
	if id := c.members.text("messageId"); id != "" {
		return id
	}
	if c.members.get("timestamp") == nil && c.members.get("originalTimestamp") == nil {
		return env.NewID()
	}
	sum := sha256.Sum256(c.members.without("sentAt", "_metadata").append(nil))
	return "seg-" + hex.EncodeToString(sum[:16])
}

// lookup finds a member by its normal name; one with a null is as good as absent.
func lookup(o object, normalName string) *member {
	for i := range o {
		if mayBe(o[i].name, normalName) && normal(o[i].name) == normalName && o[i].value.Kind() != 'n' {
			return &o[i]
		}
	}
	return nil
}

// mayBe rules out most names by their first letter, without work.
func mayBe(name, normalName string) bool {
	if name == "" || normalName == "" {
		return false
	}
	c := name[0] | 0x20
	return c < 'a' || c > 'z' || c == normalName[0]
}

// find gives a member's value by its normal name, or nil.
func find(o object, normalName string) jsontext.Value {
	if m := lookup(o, normalName); m != nil {
		return m.value
	}
	return nil
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
