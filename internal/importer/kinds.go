package importer

import (
	"maps"
	"slices"

	"partnerpulse/internal/event"
)

// format says how a cell becomes a JSON value.
type format int

const (
	text    format = iota
	whole          // integer
	instant        // RFC 3339, or a date for its first instant in UTC
	list           // values between | or ;
	flag           // true or false, yes or no, 1 or 0
)

// Column is a column of a CSV file.
type Column struct {
	Name     string
	Required bool
	Help     string
	format   format
	envelope bool // of the envelope, not of data
}

// Kind is what a file describes.
type Kind struct {
	Name    string
	Columns []Column
	typ     event.Type
	keys    []string // columns that name a row: no two rows may have the same
}

// retiredColumn makes a row of content a retirement too.
const retiredColumn = "retired"

// Kinds lists what can be imported.
func Kinds() []Kind {
	return []Kind{
		{Name: "partners", typ: event.PartnerUpserted, keys: []string{"partner_id"}, Columns: []Column{
			{Name: "partner_id", Required: true, Help: "Id that events use"},
			{Name: "name", Help: "Name as shown to people"},
			{Name: "tier", Help: "Programme tier, for example gold"},
			{Name: "segment", Help: "Peer group that the partner is compared with"},
			{Name: "region", Help: "Sales region"},
			{Name: "owner", Help: "The channel manager in charge"},
			{Name: "joined_at", format: instant, Help: "When the partner joined the programme"},
			{Name: "status", Help: "active, inactive, churned, …"},
		}},
		{Name: "users", typ: event.UserUpserted, keys: []string{"user_id"}, Columns: []Column{
			{Name: "user_id", Required: true, Help: "Id that events use"},
			{Name: "partner_id", Required: true, envelope: true, Help: "Whose employee it is"},
			{Name: "name", Help: "Name as shown to people"},
			{Name: "role", Help: "sales, technical, …"},
			{Name: "region", Help: "Region"},
			{Name: "joined_at", format: instant, Help: "When the user joined"},
			{Name: "status", Help: "active, inactive, …"},
		}},
		{Name: "content", typ: event.ContentPublished, keys: []string{"content_id"}, Columns: []Column{
			{Name: "content_id", Required: true, Help: "Id that events use"},
			{Name: "title", Help: "Title as shown to people"},
			{Name: "kind", Help: "pdf, video, deck, …"},
			{Name: "words", format: whole, Help: "Length in words"},
			{Name: "pages", format: whole, Help: "Length in pages or slides"},
			{Name: "duration_s", format: whole, Help: "Length of media, seconds"},
			{Name: "owner", Help: "Who maintains it"},
			{Name: "audience", format: list, Help: "Tiers, segments, regions or roles that are entitled to it, with bars between; empty: every partner"},
			{Name: "published_at", format: instant, Help: "When it was published"},
			{Name: retiredColumn, format: flag, Help: "true: taken out of use"},
		}},
		{Name: "courses", typ: event.CoursePublished, keys: []string{"course_id"}, Columns: []Column{
			{Name: "course_id", Required: true, Help: "Id that events use"},
			{Name: "title", Help: "Title as shown to people"},
			{Name: "kind", Help: "online, classroom, …"},
			{Name: "duration_s", format: whole, Help: "Length, seconds"},
			{Name: "audience", format: list, Help: "Tiers, segments or regions that it is for, with bars between; empty: every partner"},
		}},
		{Name: "commitments", typ: event.CommitmentSet, keys: []string{"partner_id", "course_id"}, Columns: []Column{
			{Name: "partner_id", Required: true, envelope: true, Help: "Who trains"},
			{Name: "cadence_days", Required: true, format: whole, Help: "A completion is due every so many days"},
			{Name: "course_id", Help: "The course; empty: training of any kind"},
		}},
	}
}

// KindOf finds a kind by its name.
func KindOf(name string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

func (k *Kind) columns() map[string]Column {
	out := make(map[string]Column, len(k.Columns))
	for _, c := range k.Columns {
		out[c.Name] = c
	}
	return out
}

func (k *Kind) names() []string { return slices.Sorted(maps.Keys(k.columns())) }
