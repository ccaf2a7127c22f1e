package aggregator_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/event"
	"partnerpulse/internal/session"
)

// described is what descriptions of one thing say so far, field by field.
type described map[string]any

func (d described) learn(f *fact) {
	for k, v := range f.Data {
		d[k] = v
	}
}

func (d described) text(field string) string { s, _ := d[field].(string); return s }

func (d described) whole(field string) any {
	switch v := d[field].(type) {
	case int:
		return v
	case float64:
		return int(v)
	}
	return 0
}

func (d described) list(field string) []string {
	if l, ok := d[field].([]string); ok {
		return l
	}
	return []string{}
}

func (d described) time(field string) any {
	t, err := time.Parse(time.RFC3339, d.text(field))
	if err != nil {
		return nil
	}
	return stamp(&t)
}

// entity gives kind and id of what a fact is about, "" for facts about nothing lasting.
func (f *fact) entity() (kind, id string) {
	text := func(k string) string { s, _ := f.Data[k].(string); return s }
	group, _, _ := strings.Cut(string(f.Type), ".")
	switch {
	case f.Type == event.PartnerUpserted:
		return "partner", f.Partner
	case f.Type == event.UserUpserted:
		return "user", text("user_id")
	case f.Type.IsTenantWide() && group == "content":
		return "content", text("content_id")
	case f.Type.IsTenantWide():
		return "course", text("course_id")
	case f.Type == event.CommitmentSet:
		return "commitment", text("course_id")
	case group == "training":
		return "training", text("course_id")
	case group == "deal":
		return "deal", text("deal_id")
	case group == "lead":
		return "lead", text("lead_id")
	case group == "support":
		return "ticket", text("ticket_id")
	}
	return "", ""
}

// histories groups the counted facts of a kind by partner (if the kind is a
// partner's) and entity, in order.
func (c *chronicle) histories(kind string, ofPartner bool) map[[2]string][]*fact {
	out := make(map[[2]string][]*fact)
	for _, f := range c.counted() {
		if k, id := f.entity(); k == kind {
			key := [2]string{"", id}
			if ofPartner {
				key[0] = f.Partner
			}
			out[key] = append(out[key], f)
		}
	}
	return out
}

func (c *chronicle) checkDirectory() {
	c.t.Helper()
	var history, latest, users, contents, courses, commitments [][]any
	for key, facts := range c.histories("partner", true) {
		d := described{}
		var row []any
		for i, f := range facts {
			d.learn(f)
			row = []any{
				key[0], d.text("name"), d.text("tier"), d.text("segment"), d.text("region"), d.text("owner"), d.text("status"),
				d.time("joined_at"), stamp(&f.Time),
			}
			day := session.LocalDay(f.Time, c.loc)
			if i == len(facts)-1 || session.LocalDay(facts[i+1].Time, c.loc) != day {
				from := time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
				history = append(history, slices.Insert(slices.Clone(row), 1, any(from)))
			}
		}
		latest = append(latest, row)
	}
	for key, facts := range c.histories("user", false) {
		d := described{}
		for _, f := range facts {
			d.learn(f)
		}
		last := facts[len(facts)-1]
		users = append(users, []any{
			key[1], last.Partner, d.text("name"), d.text("role"), d.text("region"), d.text("status"), d.time("joined_at"), stamp(&last.Time),
		})
	}
	for key, facts := range c.histories("content", false) {
		contents = append(contents, contentRow(key[1], facts))
	}
	for key, facts := range c.histories("course", false) {
		d := described{}
		for _, f := range facts {
			d.learn(f)
		}
		courses = append(courses, []any{
			key[1], d.text("title"), d.text("kind"), d.whole("duration_s"), d.list("audience"), stamp(&facts[0].Time), stamp(&facts[len(facts)-1].Time),
		})
	}
	for key, facts := range c.histories("commitment", true) {
		last := facts[len(facts)-1]
		commitments = append(commitments, []any{key[0], key[1], last.Data["cadence_days"], stamp(&last.Time)})
	}
	const fields = "name, tier, segment, region, owner, status, joined_at, updated_at"
	c.same("partner_history", "partner_id, valid_from, "+fields, history)
	c.same("partners", "partner_id, "+fields, latest)
	c.same("users", "user_id, partner_id, name, role, region, status, joined_at, updated_at", users)
	c.same("content", "content_id, title, kind, words, pages, duration_s, owner, audience, published_at, retired_at, updated_at", contents)
	c.same("courses", "course_id, title, kind, duration_s, audience, published_at, updated_at", courses)
	c.same("training_commitments", "partner_id, course_id, cadence_days, set_at", commitments)
}

