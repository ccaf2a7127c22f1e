package enrich

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"partnerpulse/internal/event"
)

// Names of the steps.
const (
	stepIP         = "ip"
	stepUserAgent  = "user_agent"
	stepDatacentre = "datacentre"
	stepBot        = "bot"
	stepGeo        = "geo"
	stepURL        = "url"
	stepUTM        = "utm"
	stepReferrer   = "referrer"
	stepInternal   = "internal"
	stepClock      = "clock"
	stepPseudonym  = "pseudonym"

	StepDirectory = "directory" // needs the directory topic
)

// DefaultSteps is every step in an order that suits all of them.
func DefaultSteps() []string {
	return []string{
		stepIP, stepUserAgent, stepDatacentre, stepBot, stepGeo, stepURL, stepUTM,
		stepReferrer, stepInternal, stepClock, StepDirectory, stepPseudonym,
	}
}

// step is one enrichment. reads and writes name what of Enriched it takes from the
// steps before and what it makes; the event itself every step may read.
type step struct {
	name    string
	version int // raised when the outcome changes for the same event and reference
	reads   []string
	writes  []string
	// apply fills out, and tells whether there was anything to work on.
	apply func(w *Worker, e *event.Event, f *Fields, out *Enriched) bool
	// reference gives the version of the reference data that apply uses; nil: none.
	// key is the fingerprint of the tenant's pseudonym key.
	reference func(w *Worker, key string) string
}

// catalogue lists all steps.
func catalogue() []step {
	return []step{
		{name: stepIP, version: 1, writes: []string{"ip"}, apply: applyIP},
		{name: stepUserAgent, version: 1, writes: []string{"agent"}, apply: applyUserAgent},
		{name: stepDatacentre, version: 1, writes: []string{"datacentre"}, apply: applyDatacentre,
			reference: func(w *Worker, _ string) string { return w.ref.Datacentres.Version() }},
		{name: stepBot, version: 2, reads: []string{"agent", "datacentre"}, writes: []string{"bot"}, apply: applyBot},
		{name: stepGeo, version: 1, writes: []string{"geo"}, apply: applyGeo,
			reference: func(w *Worker, _ string) string { return w.ref.Places.Version() }},
		{name: stepURL, version: 1, writes: []string{"url_parts"}, apply: applyURL},
		{name: stepUTM, version: 1, writes: []string{"utm"}, apply: applyUTM},
		{name: stepReferrer, version: 1, reads: []string{"url_parts", "utm"}, writes: []string{"referrer_parts"}, apply: applyReferrer},
		{name: stepInternal, version: 1, writes: []string{"internal"}, apply: applyInternal,
			reference: func(w *Worker, _ string) string { return w.chain.rules.version }},
		{name: stepClock, version: 1, writes: []string{"clock"}, apply: applyClock},
		{name: StepDirectory, version: 1, writes: []string{"attributes"}, apply: applyDirectory},
		{name: stepPseudonym, version: 1, writes: []string{"user", "personal"}, apply: applyPseudonym,
			reference: func(_ *Worker, key string) string { return key }},
	}
}

// Reference is the data that steps look things up in. A nil field switches what
// needs it off; the row then does not list the step.
type Reference struct {
	Places      Places
	Datacentres *Prefixes
}

// Places finds addresses; it must be safe for concurrent use.
type Places interface {
	// Find tells where the network of an address is. address is as in Enriched.IP.
	Find(address string) (Place, bool)
	// Version names the data, for people: kind and date.
	Version() string
}

// Chain enriches events. It is safe for concurrent use through its workers.
type Chain struct {
	cfg       Config
	steps     []step
	rules     rules
	keys      map[string]tenantKey
	agents    *AgentParser
	directory Directory
	ref       atomic.Pointer[Reference]
}

// New makes a chain, or says all that is wrong with its configuration. directory
// may be nil.
func New(cfg Config, directory Directory) (*Chain, error) {
	cfg = cfg.withDefaults()
	steps, stepsErr := arrange(cfg.Steps)
	rules, rulesErr := newRules(cfg.Internal)
	keys, keysErr := newTenantKeys(cfg.PseudonymKeys)
	if err := errors.Join(stepsErr, rulesErr, keysErr, cfg.validate()); err != nil {
		return nil, fmt.Errorf("configuring the enrichment: %w", err)
	}
	c := &Chain{
		cfg: cfg, steps: steps, rules: rules, keys: keys,
		agents: NewAgentParser(cfg.AgentCacheSize), directory: directory,
	}
	c.ref.Store(&Reference{})
	return c, nil
}

