package xapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Facets is what statements are selected by. The store has the same, made by SQL
// (schemas/clickhouse/0022_xapi_selection.sql): a test holds them to each other.
type Facets struct {
	Verb         string
	Activity     string // "": the object is none
	Registration string // lower case
	// Agents are the keys of actor and object, and of the members of such groups.
	Agents []string
	// RelatedAgents are those of authority, instructor and team, and of all of a
	// SubStatement's.
	RelatedAgents []string
	// RelatedActivities are those of the context, and of all of a SubStatement's.
	RelatedActivities []string
}

// FacetsOf gives the facets of a statement that was sent with the key keyID.
func FacetsOf(raw []byte, keyID string) (*Facets, error) {
	s := new(Statement)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("decoding statement: %w", err)
	}
	f := &Facets{Registration: strings.ToLower(contextOf(s).Registration)}
	if s.Verb != nil {
		f.Verb = s.Verb.ID
	}
	o := s.Object
	if o == nil {
		o = new(Object)
	}
	f.Activity = o.activity()
	f.Agents = keysOf(s.Actor, o.person())
	authority := &Actor{Account: &Account{HomePage: KeysHomePage, Name: keyID}}
	f.RelatedAgents = append(keysOf(authority), contextOf(s).people()...)
	f.RelatedActivities = contextOf(s).activities()
	if o.ObjectType == "SubStatement" {
		if o.Object != nil {
			f.RelatedAgents = append(f.RelatedAgents, keysOf(o.Object.person())...)
			if id := o.Object.activity(); id != "" {
				f.RelatedActivities = append(f.RelatedActivities, id)
			}
		}
		f.RelatedAgents = append(f.RelatedAgents, keysOf(o.Actor)...)
		if o.Context != nil {
			f.RelatedAgents = append(f.RelatedAgents, o.Context.people()...)
			f.RelatedActivities = append(f.RelatedActivities, o.Context.activities()...)
		}
	}
	return f, nil
}

// activity gives the id of an object that is an activity.
func (o *Object) activity() string {
	if o.ObjectType == "" || o.ObjectType == "Activity" {
		return o.ID
	}
	return ""
}

// person gives an object that is an agent or a group; nil: it is neither.
func (o *Object) person() *Actor {
	if o.ObjectType != "Agent" && o.ObjectType != "Group" {
		return nil
	}
	return &Actor{ObjectType: o.ObjectType, Mbox: o.Mbox, MboxSHA1: o.MboxSHA1, OpenID: o.OpenID, Account: o.Account, Member: o.Member}
}

func (c *Context) people() []string { return keysOf(c.Instructor, c.Team) }

func (c *Context) activities() (ids []string) {
	for _, list := range c.Activities {
		for i := range list {
			ids = append(ids, list[i].ID)
		}
	}
	return ids
}

// keysOf gives the keys of actors and of the members of groups; nil has none.
func keysOf(actors ...*Actor) (keys []string) {
	for _, a := range actors {
		if a == nil {
			continue
		}
		if key := a.Key(); key != "" {
			keys = append(keys, key)
		}
		for i := range a.Member {
			keys = append(keys, a.Member[i].Key())
		}
	}
	return keys
}

// Key gives text that is equal for equal actors only: what identifies one. A group
// without identity has none. A home page is an IRI and so holds no space.
func (a *Actor) Key() string {
	switch {
	case a.Account != nil:
		return "account " + a.Account.HomePage + " " + a.Account.Name
	case a.Mbox != "":
		return a.Mbox
	case a.OpenID != "":
		return "openid " + a.OpenID
	case a.MboxSHA1 != "":
		return "sha1 " + strings.ToLower(a.MboxSHA1)
	}
	return ""
}

// Filter selects statements by what they are about; its zero value selects all.
type Filter struct {
	Verb, Activity, Registration string // "": any
	Agent                        string // see Actor.Key; "": any
	// RelatedAgents and RelatedActivities widen Agent and Activity to the related ones.
	RelatedAgents, RelatedActivities bool
}

// selects tells whether a statement answers the filter.
func (f *Filter) selects(s *Stored) bool {
	if *f == (Filter{}) {
		return true
	}
	of, err := FacetsOf(s.Raw, s.KeyID)
	if err != nil {
		return false // what was taken can be decoded
	}
	is := func(wanted, direct string) bool { return wanted == "" || wanted == direct }
	return is(f.Verb, of.Verb) && is(f.Registration, of.Registration) &&
		(is(f.Activity, of.Activity) || f.RelatedActivities && slices.Contains(of.RelatedActivities, f.Activity)) &&
		(f.Agent == "" || slices.Contains(of.Agents, f.Agent) || f.RelatedAgents && slices.Contains(of.RelatedAgents, f.Agent))
}

// VoidedTarget gives the lower-case id of the statement that s voids; "": it voids none.
func (s *Statement) VoidedTarget() string {
	if s.Verb == nil || s.Verb.ID != Voided || s.Object == nil {
		return ""
	}
	return strings.ToLower(s.Object.ID)
}

// Voids gives the same of a statement as sent.
func Voids(raw []byte) string {
	s := new(Statement)
	if err := json.Unmarshal(raw, s); err != nil {
		return ""
	}
	return s.VoidedTarget()
}
