package enrich

import (
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mileusna/useragent"
)

// Steps are the enrichment steps as stored in events.enrichments, name/version.
// Raise a version when its outcome changes for the same event.
const (
	StepUserAgent = "user_agent/1"
	StepBot       = "bot/1"
)

// Agent is what a user agent string says.
type Agent struct {
	Device  string // desktop, mobile, tablet, bot, or empty if unknown
	OS      string // for example Windows, iOS; empty if unknown
	Browser string // for example Chrome; a bot's own name; empty if unknown
	Bot     bool   // a known crawler or automation: excluded from scores
}

// agentLengthMax is how many bytes of a user agent are looked at: real ones are
// shorter, and parsing time grows with the length.
const agentLengthMax = 512

// AgentParser parses user agents and remembers the latest ones. It is safe for
// concurrent use.
type AgentParser struct {
	cache *lru.Cache[string, Agent]
}

// NewAgentParser makes a parser that remembers up to size agents, at least one.
// One entry takes about as many bytes as its string and 150 more.
func NewAgentParser(size int) *AgentParser {
	cache, err := lru.New[string, Agent](max(size, 1))
	if err != nil {
		panic(err) // only for a size below one
	}
	return &AgentParser{cache: cache}
}

// Parse tells what the user agent says. An empty string says nothing.
func (p *AgentParser) Parse(s string) Agent {
	if s == "" {
		return Agent{}
	}
	if len(s) > agentLengthMax {
		s = s[:agentLengthMax]
	}
	if agent, ok := p.cache.Get(s); ok {
		return agent
	}
	agent := ParseAgent(s)
	p.cache.Add(s, agent)
	return agent
}

// ParseAgent is Parse without a memory.
func ParseAgent(s string) Agent {
	ua := useragent.Parse(s)
	agent := Agent{OS: ua.OS, Browser: ua.Name, Bot: ua.Bot}
	switch {
	case ua.Bot:
		agent.Device = "bot"
	case ua.Tablet:
		agent.Device = "tablet"
	case ua.Mobile:
		agent.Device = "mobile"
	case ua.Desktop:
		agent.Device = "desktop"
	}
	return agent
}
