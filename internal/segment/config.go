package segment

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// Ignore is the type of a rule whose calls are counted and not stored.
const Ignore event.Type = "ignore"

// Config says how calls become events. What it holds adds to the defaults in
// docs/SEGMENT.md; the zero value is the defaults alone.
type Config struct {
	Mapping `yaml:",inline"`
	// Tenants replaces the mapping above for a tenant, by its name.
	Tenants map[string]Mapping `yaml:"tenants,omitempty"`
	// PublicURL is where browsers reach the collector, such as https://collect.example.
	// Empty: the settings name the host that they were asked from.
	PublicURL string `yaml:"public_url,omitempty"`
	// BatchCallsMax bounds the calls of one batch; 0 means 2500.
	BatchCallsMax int `yaml:"batch_calls_max,omitempty"`
}

// Mapping is what may differ between tenants.
type Mapping struct {
	// Events has rules by track name. Case, spaces, dashes, underscores and camel case
	// make no difference.
	Events map[string]Rule `yaml:"events,omitempty"`
	// PartnerFrom lists where a call tells its partner, in this order, as names joined
	// by dots. Empty: the default list.
	PartnerFrom []string `yaml:"partner_from,omitempty"`
	// DropTraits lists traits of identify and group that are not kept. Empty: the
	// default list; [none] keeps all.
	DropTraits []string `yaml:"drop_traits,omitempty"`
}

// Rule says what a track name means.
type Rule struct {
	// Type is one of the contract's types, custom.*, or ignore.
	Type event.Type `yaml:"type"`
	// Fields names the properties that fields of data come from, the first one that is
	// there; they come before the defaults of the type.
	Fields map[string][]string `yaml:"fields,omitempty"`
	// Set gives fields of data a value when the call has none.
	Set map[string]any `yaml:"set,omitempty"`
}

// batchCallsMax is Segment's own limit.
const batchCallsMax = 2500

// CallsMax is the most calls of one batch.
func (c *Config) CallsMax() int {
	if c.BatchCallsMax > 0 {
		return c.BatchCallsMax
	}
	return batchCallsMax
}

// Validate checks the values.
func (c *Config) Validate() error {
	_, err := New(*c)
	return err
}

// Mappers holds the compiled mapping of every tenant. It does not change and is safe
// for concurrent use.
type Mappers struct {
	common  *Mapper
	tenants map[string]*Mapper
}

// New compiles a configuration.
func New(c Config) (*Mappers, error) {
	if c.BatchCallsMax < 0 {
		return nil, errors.New("batch_calls_max must not be negative")
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("public_url %q is not an address such as https://collect.example", c.PublicURL)
	}
	common, err := newMapper(&c.Mapping)
	if err != nil {
		return nil, err
	}
	out := &Mappers{common: common, tenants: make(map[string]*Mapper, len(c.Tenants))}
	for name, m := range c.Tenants {
		if out.tenants[name], err = newMapper(&m); err != nil {
			return nil, fmt.Errorf("tenants.%s: %w", name, err)
		}
	}
	return out, nil
}

// For gives the mapping of a tenant.
func (m *Mappers) For(tenant string) *Mapper {
	if own, ok := m.tenants[tenant]; ok {
		return own
	}
	return m.common
}

// rule is a compiled Rule.
type rule struct {
	typ    event.Type
	fields []field
	set    object
}

// Mapper rewrites calls of one tenant.
type Mapper struct {
	rules       map[string]*rule // by normal track name
	types       map[event.Type]*rule
	partnerFrom [][]string // normal names
	dropTraits  map[string]bool
}

func newMapper(c *Mapping) (*Mapper, error) {
	m := &Mapper{rules: map[string]*rule{}, types: map[event.Type]*rule{}, dropTraits: map[string]bool{}}
	for _, t := range event.Types() {
		r := &rule{typ: t, fields: fieldsOf(t)}
		m.types[t], m.rules[normal(string(t))] = r, r
	}
	for _, n := range defaultNames() {
		r := m.types[n.typ]
		if n.set[0] != "" {
			r = &rule{typ: r.typ, fields: r.fields, set: object{{n.set[0], str(n.set[1])}}}
		}
		for _, name := range n.list {
			m.rules[name] = r
		}
	}
	for name, r := range c.Events {
		compiled, err := m.compile(r)
		if err != nil {
			return nil, fmt.Errorf("events.%s: %w", name, err)
		}
		if normal(name) == "" {
			return nil, fmt.Errorf("events.%q: the name has no letters", name)
		}
		m.rules[normal(name)] = compiled
	}
	for _, path := range orDefault(c.PartnerFrom, defaultPartnerFrom()) {
		m.partnerFrom = append(m.partnerFrom, normalPath(path))
	}
	for _, name := range orDefault(c.DropTraits, defaultDropTraits()) {
		m.dropTraits[normal(name)] = true
	}
	return m, nil
}

func orDefault(own, defaults []string) []string {
	if len(own) > 0 {
		return own
	}
	return defaults
}

// compile checks a configured rule and puts its fields before the defaults.
func (m *Mapper) compile(r Rule) (*rule, error) {
	if r.Type == Ignore {
		return &rule{typ: Ignore}, nil
	}
	known := m.types[r.Type]
	if known == nil && !r.Type.IsCustom() {
		return nil, fmt.Errorf("type %q is neither a type of the contract nor custom.* nor ignore", r.Type)
	}
	out := &rule{typ: r.Type}
	if known != nil {
		out.fields = slices.Clone(known.fields)
	}
	for name, from := range r.Fields {
		i := slices.IndexFunc(out.fields, func(f field) bool { return f.name == name })
		if i < 0 {
			out.fields = append(out.fields, field{name: name, from: []string{normal(name)}})
			i = len(out.fields) - 1
		}
		var own []string
		for _, path := range from {
			own = append(own, strings.Join(normalPath(path), "."))
		}
		out.fields[i].from = slices.Concat(own, out.fields[i].from)
	}
	for name, value := range r.Set {
		b, err := json.Marshal(value, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("set.%s: %w", name, err)
		}
		out.set = append(out.set, member{name, jsontext.Value(b)})
	}
	slices.SortFunc(out.set, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// normalPath splits names joined by dots.
func normalPath(path string) []string {
	parts := strings.Split(path, ".")
	for i := range parts {
		parts[i] = normal(parts[i])
	}
	return parts
}
