package xapi

import (
	"regexp"
	"strings"
)

// who gives the partner and the person of a statement. An actor that is a group
// with one member is that member; another identified group is an anonymous visitor;
// a group without identity and with several members is nobody.
func (m *Mapper) who(s *Statement) (partner, user, anonymous string) {
	person := s.Actor
	if person.ObjectType == "Group" && len(person.Member) == 1 {
		person = &person.Member[0]
	}
	if person.ObjectType == "Group" {
		anonymous, _ = m.person(person)
	} else {
		user, partner = m.person(person)
	}
	if p := m.named(s); p != "" {
		return p, user, anonymous
	}
	if partner == "" {
		partner = m.ofAccount(person.Account)
	}
	if partner == "" && s.Actor.ObjectType == "Group" {
		partner = m.ofAccount(s.Actor.Account)
		if partner == "" && m.cfg.Partners.Group && s.Actor.Account != nil {
			partner = s.Actor.Account.Name
		}
	}
	return partner, user, anonymous
}

// named gives the partner that the context names.
func (m *Mapper) named(s *Statement) string {
	c := contextOf(s)
	for _, iri := range m.cfg.Partners.Extensions {
		if p := textOf(c.Extensions[iri]); p != "" {
			return p
		}
	}
	if !m.cfg.Partners.Team || c.Team == nil || c.Team.Account == nil {
		return ""
	}
	if p := m.ofAccount(c.Team.Account); p != "" {
		return p
	}
	return c.Team.Account.Name
}

// person gives the user's id and, where the home page does not tell the partner
// and the account's name does, the partner.
func (m *Mapper) person(a *Actor) (user, partner string) {
	switch {
	case a.Account != nil:
		if p, u, ok := match(m.accountName, a.Account.Name); ok {
			if m.ofHomePage(a.Account.HomePage) != "" {
				p = ""
			}
			return u, p
		}
		return a.Account.Name, ""
	case a.Mbox != "":
		return strings.TrimPrefix(a.Mbox, "mailto:"), ""
	case a.OpenID != "":
		return a.OpenID, ""
	}
	return strings.ToLower(a.MboxSHA1), ""
}

// ofAccount gives the partner that an account tells: by its home page, else by its name.
func (m *Mapper) ofAccount(a *Account) string {
	if a == nil {
		return ""
	}
	if p := m.ofHomePage(a.HomePage); p != "" {
		return p
	}
	p, _, _ := match(m.accountName, a.Name)
	return p
}

// ofHomePage gives the partner of a home page; a closing slash makes no difference.
func (m *Mapper) ofHomePage(homePage string) string {
	pages := m.cfg.Partners.HomePages
	bare := strings.TrimSuffix(homePage, "/")
	for _, page := range []string{homePage, bare, bare + "/"} {
		if p := pages[page]; p != "" {
			return p
		}
	}
	p, _, _ := match(m.homePage, homePage)
	return p
}

// match applies a pattern with the groups partner and, perhaps, user. Without the
// latter the user is the whole text.
func match(re *regexp.Regexp, text string) (partner, user string, ok bool) {
	if re == nil {
		return "", "", false
	}
	found := re.FindStringSubmatch(text)
	if found == nil || found[re.SubexpIndex("partner")] == "" {
		return "", "", false
	}
	partner, user = found[re.SubexpIndex("partner")], text
	if i := re.SubexpIndex("user"); i >= 0 && found[i] != "" {
		user = found[i]
	}
	return partner, user, true
}

// User gives the user whom an agent stands for.
func (m *Mapper) User(a *Actor) string {
	user, _ := m.person(a)
	return user
}
