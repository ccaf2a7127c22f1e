package app_test

import (
	"strings"
	"testing"

	"partnerpulse/internal/app"
	"partnerpulse/internal/config"
	"partnerpulse/internal/enrich"
)

func TestEnrichmentAndRetentionAreCheckedAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		sets []string
		want string // part of the error; empty: none
	}{
		"defaults":          {nil, ""},
		"all of it":         {[]string{"retention.events_days=400", "retention.sessions_days=400", "retention.scores_days=800", "retention.rejects_days=0"}, ""},
		"too short":         {[]string{"retention.events_days=30"}, "retention: events_days is 30: at least 37"},
		"sessions first":    {[]string{"retention.events_days=400", "retention.sessions_days=100"}, "sessions_days is 100"},
		"scores alone":      {[]string{"retention.scores_days=100"}, "scores_days is 100"},
		"negative":          {[]string{"retention.rejects_days=-1"}, "must not be negative"},
		"steps":             {[]string{"enricher.enrichment.steps=[user_agent, bot]"}, ""},
		"wrong order":       {[]string{"enricher.enrichment.steps=[bot, user_agent]"}, "enricher.enrichment: configuring the enrichment: steps: bot uses what user_agent makes"},
		"rules":             {[]string{"enricher.enrichment.internal=[{name: staff, user_domains: [acme.example]}]", "enricher.enrichment.places_file=/x.mmdb"}, ""},
		"a rule too narrow": {[]string{"enricher.enrichment.internal=[{name: office, ip_prefixes: [192.0.2.1/32]}]"}, "192.0.2.1/32 is longer than /24"},
		"a short key":       {[]string{"pseudonym_keys.demo=short"}, "pseudonym key of tenant demo has 5 bytes"},
		"nothing in flight": {[]string{"enricher.in_flight_bytes_max=33554432"}, "enricher: hold_bytes_max 25165824 is more than half of in_flight_bytes_max 33554432"},
		"half in flight":    {[]string{"enricher.in_flight_bytes_max=33554432", "enricher.hold_bytes_max=16777216"}, ""},
		"a key":             {[]string{"pseudonym_keys.demo=0123456789abcdef"}, ""},
	} {
		cfg := app.DefaultConfig()
		if err := config.Load(&cfg, config.Sources{Sets: c.sets}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err := cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestThePseudonymOfACommandIsThatOfTheRow(t *testing.T) {
	const key = "0123456789abcdef"
	cfg := app.DefaultConfig()
	cfg.PseudonymKeys = map[string]config.Secret{"demo": key}
	if got := cfg.Pseudonym("demo", "anna"); got != enrich.Pseudonym(key, "anna") {
		t.Errorf("%q", got)
	}
	if cfg.Pseudonym("other", "anna") != "" || cfg.Pseudonym("demo", "") != "" {
		t.Error("a pseudonym without key or user")
	}
	text, err := config.Show(cfg)
	if err != nil || strings.Contains(text, key) {
		t.Errorf("the key is shown, or %v", err)
	}
}
