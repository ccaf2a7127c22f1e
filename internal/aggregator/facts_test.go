package aggregator_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/enrich"
	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

// fact is an event as a producer sends it; its columns are made of data as the
// enricher makes them.
type fact struct {
	Partner, ID    string
	Type           event.Type
	Actor, Session string
	Time, Received time.Time
	Internal, Bot  bool
	Data           map[string]any

	fields enrich.Fields
	json   string
}

// chronicle is a world that is sent facts.
type chronicle struct {
	*world
	facts   map[string]*fact // by partner, UTC day and id: the copy that was accepted first
	extract *enrich.Extractor
}

func newChronicle(t testing.TB, tz string, now time.Time) *chronicle {
	c := &chronicle{world: newWorld(t, tz, now), facts: make(map[string]*fact), extract: enrich.NewExtractor()}
	c.cfg.ContentInterval = 0 // the clock of these tests stands still
	c.restart()
	return c
}

func (f *fact) key() string {
	return f.Partner + "/" + f.Time.UTC().Format(time.DateOnly) + "/" + f.ID
}

// acceptance orders copies of an event: the greatest counts.
type acceptance uint64

const (
	later acceptance = iota + 1
	usual
	earlier
)

// tell stores facts that were accepted at some time.
func (c *chronicle) tell(when acceptance, facts ...fact) {
	c.t.Helper()
	var marks []sent
	text := map[string][]string{}
	var day, at, received []time.Time
	var internal, bot []bool
	var ver []uint64
	var amount []decimal.Decimal
	var margin []*float32
	var expires []*time.Time
	var ms, words, duration, results []uint32
	var responses []*uint32
	var scroll []uint8
	var nps []*uint8
	for i := range facts {
		f := facts[i]
		b, err := json.Marshal(f.Data)
		if err != nil {
			c.t.Fatal(err)
		}
		f.json, f.fields = string(b), c.extract.Extract(f.Type, b)
		if _, known := c.facts[f.key()]; !known || when == earlier {
			c.facts[f.key()] = &f
		}
		x := &f.fields
		for name, v := range map[string]string{
			"tenant": tenantID, "partner_id": f.Partner, "id": f.ID, "type": string(f.Type), "user_id": f.Actor, "session_id": f.Session,
			"view_id": x.ViewID, "content_id": x.ContentID, "playbook_id": x.PlaybookID, "entry_source": x.EntrySource, "channel": x.Channel,
			"search_id": x.SearchID, "query": x.Query, "course_id": x.CourseID, "lead_id": x.LeadID, "deal_id": x.DealID, "stage": x.Stage,
			"prev_stage": x.PrevStage, "currency": x.Currency, "influence": x.Influence, "phase": x.Phase, "survey_id": x.SurveyID, "data": f.json,
		} {
			text[name] = append(text[name], v)
		}
		day, at, received = append(day, f.Time.UTC().Truncate(24*time.Hour)), append(at, f.Time.UTC()), append(received, f.Received.UTC())
		internal, bot = append(internal, f.Internal), append(bot, f.Bot)
		amount, margin, expires, responses = append(amount, x.Amount), append(margin, x.MarginPct), append(expires, x.ExpiresAt), append(responses, x.ResponseS)
		ms, words, duration = append(ms, x.EngagedMS), append(words, x.Words), append(duration, x.DurationS)
		results, scroll, nps = append(results, x.ResultsCount), append(scroll, x.MaxScrollPct), append(nps, x.NPS)
		ver = append(ver, uint64(when))
		marks = append(marks, sent{Partner: f.Partner, Event: session.Event{ID: f.ID, Time: f.Time}})
	}
	cols := []chstore.Column{
		{Name: "day", Values: day}, {Name: "time", Values: at}, {Name: "received_at", Values: received},
		{Name: "internal", Values: internal}, {Name: "is_bot", Values: bot}, {Name: "ver", Values: ver},
		{Name: "amount", Values: amount}, {Name: "margin_pct", Values: margin}, {Name: "expires_at", Values: expires},
		{Name: "response_s", Values: responses}, {Name: "engaged_ms", Values: ms}, {Name: "words", Values: words},
		{Name: "duration_s", Values: duration}, {Name: "results_count", Values: results},
		{Name: "max_scroll_pct", Values: scroll}, {Name: "nps", Values: nps},
	}
	for name, values := range text {
		cols = append(cols, chstore.Column{Name: name, Values: values})
	}
	if err := c.store.InsertColumns(context.Background(), "events", cols); err != nil {
		c.t.Fatal(err)
	}
	c.mark(marks)
}

