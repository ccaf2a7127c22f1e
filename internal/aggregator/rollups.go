package aggregator

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
)

//go:embed sql/rollups/*.sql
var rollupFiles embed.FS

// rollup is a table whose rows follow from events. Its statement in sql/rollups
// gives the rows as they should be for what the batch touches; replace.sql writes
// what differs. All of it can be repeated.
type rollup struct {
	Table  string
	Keys   string // columns after tenant that name a row
	Fields string // the others, but for is_deleted and ver
	Scope  string // condition of the stored rows that the statement computes anew
	Select string // text of the statement
}

// step is a rollup that is worked out when entities of one of its kinds are touched.
type step struct {
	rollup
	kinds []string
}

func entityLog() rollup {
	return rollup{
		Table: "entity_events", Keys: "partner_id, kind, entity_id, day, id",
		Fields: "type, time, received_at, actor, stage, amount, currency, margin_pct, influence, lead_id, expires_at, phase, response_s, data",
		Scope:  "day >= {first:Date} AND day <= {last:Date} AND (partner_id, day) IN ({{dirty}})",
	}
}

// entityStates are the tables that follow from entity_events.
func entityStates() []step {
	described := "name, tier, segment, region, owner, status, joined_at, updated_at"
	return []step{
		{rollup{
			Table: "partner_history", Keys: "partner_id, valid_from", Fields: described,
			Scope: `partner_id IN ({{partners "partner"}})`,
		}, []string{"partner"}},
		{rollup{Table: "partners", Keys: "partner_id", Fields: described, Scope: `partner_id IN ({{partners "partner"}})`}, []string{"partner"}},
		{rollup{
			Table: "users", Keys: "user_id", Fields: "partner_id, name, role, region, status, joined_at, updated_at",
			Scope: `user_id IN ({{entities "user"}})`,
		}, []string{"user"}},
		{rollup{
			Table: "content", Keys: "content_id",
			Fields: "title, kind, words, pages, duration_s, owner, audience, published_at, retired_at, updated_at",
			Scope:  `content_id IN ({{entities "content"}})`,
		}, []string{"content"}},
		{rollup{
			Table: "courses", Keys: "course_id", Fields: "title, kind, duration_s, audience, published_at, updated_at",
			Scope: `course_id IN ({{entities "course"}})`,
		}, []string{"course"}},
		{rollup{
			Table: "training_commitments", Keys: "partner_id, course_id", Fields: "cadence_days, set_at",
			Scope: `partner_id IN ({{partners "commitment"}})`,
		}, []string{"commitment"}},
		{rollup{
			Table: "deal_state", Keys: "partner_id, deal_id",
			Fields: "status, stage, opened_at, registered_at, accepted_at, rejected_at, won_at, lost_at, closed_at, cycle_ms, " +
				"amount, currency, margin_pct, recurring_months, influence, lead_id, stages, stage_times, events, updated_at",
			Scope: `(partner_id, deal_id) IN ({{pairs "deal"}})`,
		}, []string{"deal"}},
		{rollup{
			Table: "lead_state", Keys: "partner_id, lead_id", Fields: "referred_at, converted_at, amount, currency, updated_at",
			Scope: `partner_id IN ({{partners "lead" "deal"}})`,
		}, []string{"lead", "deal"}},
		{rollup{
			Table: "ticket_state", Keys: "partner_id, ticket_id", Fields: "phase, requested_at, resolved_at, response_s, updated_at",
			Scope: `(partner_id, ticket_id) IN ({{pairs "ticket"}})`,
		}, []string{"ticket"}},
		{rollup{
			Table: "training_state", Keys: "partner_id, course_id",
			Fields: "enrolled, started, progressed, completed, passed, failed, certified, learners, first_at, " +
				"last_completed_at, last_certified_at, certificates, updated_at",
			Scope: `(partner_id, course_id) IN ({{pairs "training"}})`,
		}, []string{"training"}},
	}
}

