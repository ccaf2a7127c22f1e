package segment

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// builder puts an event together.
type builder struct {
	call     *Call
	typ      event.Type
	id       string
	time     string
	partner  string
	out      object            // data
	pointers map[string]string // event field → call field
}

// build starts the event of a call.
func (m *Mapper) build(c *Call, env Env, t event.Type) *builder {
	b := &builder{call: c, typ: t, id: c.id(env)}
	time, field := c.time(env.ReceivedAt)
	partner, place := m.partner(c)
	b.time, b.partner = time, partner
	b.pointers = map[string]string{
		"/id": "/messageId", "/type": "/event", "/time": "/" + field, "/partner_id": place, "/user_id": "/userId",
		"/anonymous_id": "/anonymousId", "/session_id": "/context/sessionId", "/data": "/properties",
	}
	return b
}

// data fills data from properties: mapped ones under the names of the type's
// fields, every other one as it is. place is where the properties are in the call.
func (b *builder) data(r *rule, properties object, place string) {
	b.pointers["/data"] = place
	taken := make([]bool, len(properties))
	names := normalNames(properties)
	for _, f := range r.fields {
		if b.out.get(f.name) != nil {
			continue
		}
		value, pointer := pick(f, properties, names, taken)
		if value == nil {
			continue
		}
		b.out = append(b.out, member{f.name, convert(f.kind, value)})
		b.pointers["/data/"+f.name] = place + pointer
	}
	for i, p := range properties {
		// A null stands for a value that is not there; a field of the type is never null.
		known := p.value.Kind() == 'n' && slices.ContainsFunc(r.fields, func(f field) bool { return f.name == p.name })
		if !taken[i] && !known && !b.has(p.name) {
			b.out = append(b.out, p)
		}
	}
	if r.typ == event.SearchPerformed {
		b.countResults()
	}
	for _, s := range r.set {
		b.fill(s.name, s.value)
	}
}

// normalNames gives the members' names in normal form.
func normalNames(o object) []string {
	names := make([]string, len(o))
	for i := range o {
		names[i] = normal(o[i].name)
	}
	return names
}

// pick finds the first property that a field comes from, and marks it as taken. names
// are those of the properties, normal.
func pick(f field, properties object, names []string, taken []bool) (value jsontext.Value, pointer string) {
	for _, from := range f.from {
		head, rest, nested := strings.Cut(from, ".")
		for i, p := range properties {
			if taken[i] || p.value.Kind() == 'n' || names[i] != head {
				continue
			}
			pointer = "/" + escape(p.name)
			if !nested {
				// An object or array where a text or a number belongs is something else of the same name.
				if k := p.value.Kind(); f.kind != asIs && (k == '{' || k == '[') && p.name != f.name {
					continue
				}
				taken[i] = true
				return p.value, pointer
			}
			inner, err := readObject(p.value)
			if err != nil {
				continue
			}
			v, below := pick(field{from: []string{rest}}, inner, normalNames(inner), make([]bool, len(inner)))
			if v != nil {
				return v, pointer + below
			}
		}
	}
	return nil, ""
}

// convert brings a value into the form that the schema asks for; what cannot be
// converted stays as it is, for the schema to say what is wrong with it.
func convert(k kind, v jsontext.Value) jsontext.Value {
	s := strings.TrimSpace(textOf(v))
	switch k {
	case text:
		if v.Kind() == '0' {
			return str(s)
		}
	case number:
		if n := jsontext.Value(s); v.Kind() == '"' && n.Kind() == '0' && n.IsValid() {
			return n
		}
	case boolean:
		if l := strings.ToLower(s); v.Kind() == '"' && (l == "true" || l == "false") {
			return jsontext.Value(l)
		}
	case instant:
		if t, ok := parseTime(s); ok {
			return str(t.Format(timeLayout))
		}
	case currency:
		return str(strings.ToUpper(s))
	}
	return v
}

// has tells whether data has a field, be it null.
func (b *builder) has(name string) bool {
	return slices.ContainsFunc(b.out, func(m member) bool { return m.name == name })
}

// fill gives a field of data a value unless it has one.
func (b *builder) fill(name string, v jsontext.Value) {
	if !b.has(name) {
		b.out = append(b.out, member{name, v})
	}
}

