package enricher

import (
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/shopspring/decimal"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
)

// Positions of the String columns in columns.text.
const (
	textTenant = iota
	textPartnerID
	textID
	textType
	textPortal
	textSource
	textKeyID
	textUserID
	textAnonymousID
	textSessionID
	textIP
	textURL
	textReferrer
	textTitle
	textUserAgent
	textLocale
	textTimezone
	textScreen
	textUTMSource
	textUTMMedium
	textUTMCampaign
	textUTMTerm
	textUTMContent
	textDevice
	textOS
	textBrowser
	textViewID
	textPath
	textContentID
	textContentKind
	textPlaybookID
	textEntrySource
	textChannel
	textSearchID
	textQuery
	textCourseID
	textLeadID
	textDealID
	textStage
	textPrevStage
	textCurrency
	textInfluence
	textPhase
	textSurveyID
	textData
	textCount
)

// Positions of the UInt32 columns in columns.whole.
const (
	wholeWords = iota
	wholePages
	wholeDurationS
	wholeEngagedMS
	wholePagesSeen
	wholeResultsCount
	wholePosition
	wholeCount
)

// textNames and wholeNames give the columns' names by position.
func textNames() [textCount]string {
	return [textCount]string{
		"tenant", "partner_id", "id", "type", "portal", "source", "key_id", "user_id", "anonymous_id", "session_id",
		"ip", "url", "referrer", "title", "user_agent", "locale", "timezone", "screen",
		"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "device", "os", "browser",
		"view_id", "path", "content_id", "content_kind", "playbook_id", "entry_source", "channel", "search_id", "query",
		"course_id", "lead_id", "deal_id", "stage", "prev_stage", "currency", "influence", "phase", "survey_id", "data",
	}
}

func wholeNames() [wholeCount]string {
	return [wholeCount]string{"words", "pages", "duration_s", "engaged_ms", "pages_seen", "results_count", "position"}
}

// columns are rows of the events table, column by column. The slices are reused
// from batch to batch.
type columns struct {
	rows  int
	text  [textCount]chstore.Texts
	whole [wholeCount][]uint32

	day, time, receivedAt  []time.Time
	internal, isBot        []bool
	maxScrollPct, mediaPct []uint8
	progress               []float32
	scoreScaled, marginPct []*float32
	dueAt, expiresAt       []*time.Time
	amount                 []decimal.Decimal
	responseS              []*uint32
	nps                    []*uint8
	ver                    []uint64
	enriched               enrichedColumns
}

// append adds the row of an event. value is the record's value, the event's bytes.
func (c *columns) append(e *event.Event, value []byte, f *enrich.Fields, r *enrich.Enriched) {
	ctx := &e.Context
	title := ctx.Title
	if title == "" {
		title = f.Title
	}
	text := [textCount]string{
		textTenant: e.Tenant, textPartnerID: e.PartnerID, textID: e.ID, textType: string(e.Type), textPortal: e.Portal,
		textSource: string(e.Source), textKeyID: e.KeyID, textUserID: r.UserID, textAnonymousID: e.AnonymousID,
		textSessionID: e.SessionID, textIP: r.IP, textURL: r.URL, textReferrer: r.Referrer, textTitle: title,
		textUserAgent: ctx.UserAgent, textLocale: ctx.Locale, textTimezone: ctx.Timezone, textScreen: ctx.Screen,
		textUTMSource: r.UTMSource, textUTMMedium: r.UTMMedium, textUTMCampaign: r.UTMCampaign,
		textUTMTerm: r.UTMTerm, textUTMContent: r.UTMContent, textDevice: r.Agent.Device, textOS: r.Agent.OS,
		textBrowser: r.Agent.Browser, textViewID: f.ViewID, textPath: f.Path, textContentID: f.ContentID,
		textContentKind: f.ContentKind, textPlaybookID: f.PlaybookID, textEntrySource: f.EntrySource,
		textChannel: f.Channel, textSearchID: f.SearchID, textQuery: f.Query, textCourseID: f.CourseID,
		textLeadID: f.LeadID, textDealID: f.DealID, textStage: f.Stage, textPrevStage: f.PrevStage,
		textCurrency: f.Currency, textInfluence: f.Influence, textPhase: f.Phase, textSurveyID: f.SurveyID,
		textData: string(r.Data),
	}
	for i := range text {
		if text[i] != "" { // most are: what is left out is padded
			c.text[i].AppendAt(c.rows, text[i])
		}
	}
	whole := [wholeCount]uint32{
		wholeWords: f.Words, wholePages: f.Pages, wholeDurationS: f.DurationS, wholeEngagedMS: f.EngagedMS,
		wholePagesSeen: f.PagesSeen, wholeResultsCount: f.ResultsCount, wholePosition: f.Position,
	}
	for i := range whole {
		c.whole[i] = append(c.whole[i], whole[i])
	}
	c.day = append(c.day, dayOf(e.Time))
	c.time = append(c.time, e.Time)
	c.receivedAt = append(c.receivedAt, e.ReceivedAt)
	c.internal = append(c.internal, r.Internal)
	c.isBot = append(c.isBot, r.IsBot)
	c.maxScrollPct = append(c.maxScrollPct, f.MaxScrollPct)
	c.mediaPct = append(c.mediaPct, f.MediaPct)
	c.progress = append(c.progress, f.Progress)
	c.scoreScaled = append(c.scoreScaled, f.ScoreScaled)
	c.marginPct = append(c.marginPct, f.MarginPct)
	c.dueAt = append(c.dueAt, f.DueAt)
	c.expiresAt = append(c.expiresAt, f.ExpiresAt)
	c.amount = append(c.amount, f.Amount)
	c.responseS = append(c.responseS, f.ResponseS)
	c.nps = append(c.nps, f.NPS)
	c.ver = append(c.ver, version(e.ReceivedAt, value))
	c.enriched.append(c.rows, r)
	c.rows++
}

