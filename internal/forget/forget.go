package forget

import (
	"cmp"
	"context"
	_ "embed" // the statements
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/forgotten"
)

//go:embed sql/is_user.sql
var isUserSQL string

//go:embed sql/is_partner.sql
var isPartnerSQL string

//go:embed sql/visitors.sql
var visitorsSQL string

//go:embed sql/tables.sql
var tablesSQL string

// erasure is one run.
type erasure struct {
	*Forgetter
	req    Request
	report *Report
	ids    []string // of the user: as sent, and the pseudonym
	where  string   // tells the rows of events
	params chstore.Params
	days   []dayKey
	hour   time.Time // of the marks
	// settled says that everything is computed again.
	settled bool
}

type dayKey struct {
	Partner string    `ch:"partner_id"`
	Day     time.Time `ch:"day"`
}

// forEver is beyond the time of every event.
func forEver() time.Time { return time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC) }

// Run erases. It can be repeated, and has to be after an error: each step finds what
// is left. The order makes that safe: first the entry that refuses what arrives, then
// the list of days to recompute, then rows, marks, and what was derived.
func (f *Forgetter) Run(ctx context.Context, req Request) (*Report, error) {
	if err := req.validate(); err != nil {
		return nil, fmt.Errorf("forgetting: %w", err)
	}
	now := f.deps.Now().UTC()
	e := &erasure{Forgetter: f, req: req, report: &Report{
		Tenant: req.Tenant, Kind: string(req.kind()), DryRun: req.DryRun, Until: now.Truncate(time.Millisecond),
	}}
	if req.Block {
		e.report.Until = forEver()
	}
	steps := []func(context.Context) error{e.identify, e.note, e.events, e.rejects, e.topics, e.derived, e.mark, e.settle}
	if req.DryRun {
		steps = []func(context.Context) error{e.identify, e.events, e.rejects, e.topics, e.derived}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return e.report, fmt.Errorf("forgetting a %s: %w", req.kind(), err)
		}
	}
	e.report.add("engagement.events.v1 and the collectors' spools", 0, "records stay until the topic's retention (7 days) or until they are delivered; the enricher refuses them")
	e.report.add("engagement.rejects.v1", 0, "records stay until the topic's retention (30 days); they are not stored again, and not replayed")
	if req.DryRun {
		return e.report, nil
	}
	f.log.Info("forgotten", zap.String("tenant", req.Tenant), zap.String("kind", e.report.Kind), zap.Bool("pending", e.report.Pending))
	return e.report, nil
}

// identify tells which rows of events are meant, and the days that they are of.
func (e *erasure) identify(ctx context.Context) error {
	e.where, e.params = isPartnerSQL, chstore.Params{"tenant": e.req.Tenant, "id": e.req.Partner}
	if e.req.kind() == forgotten.User {
		e.ids = []string{e.req.User}
		if e.req.Pseudonym != "" {
			e.ids = append(e.ids, e.req.Pseudonym)
		}
		e.where, e.params = isUserSQL, chstore.Params{"tenant": e.req.Tenant, "ids": e.ids, "visitors": []string{}}
		var rows []struct {
			ID string `ch:"id"`
		}
		if err := e.deps.Store.Select(ctx, &rows, visitorsSQL, chstore.Params{"tenant": e.req.Tenant, "ids": e.ids}); err != nil {
			return fmt.Errorf("reading the visitors that became the user: %w", err)
		}
		visitors := []string{}
		for _, r := range rows {
			visitors = append(visitors, r.ID)
		}
		e.params["visitors"] = visitors
	}
	const left = "SELECT partner_id, day FROM forget_pending WHERE tenant = {tenant:String} AND hash = {hash:String} UNION DISTINCT SELECT partner_id, day FROM events WHERE "
	for p := range inPieces(with(e.params, "hash", e.hash())) {
		var days []dayKey
		if err := e.deps.Store.Select(ctx, &days, left+e.where, p); err != nil {
			return fmt.Errorf("reading the days of events: %w", err)
		}
		e.days = append(e.days, days...)
	}
	slices.SortFunc(e.days, func(a, b dayKey) int { return cmp.Or(strings.Compare(a.Partner, b.Partner), a.Day.Compare(b.Day)) })
	e.days = slices.CompactFunc(e.days, func(a, b dayKey) bool { return a.Partner == b.Partner && a.Day.Equal(b.Day) })
	return nil
}

func (e *erasure) hash() string { return forgotten.Hash(e.req.Tenant, e.req.kind(), e.req.id()) }

