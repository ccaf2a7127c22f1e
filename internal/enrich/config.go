package enrich

import (
	"errors"
	"fmt"

	"partnerpulse/internal/secret"
)

// Config says which steps are applied, in which order, and what they go by.
type Config struct {
	// Steps in their order; a step that is left out is off. Default: all.
	Steps []string `yaml:"steps"`
	// IP is how much of an address is kept.
	IP IPConfig `yaml:"ip"`
	// Bot is when somebody counts as a bot.
	Bot BotConfig `yaml:"bot"`
	// Internal are the rules that mark traffic of one's own staff.
	Internal []InternalRule `yaml:"internal"`
	// AgentCacheSize is how many user agents are remembered. Default 10,000.
	AgentCacheSize int `yaml:"-"`
	// PseudonymKeys holds a key for each tenant whose users are pseudonymised.
	PseudonymKeys map[string]secret.Text `yaml:"-"`
}

// IPConfig is how many bits of an address are kept, never more than the collector
// keeps; 0 removes the address.
type IPConfig struct {
	V4Bits int `yaml:"v4_bits"` // 0–24, default 24
	V6Bits int `yaml:"v6_bits"` // 0–48, default 48
}

// BotConfig is when somebody counts as a bot.
type BotConfig struct {
	// SignalsMin is how many of the weak signals make a bot. Default 2.
	SignalsMin int `yaml:"signals_min"`
}

// Bits of an address that the collector keeps.
const (
	v4BitsMax = 24
	v6BitsMax = 48
)

// DefaultConfig applies every step.
func DefaultConfig() Config {
	return Config{
		Steps: DefaultSteps(), IP: IPConfig{V4Bits: v4BitsMax, V6Bits: v6BitsMax},
		Bot: BotConfig{SignalsMin: botSignalsMin}, AgentCacheSize: agentCacheSize,
	}
}

const (
	botSignalsMin  = 2
	agentCacheSize = 10_000
)

func (c Config) withDefaults() Config {
	if c.AgentCacheSize <= 0 {
		c.AgentCacheSize = agentCacheSize
	}
	return c
}

func (c *Config) validate() error {
	var problems []error
	if c.IP.V4Bits < 0 || c.IP.V4Bits > v4BitsMax || c.IP.V6Bits < 0 || c.IP.V6Bits > v6BitsMax {
		problems = append(problems, fmt.Errorf("ip: v4_bits must be within 0–%d, v6_bits within 0–%d", v4BitsMax, v6BitsMax))
	}
	if c.Bot.SignalsMin < 1 {
		problems = append(problems, errors.New("bot: signals_min must be positive; to never decide by signals leave the step bot out of steps"))
	}
	return errors.Join(problems...)
}

// Validate says all that is wrong.
func (c *Config) Validate() error {
	_, err := New(*c, nil)
	return err
}