// dailyRollups are the tables of local days; they rest on sessions.
func dailyRollups() []rollup {
	const scope = "day >= {low:Date} AND day <= {high:Date} AND (partner_id, day) IN ({{days}})"
	return []rollup{
		{
			Table: "user_daily", Keys: "partner_id, actor, day", Scope: scope,
			Fields: "active, sessions, engaged_sessions, ga4_bounces, single_view_bounces, portal_ms, engaged_ms, engaged_views, " +
				"logins, page_views, content_views, downloads, shares, pins, searches, completions, certifications, deals_registered, events",
		},
		{
			Table: "content_daily", Keys: "content_id, partner_id, day", Scope: scope,
			Fields: "views, readers, actors, known_views, engaged_ms, depth_sum, downloads, shares, pins, " +
				"from_search, from_browse, from_email, from_link, from_playbook, from_unknown, quick_backs, quality, impressions, search_clicks",
		},
		{
			Table: "search_daily", Keys: "partner_id, day, term", Scope: scope,
			Fields: "queries, searchers, zero_results, clicked, unclicked, clicks, refined",
		},
	}
}

// isEntity tells the types that entity_events holds.
func isEntity(t event.Type) bool {
	group, _, _ := strings.Cut(string(t), ".")
	return t.IsDirectory() || slices.Contains([]string{"training", "deal", "lead", "support"}, group)
}

// rollUpDays recomputes the tables of local days that no score rests on, for the keys of
// a batch.
func (a *Aggregator) rollUpDays(ctx context.Context, p chstore.Params, s size) error {
	if s.Keys == 0 {
		return nil
	}
	for _, r := range dailyRollups() {
		if err := a.replace(ctx, r, p); err != nil {
			return err
		}
	}
	return nil
}

// rollUpEntities takes over the events about entities and works out the state of
// those that they are about.
func (a *Aggregator) rollUpEntities(ctx context.Context, p chstore.Params, s size) error {
	if s.Keys == 0 {
		return nil
	}
	if err := a.replace(ctx, entityLog(), p); err != nil {
		return err
	}
	var rows []struct {
		Kind string `ch:"kind"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("entity_kinds"), p); err != nil {
		return fmt.Errorf("reading kinds of entities: %w", err)
	}
	for _, st := range entityStates() {
		touched := false
		for _, r := range rows {
			touched = touched || slices.Contains(st.kinds, r.Kind)
		}
		if !touched {
			continue
		}
		if err := a.replace(ctx, st.rollup, p); err != nil {
			return err
		}
	}
	return nil
}

// replace brings the rows of a rollup that the batch touches up to date.
func (a *Aggregator) replace(ctx context.Context, r rollup, p chstore.Params) error {
	statement, err := r.statement()
	if err == nil {
		err = a.deps.Store.Exec(ctx, statement, p)
	}
	if err != nil {
		return fmt.Errorf("rolling up (%s): %w", r.Table, err)
	}
	return nil
}

// statement puts the rollup's rows into replace.sql.
func (r rollup) statement() (string, error) {
	rows, err := rollupFiles.ReadFile("sql/rollups/" + r.Table + ".sql")
	if err != nil {
		return "", fmt.Errorf("reading the statement of %s: %w", r.Table, err)
	}
	frame, err := rollupFiles.ReadFile("sql/rollups/replace.sql")
	if err != nil {
		return "", fmt.Errorf("reading the frame of rollups: %w", err)
	}
	if r.Select, err = expand(string(rows), nil); err != nil {
		return "", err
	}
	if r.Scope, err = expand(r.Scope, nil); err != nil {
		return "", err
	}
	return expand(string(frame), r)
}

// expand fills in the sets that a statement names: the batch's dirty keys, the local
// days that they can change, and of a kind of entity those that have, or had, events
// in the keys.
func expand(text string, values any) (string, error) {
	const dirty = `SELECT partner_id, day FROM agg_keys WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND marked > 0`
	const days = `SELECT partner_id, day FROM agg_days WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}`
	touched := func(columns string) func(kinds ...string) string {
		return func(kinds ...string) string {
			return fmt.Sprintf(`SELECT DISTINCT %s FROM entity_events WHERE tenant = {tenant:String} AND kind IN ('%s')
              AND day >= {first:Date} AND day <= {last:Date} AND (partner_id, day) IN (%s)`, columns, strings.Join(kinds, "', '"), dirty)
		}
	}
	t, err := template.New("rollup").Option("missingkey=error").Funcs(template.FuncMap{
		"dirty":    func() string { return dirty },
		"days":     func() string { return days },
		"partners": touched("partner_id"), "entities": touched("entity_id"), "pairs": touched("partner_id, entity_id"),
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("parsing a rollup: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return "", fmt.Errorf("filling in a rollup: %w", err)
	}
	return out.String(), nil
}
