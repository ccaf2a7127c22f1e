package plan

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/event"
)

// describedUsersMax is how many of a partner's people the directory names; the
// others are known by their events only, as in life.
const describedUsersMax = 12

// Directory plans the directory events of a day, in order: everything that exists
// on the first day of the history, later the documents that are published.
func (w *World) Directory(d Day) []event.Event {
	b := directory{w: w, day: d}
	if d < w.cfg.Start {
		return nil
	}
	first := d == w.cfg.Start
	for i := range w.catalog.contents {
		if c := &w.catalog.contents[i]; c.Published == d || first && c.Published < d {
			b.add(event.ContentPublished, event.TenantWide, newFields().str("content_id", c.ID).str("title", c.Title).
				str("kind", c.Kind).pos("words", c.Words).pos("pages", c.Pages).pos("duration_s", c.DurationS).
				list("audience", c.Audience).time("published_at", c.Published.Start(w.cfg.Location)).end())
		}
	}
	if first {
		b.courses()
		for i := range w.partners {
			b.partner(&w.partners[i])
		}
	}
	return b.out
}

type directory struct {
	w   *World
	day Day
	out []event.Event
}

func (b *directory) add(t event.Type, partner string, data jsontext.Value) {
	b.out = append(b.out, event.Event{
		ID: b.w.eventID("directory", b.day, len(b.out)), Type: t, PartnerID: partner, Data: data,
		Time: b.day.Start(b.w.cfg.Location).Add(time.Duration(len(b.out)) * time.Millisecond).UTC(),
	})
}

func (b *directory) courses() {
	for _, k := range b.w.catalog.courses {
		b.add(event.CoursePublished, event.TenantWide, newFields().str("course_id", k.id).str("title", k.title).num("duration_s", k.minutes*60).end())
	}
}

func (b *directory) partner(p *Partner) {
	joined := b.w.cfg.Start - 30 - Day(mix(uint64(p.index))%1400)
	b.add(event.PartnerUpserted, p.ID, newFields().str("partner_id", p.ID).str("name", p.Name).str("tier", p.Tier).
		str("segment", p.Segment).str("region", p.Region).str("owner", p.Owner).
		time("joined_at", joined.Start(b.w.cfg.Location)).str("status", "active").end())
	for n, user := range p.Users[:min(len(p.Users), describedUsersMax)] {
		role := []string{"sales", "sales", "presales", "technical", "marketing", "management"}[n%6]
		b.add(event.UserUpserted, p.ID, newFields().str("user_id", user).str("role", role).str("region", p.Region).str("status", "active").end())
	}
	if p.cadence > 0 {
		b.add(event.CommitmentSet, p.ID, newFields().num("cadence_days", p.cadence).end())
	}
}
