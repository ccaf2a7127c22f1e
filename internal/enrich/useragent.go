package enrich

import (
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mileusna/useragent"
)

// Agent is what a user agent string says.
type Agent struct {
	Device  string // desktop, mobile, tablet, bot, or empty if unknown
	OS      string // for example Windows, iOS; empty if unknown
	Browser string // for example Chrome; a bot's own name; empty if unknown
	Bot     bool   // names itself a crawler or automation
}

// agentLengthMax is how many bytes of a user agent are looked at: real ones are
// shorter, and parsing time grows with the length.
const agentLengthMax = 512

// AgentParser parses user agents and remembers the latest ones. It is safe for
// concurrent use.
type AgentParser struct {
	cache *lru.Cache[string, judged]
}

// judged is what is remembered of a user agent.
type judged struct {
	agent   Agent
	signals Signals
}

// NewAgentParser makes a parser that remembers up to size agents, at least one.
// One entry takes about as many bytes as its string and 150 more.
func NewAgentParser(size int) *AgentParser {
	cache, err := lru.New[string, judged](max(size, 1))
	if err != nil {
		panic(err) // only for a size below one
	}
	return &AgentParser{cache: cache}
}

// Parse tells what the user agent says, and what in it speaks for a bot. An empty
// string says nothing.
func (p *AgentParser) Parse(s string) (Agent, Signals) {
	if s == "" {
		return Agent{}, 0
	}
	if len(s) > agentLengthMax {
		s = s[:agentLengthMax]
	}
	if known, ok := p.cache.Get(s); ok {
		return known.agent, known.signals
	}
	s = strings.Clone(s) // of a record that would be kept whole
	agent := ParseAgent(s)
	known := judged{agent, agentSignals(s, &agent)}
	p.cache.Add(s, known)
	return known.agent, known.signals
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