// arrange gives the steps of the names, in their order.
func arrange(names []string) ([]step, error) {
	var out []step
	var problems []error
	all := catalogue()
	for i, name := range names {
		at := slices.IndexFunc(all, func(s step) bool { return s.name == name })
		switch {
		case at < 0:
			problems = append(problems, fmt.Errorf("steps: %q is no step; there are %s", name, strings.Join(DefaultSteps(), ", ")))
		case slices.Contains(names[:i], name):
			problems = append(problems, fmt.Errorf("steps: %q stands twice", name))
		default:
			out = append(out, all[at])
		}
	}
	for i := range out {
		for _, later := range out[i+1:] {
			for _, read := range out[i].reads {
				if slices.Contains(later.writes, read) {
					problems = append(problems, fmt.Errorf("steps: %s uses what %s makes: put %s before %s", out[i].name, later.name, later.name, out[i].name))
				}
			}
		}
	}
	return out, errors.Join(problems...)
}

// SetReference replaces the reference data; workers take it at their next Refresh.
func (c *Chain) SetReference(ref Reference) { c.ref.Store(&ref) }

// appliedSteps says which steps were applied, one bit each, and with which key.
type appliedSteps struct {
	mask uint32
	key  string
}

// Uses tells whether a step is on.
func (c *Chain) Uses(name string) bool {
	return slices.ContainsFunc(c.steps, func(s step) bool { return s.name == name })
}

// Worker applies the chain. It is not safe for concurrent use.
type Worker struct {
	chain     *Chain
	ref       *Reference
	networks  memo[network]
	referrers memo[site]
	users     map[string]*memo[string] // pseudonyms by tenant
	applied   map[appliedSteps]string
}

// Worker makes a worker.
func (c *Chain) Worker() *Worker {
	w := &Worker{chain: c, users: map[string]*memo[string]{}}
	w.take(c.ref.Load())
	return w
}

// Refresh takes the newest reference data. Between two calls all events see the same.
func (w *Worker) Refresh() {
	if ref := w.chain.ref.Load(); ref != w.ref {
		w.take(ref)
	}
}

func (w *Worker) take(ref *Reference) {
	w.ref, w.applied = ref, map[appliedSteps]string{}
	w.networks, w.referrers = newMemo[network](memoMax), newMemo[site](memoMax)
}

// Enrich fills out with what the steps make of the event. f is what was extracted
// from the event's data. Neither is changed; out may alias their bytes.
func (w *Worker) Enrich(e *event.Event, f *Fields, out *Enriched) {
	ctx := &e.Context
	*out = Enriched{
		UserID: e.UserID, IP: e.IP, URL: ctx.URL, Referrer: ctx.Referrer, Data: e.Data, Internal: e.Internal,
		UTMSource: ctx.UTMSource, UTMMedium: ctx.UTMMedium, UTMCampaign: ctx.UTMCampaign,
		UTMTerm: ctx.UTMTerm, UTMContent: ctx.UTMContent,
	}
	applied := uint32(0)
	for i := range w.chain.steps {
		if w.chain.steps[i].apply(w, e, f, out) {
			applied |= 1 << i
		}
	}
	out.Steps = w.names(appliedSteps{applied, w.chain.keys[e.Tenant].fingerprint})
}

// names lists the steps, separated by commas, from a table of the combinations seen: they are few.
func (w *Worker) names(applied appliedSteps) string {
	if known, ok := w.applied[applied]; ok {
		return known
	}
	labels := []string{}
	for i := range w.chain.steps {
		if applied.mask&(1<<i) != 0 {
			labels = append(labels, w.chain.steps[i].label(w, applied.key))
		}
	}
	out := strings.Join(labels, ",")
	w.applied[applied] = out
	return out
}

// label is what a row says of a step.
func (s *step) label(w *Worker, key string) string {
	name := s.name + "/" + strconv.Itoa(s.version)
	if s.reference != nil {
		if v := s.reference(w, key); v != "" {
			name += "+" + strings.ReplaceAll(v, ",", "_")
		}
	}
	return name
}

// Default is the chain of DefaultConfig without a directory.
func Default() *Chain {
	c, err := New(DefaultConfig(), nil)
	if err != nil {
		panic(err) // a test holds the defaults to be valid
	}
	return c
}