// countResults takes the number of results from a list of them.
func (b *builder) countResults() {
	if b.has("results_count") {
		return
	}
	for _, name := range []string{"results", "products"} {
		if list := b.out.get(name); list.Kind() == '[' {
			b.fill("results_count", jsontext.Value(strconv.Itoa(length(list))))
			return
		}
	}
}

// length counts the elements of an array that was read before.
func length(list jsontext.Value) int {
	d := jsontext.NewDecoder(bytes.NewBuffer(list))
	n := 0
	for _, err := d.ReadToken(); err == nil && d.PeekKind() != ']'; n++ {
		err = d.SkipValue()
	}
	return n
}

// fillPage gives a page the path and title of the page that the call came from.
func (b *builder) fillPage(properties object, name string) {
	page := b.call.context.object("page")
	path := page.text("path")
	for _, address := range []string{properties.text("url"), page.text("url")} {
		if u, err := url.Parse(address); path == "" && err == nil && address != "" {
			path = u.EscapedPath()
		}
	}
	if path == "" {
		path = "/" + name
	}
	b.fill("path", str(path))
	for _, title := range []string{page.text("title"), name} {
		if title != "" {
			b.fill("title", str(title))
		}
	}
}

// result gives the one event.
func (b *builder) result() Result {
	return Result{Events: [][]byte{b.event()}, pointers: b.pointers}
}

// event writes the event in the form of POST /v1/events.
func (b *builder) event() []byte {
	c := b.call
	out := object{{"id", str(b.id)}, {"type", str(string(b.typ))}}
	for _, m := range [][2]string{
		{"time", b.time}, {"partner_id", b.partner},
		{"user_id", c.members.text("userId")}, {"anonymous_id", c.members.text("anonymousId")}, {"session_id", c.session()},
	} {
		if m[1] != "" {
			out = append(out, member{m[0], str(m[1])})
		}
	}
	if c.context.get("internal").Kind() == 't' {
		out = append(out, member{"internal", jsontext.Value("true")})
	}
	if context := b.context(); len(context) > 0 {
		out = append(out, member{"context", context.append(nil)})
	}
	out = append(out, member{"data", b.out.append(nil)})
	return out.append(nil)
}

// session gives the session that RudderStack's SDKs, or the portal, name.
func (c *Call) session() string {
	for _, name := range []string{"sessionId", "session_id"} {
		if s := c.context.text(name); s != "" {
			return s
		}
	}
	return ""
}

// context gives the event's context. Its texts describe and identify nothing, so one
// that is too long is cut rather than the event refused.
func (b *builder) context() object {
	c := b.call.context
	page, campaign := c.object("page"), c.object("campaign")
	if b.typ == event.PageViewed {
		page = page.over(b.call.properties)
	}
	var out object
	for _, m := range []struct {
		name  string
		value jsontext.Value
	}{
		{"url", page.get("url")}, {"referrer", page.get("referrer")}, {"title", page.get("title")},
		{"user_agent", c.get("userAgent")}, {"locale", c.get("locale")}, {"timezone", c.get("timezone")},
		{"utm_source", campaign.get("source")}, {"utm_medium", campaign.get("medium")}, {"utm_campaign", campaign.get("name")},
		{"utm_term", campaign.get("term")}, {"utm_content", campaign.get("content")},
	} {
		if s := textOf(m.value); s != "" {
			out = append(out, member{m.name, str(limit(s, event.ContextLengthMax))})
		}
	}
	screen := c.object("screen")
	if w, h := screen.text("width"), screen.text("height"); w != "" && h != "" {
		out = append(out, member{"screen", str(limit(w+"x"+h, event.ContextLengthMax))})
	}
	return out
}

// limit cuts s to at most n characters.
func limit(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// Places turns the places that a message names into those of the call.
func (r *Result) Places(message string) string {
	const also = "; also "
	parts := strings.Split(message, also)
	for i, part := range parts[1:] {
		if place, rest, ok := strings.Cut(part, ": "); ok {
			parts[i+1] = r.Pointer(place) + ": " + rest
		}
	}
	return strings.Join(parts, also)
}

// Pointer turns a place in the event into the place in the call that it came from.
func (r *Result) Pointer(place string) string {
	for prefix := place; prefix != ""; {
		if p, ok := r.pointers[prefix]; ok {
			return p + place[len(prefix):]
		}
		prefix = prefix[:max(strings.LastIndexByte(prefix, '/'), 0)]
	}
	return place
}