// list gives the rows [low, high) as the store takes them. Columns of empty texts are
// left out: none of the table's has a default of its own.
func (c *columns) list(low, high int) []chstore.Column {
	out := make([]chstore.Column, 0, textCount+wholeCount+17+enrichedTextCount+2)
	for i, name := range textNames() {
		if c.text[i].Len() > 0 {
			c.text[i].Pad(c.rows)
			out = append(out, chstore.Column{Name: name, Values: c.text[i].Range(low, high)})
		}
	}
	for i, name := range wholeNames() {
		out = append(out, chstore.Column{Name: name, Values: c.whole[i][low:high]})
	}
	out = c.enriched.list(out, c.rows, low, high)
	return append(out,
		chstore.Column{Name: "day", Values: c.day[low:high]},
		chstore.Column{Name: "time", Values: c.time[low:high]},
		chstore.Column{Name: "received_at", Values: c.receivedAt[low:high]},
		chstore.Column{Name: "internal", Values: c.internal[low:high]},
		chstore.Column{Name: "is_bot", Values: c.isBot[low:high]},
		chstore.Column{Name: "max_scroll_pct", Values: c.maxScrollPct[low:high]},
		chstore.Column{Name: "media_pct", Values: c.mediaPct[low:high]},
		chstore.Column{Name: "progress", Values: c.progress[low:high]},
		chstore.Column{Name: "score_scaled", Values: c.scoreScaled[low:high]},
		chstore.Column{Name: "margin_pct", Values: c.marginPct[low:high]},
		chstore.Column{Name: "due_at", Values: c.dueAt[low:high]},
		chstore.Column{Name: "expires_at", Values: c.expiresAt[low:high]},
		chstore.Column{Name: "amount", Values: c.amount[low:high]},
		chstore.Column{Name: "response_s", Values: c.responseS[low:high]},
		chstore.Column{Name: "nps", Values: c.nps[low:high]},
		chstore.Column{Name: "ver", Values: c.ver[low:high]},
	)
}

// reset empties the columns and keeps their memory.
func (c *columns) reset() {
	for i := range c.text {
		c.text[i].Reset()
	}
	for i := range c.whole {
		c.whole[i] = empty(c.whole[i])
	}
	c.day, c.time, c.receivedAt = empty(c.day), empty(c.time), empty(c.receivedAt)
	c.internal, c.isBot = empty(c.internal), empty(c.isBot)
	c.maxScrollPct, c.mediaPct, c.progress = empty(c.maxScrollPct), empty(c.mediaPct), empty(c.progress)
	c.scoreScaled, c.marginPct = empty(c.scoreScaled), empty(c.marginPct)
	c.dueAt, c.expiresAt, c.amount = empty(c.dueAt), empty(c.expiresAt), empty(c.amount)
	c.responseS, c.nps, c.ver = empty(c.responseS), empty(c.nps), empty(c.ver)
	c.enriched.reset()
	c.rows = 0
}

// empty drops the elements, for the garbage collector too.
func empty[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// dayOf is the UTC day of t.
func dayOf(t time.Time) time.Time {
	const secondsPerDay = 24 * 60 * 60
	s := t.Unix()
	return time.Unix(s-s%secondsPerDay, 0).UTC() // t is not before 1970
}

// version makes the copy of an event that was received first win, in any order
// of arrival: 42 bits count down from the milliseconds of its receipt, and 22
// bits of its bytes' hash decide between copies of one millisecond.
func version(received time.Time, value []byte) uint64 {
	const timeBits, hashBits = 42, 22
	const timeMax = 1<<timeBits - 1
	ms := uint64(min(max(received.UnixMilli(), 0), timeMax))
	return (timeMax-ms)<<hashBits | xxhash.Sum64(value)&(1<<hashBits-1)
}
