package enrich

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"partnerpulse/internal/event"
)

// InternalRule marks traffic of staff, agencies and tests, which scores leave out.
// An event matches when any of the three lists does.
type InternalRule struct {
	// Name is what the row says; it must be set.
	Name string `yaml:"name"`
	// Tenants that the rule is for; empty: all.
	Tenants []string `yaml:"tenants"`
	// UserDomains match user ids that are mail addresses at the domain or below it.
	UserDomains []string `yaml:"user_domains"`
	// IPPrefixes match addresses. Addresses are truncated before they arrive, so a
	// prefix longer than /24 of IPv4 or /48 of IPv6 cannot be told and is refused.
	IPPrefixes []string `yaml:"ip_prefixes"`
	// UserAgents match user agents that contain one of the texts.
	UserAgents []string `yaml:"user_agents"`
}

// rules are the compiled rules.
type rules struct {
	list    []compiledRule
	version string // a hash of the rules
}

type compiledRule struct {
	*InternalRule
	domains  []string
	prefixes []netip.Prefix
}

func newRules(in []InternalRule) (rules, error) {
	var out rules
	var problems []error
	if len(in) == 0 {
		return out, nil
	}
	for i := range in {
		r, err := compile(&in[i])
		if err != nil {
			problems = append(problems, fmt.Errorf("internal[%d]: %w", i, err))
		}
		out.list = append(out.list, r)
	}
	raw, err := json.Marshal(in, json.Deterministic(true))
	if err != nil {
		return out, fmt.Errorf("encoding the rules: %w", err)
	}
	sum := sha256.Sum256(raw)
	out.version = hex.EncodeToString(sum[:4])
	return out, errors.Join(problems...)
}

func compile(r *InternalRule) (compiledRule, error) {
	out := compiledRule{InternalRule: r}
	var problems []error
	if r.Name == "" {
		problems = append(problems, errors.New("name is empty"))
	}
	if len(r.UserDomains)+len(r.IPPrefixes)+len(r.UserAgents) == 0 {
		problems = append(problems, errors.New("it matches nothing: give user_domains, ip_prefixes or user_agents"))
	}
	for _, d := range r.UserDomains {
		d = strings.ToLower(strings.TrimPrefix(d, "@"))
		if d == "" {
			problems = append(problems, errors.New("user_domains has an empty entry"))
		}
		out.domains = append(out.domains, d)
	}
	for _, text := range r.IPPrefixes {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("ip_prefixes: %w", err))
		case p.Addr().Is4() && p.Bits() > v4BitsMax || !p.Addr().Is4() && p.Bits() > v6BitsMax:
			problems = append(problems, fmt.Errorf("ip_prefixes: %s is longer than /%d (IPv4) or /%d (IPv6), which is all that is kept of an address", text, v4BitsMax, v6BitsMax))
		}
		out.prefixes = append(out.prefixes, p)
	}
	if slices.Contains(r.UserAgents, "") {
		problems = append(problems, errors.New("user_agents has an empty entry"))
	}
	return out, errors.Join(problems...)
}

// applyInternal marks what a rule matches; what the producer marked stays marked.
func applyInternal(w *Worker, e *event.Event, _ *Fields, out *Enriched) bool {
	for i := range w.chain.rules.list {
		if r := &w.chain.rules.list[i]; r.matches(e) {
			out.Internal, out.InternalRule = true, r.Name
			return true
		}
	}
	return len(w.chain.rules.list) > 0
}

func (r *compiledRule) matches(e *event.Event) bool {
	if len(r.Tenants) > 0 && !slices.Contains(r.Tenants, e.Tenant) {
		return false
	}
	if at := strings.LastIndexByte(e.UserID, '@'); at >= 0 && len(r.domains) > 0 {
		domain := strings.ToLower(e.UserID[at+1:])
		for _, d := range r.domains {
			if rest, ok := strings.CutSuffix(domain, d); ok && (rest == "" || strings.HasSuffix(rest, ".")) {
				return true
			}
		}
	}
	if e.IP != "" && len(r.prefixes) > 0 {
		if network, ok := networkOf(e.IP); ok && slices.ContainsFunc(r.prefixes, func(p netip.Prefix) bool { return p.Contains(network.Addr()) }) {
			return true
		}
	}
	return e.Context.UserAgent != "" &&
		slices.ContainsFunc(r.UserAgents, func(text string) bool { return strings.Contains(e.Context.UserAgent, text) })
}