func contentRow(id string, facts []*fact) []any {
	d := described{}
	var first, retired, updated any
	for _, f := range facts {
		updated = stamp(&f.Time)
		if f.Type == event.ContentRetired {
			retired = updated
			continue
		}
		d.learn(f)
		retired = nil
		if first == nil {
			first = updated
		}
	}
	if said := d.time("published_at"); said != nil {
		first = said
	}
	return []any{
		id, d.text("title"), d.text("kind"), d.whole("words"), d.whole("pages"), d.whole("duration_s"), d.text("owner"),
		d.list("audience"), first, retired, updated,
	}
}

// worlds are where and when random histories end: over changes of the clock and of
// the year.
func worlds() []struct {
	tz  string
	end time.Time
} {
	return []struct {
		tz  string
		end time.Time
	}{
		{"UTC", time.Date(2026, 5, 20, 15, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2026, 11, 3, 2, 0, 0, 0, time.UTC)},
		{"Pacific/Kiritimati", time.Date(2026, 1, 3, 11, 0, 0, 0, time.UTC)},
	}
}

// TestMetricsOfRandomHistories holds the rollups to plain Go, on 1,024 histories of
// partners that arrive in pieces, late, twice, in any order, and with copies that
// were accepted earlier and say something else.
func TestMetricsOfRandomHistories(t *testing.T) {
	t.Parallel()
	const partners = 256
	for i, where := range worlds() {
		t.Run(where.tz, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(i), 11))
			c := newChronicle(t, where.tz, where.end)
			c.cfg.ContentInterval = time.Minute // content is scored after the first piece, at the end, and again
			c.restart()
			n := &narrator{rng: rng, end: where.end}
			var facts []fact
			for p := range partners {
				facts = append(facts, n.partner(fmt.Sprintf("p-%03d", p), 5+rng.IntN(45), 2+rng.IntN(9))...)
			}
			rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
			for piece := range slices.Chunk(facts, 1+len(facts)/2) {
				c.tell(usual, piece...)
				c.settle()
				again := slices.Clone(piece[:len(piece)/9])
				for i := range again { // the same event with other content
					again[i].Type, again[i].Actor = event.DealWon, "other"
					again[i].Data = map[string]any{"deal_id": "d1", "user_id": "u1", "content_id": "c1"}
				}
				half := len(again) / 2
				c.tell(later, again[:half]...)
				c.tell(earlier, again[half:]...)
				c.settle()
			}
			c.now = c.now.Add(time.Minute)
			c.settle()
			c.checkMetrics()
			before := c.metricsState()
			c.restart()
			c.mark([]sent{{Partner: "p-000", Event: session.Event{Time: where.end}}, {Partner: "p-001", Event: session.Event{Time: where.end}}})
			c.settle()
			if diff := gocmp.Diff(before, c.metricsState()); diff != "" {
				t.Fatalf("a recomputation changed rows:\n%s", diff)
			}
		})
	}
}

func (c *chronicle) checkMetrics() {
	c.t.Helper()
	c.checkDirectory()
	c.checkStates()
	c.checkUsers()
	c.checkContent()
	c.checkSearches()
	c.checkContentScores()
}

// metricsState gives all rows of the rollups with ver: an unchanged row keeps it.
func (c *chronicle) metricsState() map[string][]string {
	out := make(map[string][]string)
	for _, table := range []string{
		"entity_events", "partner_history", "partners", "users", "content", "courses", "training_commitments",
		"deal_state", "lead_state", "ticket_state", "training_state", "user_daily", "content_daily", "search_daily",
		"content_scores",
	} {
		out[table] = c.rows(table, "*")
	}
	return out
}