// note writes the entries of the list, and the days that will have to be marked.
func (e *erasure) note(ctx context.Context) error {
	kinds, hashes := []string{string(e.req.kind())}, []string{e.hash()}
	if visitors, ok := e.params["visitors"].([]string); ok {
		for _, v := range visitors {
			kinds, hashes = append(kinds, string(forgotten.Visitor)), append(hashes, forgotten.Hash(e.req.Tenant, forgotten.Visitor, v))
		}
	}
	n := len(kinds)
	err := e.deps.Store.InsertColumns(ctx, "forgotten", []chstore.Column{
		{Name: "tenant", Values: slices.Repeat([]string{e.req.Tenant}, n)}, {Name: "kind", Values: kinds}, {Name: "hash", Values: hashes},
		{Name: "until", Values: slices.Repeat([]time.Time{e.report.Until}, n)},
		{Name: "asked_at", Values: slices.Repeat([]time.Time{e.deps.Now().UTC()}, n)},
		{Name: "ver", Values: slices.Repeat([]uint64{uint64(e.report.Until.UnixMilli())}, n)},
	})
	if err != nil {
		return fmt.Errorf("writing the list of the forgotten: %w", err)
	}
	if n = len(e.days); n == 0 {
		return nil
	}
	partners, days := make([]string, n), make([]time.Time, n)
	for i, k := range e.days {
		partners[i], days[i] = k.Partner, k.Day
	}
	err = e.deps.Store.InsertColumns(ctx, "forget_pending", []chstore.Column{
		{Name: "tenant", Values: slices.Repeat([]string{e.req.Tenant}, n)}, {Name: "hash", Values: slices.Repeat([]string{e.hash()}, n)},
		{Name: "partner_id", Values: partners}, {Name: "day", Values: days},
	})
	if err != nil {
		return fmt.Errorf("noting the days to recompute: %w", err)
	}
	return nil
}

// events erases the events, and first what is found by them.
func (e *erasure) events(ctx context.Context) error {
	statements := "tenant = {tenant:String} AND (id, partner_id, day) IN (SELECT id, partner_id, day FROM events WHERE source = 'xapi' AND " + e.where + ")"
	if e.req.kind() == forgotten.Partner {
		statements = e.where
	}
	if err := e.from(ctx, "xapi_statements", statements, e.params); err != nil {
		return err
	}
	return e.from(ctx, "events", e.where, e.params)
}

// from erases from a table, or counts.
func (e *erasure) from(ctx context.Context, table, where string, p chstore.Params) error {
	do := erase
	if e.req.DryRun {
		do = count
	}
	rows := uint64(0)
	for piece := range inPieces(p) {
		n, err := do(ctx, e.deps.Store, table, where, piece)
		if err != nil {
			return err
		}
		rows += n
	}
	e.report.add(table, rows, "")
	return nil
}

// derived erases from every other table with rows of tenants: those that were
// computed of events, and those of the directory.
func (e *erasure) derived(ctx context.Context) error {
	var tables []table
	if err := e.deps.Store.Select(ctx, &tables, tablesSQL, nil); err != nil {
		return fmt.Errorf("listing the tables: %w", err)
	}
	for _, t := range tables {
		where, p := "", e.params
		if e.req.kind() == forgotten.Partner {
			if slices.Contains(t.Columns, "partner_id") {
				where = isPartnerSQL
			}
		} else {
			where, p = e.userOf(t)
		}
		if where == "" {
			continue
		}
		if err := e.from(ctx, t.Name, where, p); err != nil {
			return err
		}
	}
	return nil
}

// table is one row of tables.sql.
type table struct {
	Name    string   `ch:"name"`
	Columns []string `ch:"columns"`
	Types   []string `ch:"types"`
}

// userOf tells the rows of the user in a table. actor is the user, else the visitor.
// Rows that only list people among others are computed again without the user: once
// that is done, and not before, their older versions go.
func (e *erasure) userOf(t table) (string, chstore.Params) {
	people := append(slices.Clone(e.ids), e.params["visitors"].([]string)...)
	p := chstore.Params{"tenant": e.req.Tenant, "ids": e.ids, "people": people}
	const tenant = "tenant = {tenant:String} AND "
	switch {
	case slices.Contains(t.Columns, "user_id"):
		return tenant + "has({ids:Array(String)}, user_id)", p
	case slices.Contains(t.Columns, "actor") && slices.Contains(t.Columns, "entity_id"):
		return tenant + "(has({people:Array(String)}, actor) OR kind = 'user' AND has({ids:Array(String)}, entity_id))", p
	case slices.Contains(t.Columns, "actor"):
		return tenant + "has({people:Array(String)}, actor)", p
	case !e.settled && !e.req.DryRun:
		return "", nil
	}
	for i, name := range t.Columns {
		switch {
		case name == "actors" && t.Types[i] == "Array(String)":
			return tenant + "hasAny(actors, {people:Array(String)})", p
		case strings.HasPrefix(t.Types[i], "Array(Tuple(actor String"):
			return tenant + "hasAny(tupleElement(`" + name + "`, 'actor'), {people:Array(String)})", p
		}
	}
	return "", nil
}

// with gives p with one more.
func with(p chstore.Params, name string, value any) chstore.Params {
	out := chstore.Params{name: value}
	for k, v := range p {
		out[k] = v
	}
	return out
}
