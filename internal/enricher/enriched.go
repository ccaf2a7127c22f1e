package enricher

import (
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
)

// Positions of the columns of the enrichment in enrichedColumns.text.
const (
	textSteps = iota
	textBotSignals
	textInternalRule
	textCountry
	textRegion
	textCity
	textURLHost
	textURLPath
	textReferrerKind
	textReferrerHost
	textReferrerName
	textPartnerTier
	textPartnerSegment
	textPartnerRegion
	textContentTitle
	textDirectoryKind
	enrichedTextCount
)

func enrichedTextNames() [enrichedTextCount]string {
	return [enrichedTextCount]string{
		"enrichment_steps", "bot_signals", "internal_rule", "country", "region", "city", "url_host", "url_path",
		"referrer_kind", "referrer_host", "referrer_name",
		"partner_tier", "partner_segment", "partner_region", "content_title", "directory_kind",
	}
}

// enrichedColumns are the columns of events that only the enrichment fills.
type enrichedColumns struct {
	text         [enrichedTextCount]chstore.Texts
	isDatacentre []bool
	clockSkewMS  []int64
}

// append adds a row after the given number of others.
func (c *enrichedColumns) append(rows int, r *enrich.Enriched) {
	text := [enrichedTextCount]string{
		textSteps: r.Steps, textBotSignals: r.BotSignals.String(), textInternalRule: r.InternalRule,
		textCountry: r.Country, textRegion: r.Region, textCity: r.City,
		textURLHost: r.URLHost, textURLPath: r.URLPath,
		textReferrerKind: string(r.ReferrerKind), textReferrerHost: r.ReferrerHost, textReferrerName: r.ReferrerName,
		textPartnerTier: r.Partner.Tier, textPartnerSegment: r.Partner.Segment, textPartnerRegion: r.Partner.Region,
		textContentTitle: r.Content.Title, textDirectoryKind: r.Content.Kind,
	}
	for i := range text {
		if text[i] != "" {
			c.text[i].AppendAt(rows, text[i])
		}
	}
	c.isDatacentre = append(c.isDatacentre, r.IsDatacentre)
	c.clockSkewMS = append(c.clockSkewMS, r.ClockSkewMS)
}

// list adds the rows [low, high) of so many rows to out, as columns.list does.
func (c *enrichedColumns) list(out []chstore.Column, rows, low, high int) []chstore.Column {
	for i, name := range enrichedTextNames() {
		if c.text[i].Len() > 0 {
			c.text[i].Pad(rows)
			out = append(out, chstore.Column{Name: name, Values: c.text[i].Range(low, high)})
		}
	}
	return append(out,
		chstore.Column{Name: "is_datacentre", Values: c.isDatacentre[low:high]},
		chstore.Column{Name: "clock_skew_ms", Values: c.clockSkewMS[low:high]})
}

func (c *enrichedColumns) reset() {
	for i := range c.text {
		c.text[i].Reset()
	}
	c.isDatacentre, c.clockSkewMS = empty(c.isDatacentre), empty(c.clockSkewMS)
}