// counted lists the facts that count, in the order of time, receipt and id.
func (c *chronicle) counted() []*fact {
	var out []*fact
	for _, f := range c.facts {
		if !f.Internal && !f.Bot {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *fact) int {
		return cmp.Or(a.Time.Compare(b.Time), a.Received.Compare(b.Received), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// rows reads columns of a table as JSON arrays, sorted.
func (c *chronicle) rows(table, columns string) []string {
	c.t.Helper()
	var rows []struct {
		Row string `ch:"row"`
	}
	q := fmt.Sprintf("SELECT trimRight(formatRow('JSONCompactEachRow', %s)) AS row FROM %s FINAL WHERE tenant = '%s'", columns, table, tenantID)
	if err := c.store.Select(context.Background(), &rows, q, nil); err != nil {
		c.t.Fatal(err)
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		var v []any
		if err := json.Unmarshal([]byte(r.Row), &v); err != nil {
			c.t.Fatalf("%s: %v", r.Row, err)
		}
		out = append(out, compact(c.t, v))
	}
	slices.Sort(out)
	return out
}

func compact(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same compares a table with the rows that it should have.
func (c *chronicle) same(table, columns string, want [][]any) {
	c.t.Helper()
	texts := make([]string, 0, len(want))
	for _, w := range want {
		texts = append(texts, compact(c.t, w))
	}
	slices.Sort(texts)
	if diff := gocmp.Diff(texts, c.rows(table, columns)); diff != "" {
		c.t.Fatalf("%s (-want +got):\n%s", table, diff)
	}
}

// stamp writes a time as ClickHouse does; nil and the zero time are null.
func stamp(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

// narrator makes random facts of a programme.
type narrator struct {
	rng *rand.Rand
	end time.Time
	n   int
}

func (n *narrator) small(prefix string, count int) string {
	return fmt.Sprintf("%s%d", prefix, n.rng.IntN(count))
}

// some gives a random subset of the fields, those of need always.
func (n *narrator) some(need string, all map[string]any) map[string]any {
	out := make(map[string]any)
	for k, v := range all {
		if k == need || n.rng.IntN(2) == 0 {
			out[k] = v
		}
	}
	return out
}

func (n *narrator) data(t event.Type, partner string) map[string]any {
	group, _, _ := strings.Cut(string(t), ".")
	times := []string{"2025-02-03T10:00:00+02:00", "2026-01-31T23:30:00.5Z"}
	at := times[n.rng.IntN(2)]
	switch {
	case t == event.PartnerUpserted:
		return n.some("partner_id", map[string]any{
			"partner_id": partner, "name": n.small("Partner ", 9), "tier": n.small("tier", 3), "segment": n.small("s", 3),
			"region": n.small("r", 2), "owner": n.small("o", 3), "status": []string{"active", "churned", ""}[n.rng.IntN(3)], "joined_at": at,
		})
	case t == event.UserUpserted:
		return n.some("user_id", map[string]any{
			"user_id": n.small("u", 40), "name": n.small("User ", 9), "role": "sales", "region": n.small("r", 2), "status": "active", "joined_at": at,
		})
	case t == event.ContentPublished:
		return n.some("content_id", map[string]any{
			"content_id": n.small("c", 6), "title": n.small("Doc \"", 9), "kind": "pdf", "words": 100 + n.rng.IntN(900), "pages": n.rng.IntN(9),
			"duration_s": float64(n.rng.IntN(90)) + .5, "owner": n.small("o", 3), "audience": []string{"tier1", "s2", "sales"}[:n.rng.IntN(4)], "published_at": at,
		})
	case t == event.ContentRetired:
		return map[string]any{"content_id": n.small("c", 6)}
	case t == event.CoursePublished:
		return n.some("course_id", map[string]any{
			"course_id": n.small("k", 4), "title": n.small("Course ", 9), "kind": "online", "duration_s": 3600, "audience": []string{"tier1"},
		})
	case t == event.CommitmentSet:
		return n.some("cadence_days", map[string]any{"cadence_days": 1 + n.rng.IntN(200), "course_id": n.small("k", 2)})
	case group == "training":
		return n.some("course_id", map[string]any{"course_id": n.small("k", 3), "expires_at": at, "progress": 50})
	case group == "deal":
		return n.some("deal_id", map[string]any{
			"deal_id": n.small("d", 4), "stage": []string{"proposal", "demo", "won", ""}[n.rng.IntN(4)], "prev_stage": "lead",
			"amount": float64(n.rng.IntN(100_000)) / 4, "currency": []string{"EUR", "USD"}[n.rng.IntN(2)],
			"margin_pct": float64(n.rng.IntN(400))/10 - 5, "recurring_months": 12 * n.rng.IntN(4),
			"influence": []string{"sourced", "influenced"}[n.rng.IntN(2)], "lead_id": n.small("l", 3),
		})
	case group == "lead":
		return n.some("lead_id", map[string]any{"lead_id": n.small("l", 4), "amount": n.rng.IntN(5000), "currency": "EUR"})
	case group == "support":
		return n.some("ticket_id", map[string]any{"ticket_id": n.small("t", 4), "phase": "after", "response_s": n.rng.IntN(9000)})
	case t == event.SurveyNPSAnswered:
		return map[string]any{"survey_id": "s", "score": n.rng.IntN(11)}
	case group == "search":
		return n.some("search_id", map[string]any{
			"search_id": n.small("q", 5), "query": []string{"Pricing", " pricing  guide", "API\tlimits", "Überblick", ""}[n.rng.IntN(5)],
			"results_count": n.rng.IntN(3), "content_id": n.small("c", 3), "position": 1 + n.rng.IntN(9),
			"results": []string{"c1", n.small("c", 3), "c9"}[:n.rng.IntN(4)],
		})
	}
	return n.some("", map[string]any{
		"view_id": n.small("v", 5), "content_id": n.small("c", 3), "playbook_id": "pb", "engaged_ms": n.rng.IntN(90_000), "words": n.rng.IntN(800),
		"max_scroll_pct": n.rng.IntN(101), "duration_s": n.rng.IntN(500), "entry_source": []string{"search", "browse", "email"}[n.rng.IntN(3)],
		"success": n.rng.IntN(2) == 0,
	})
}

// partner tells count facts of a partner over some days before the end, in bursts.
func (n *narrator) partner(partner string, count, days int) []fact {
	kinds := event.Types()
	interactive := []event.Type{
		event.PortalLogin, event.PageViewed, event.ContentViewed, event.ContentViewed, event.ContentViewed, event.ContentEngaged,
		event.ContentEngaged, event.ContentEngaged, event.ContentDownloaded, event.ContentShared, event.PlaybookPinned,
		event.SearchPerformed, event.SearchPerformed, event.SearchClicked, event.SearchClicked,
	}
	var out []fact
	at := n.end
	for i := range count {
		switch {
		case i == 0 || n.rng.IntN(9) == 0:
			at = n.end.Add(-time.Duration(n.rng.Int64N(int64(days) * int64(24*time.Hour)))).Truncate(time.Millisecond)
		case n.rng.IntN(3) > 0:
			at = at.Add(time.Duration(n.rng.IntN(12)) * time.Second)
		default:
			at = at.Add(time.Duration(n.rng.IntN(40*60)) * time.Second)
		}
		if at.After(n.end) {
			at = n.end
		}
		kind := kinds[n.rng.IntN(len(kinds))]
		if n.rng.IntN(2) == 0 {
			kind = interactive[n.rng.IntN(len(interactive))]
		}
		n.n++
		f := fact{
			Partner: partner, ID: fmt.Sprintf("f%d", n.n), Type: kind, Actor: n.small("u", 3), Session: []string{"", "", "a", "b"}[n.rng.IntN(4)],
			Time: at, Received: at.Add(time.Duration(n.rng.IntN(3)) * time.Second), Internal: n.rng.IntN(25) == 0, Bot: n.rng.IntN(25) == 0,
			Data: n.data(kind, partner),
		}
		if kind.IsTenantWide() {
			f.Partner = event.TenantWide
		}
		out = append(out, f)
	}
	return out
}
