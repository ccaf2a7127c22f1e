// Package xapistore reads xAPI statements back from ClickHouse, out of the events
// that carry them.
package xapistore

import (
	"context"
	_ "embed" // the statements' SQL
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/xapi"
)

//go:embed queries/by_id.sql
var statementsByIDSQL string

//go:embed queries/voidings.sql
var voidingsSQL string

//go:embed queries/list.sql
var statementsListSQL string

// Store finds statements by their ids and by when they were taken.
type Store struct{ db *chstore.Store }

// New makes a store on db, which stays its caller's to close.
func New(db *chstore.Store) *Store { return &Store{db: db} }

// statementRow is one row of either query.
type statementRow struct {
	ID         string    `ch:"id"`
	Time       time.Time `ch:"time"`
	ReceivedAt time.Time `ch:"received_at"`
	KeyID      string    `ch:"key_id"`
	Portal     string    `ch:"portal"`
	Partner    string    `ch:"partner_id"`
	Data       string    `ch:"data"`
}

// voidingRow is one row of the voidings.
type voidingRow struct {
	Portal   string `ch:"portal"`
	Target   string `ch:"target"`
	VoidedBy string `ch:"voided_by"`
}

// ByID gives those of a tenant's statements that the store has, and who voids which
// of them. Of copies of one statement, which can be there when it had no timestamp,
// the first taken is given.
func (s *Store) ByID(ctx context.Context, tenant string, ids []string) (known xapi.Known, err error) {
	var rows []statementRow
	params := chstore.Params{"tenant": tenant, "ids": ids}
	if err := s.db.Select(ctx, &rows, statementsByIDSQL, params); err != nil {
		return known, fmt.Errorf("reading statements: %w", err)
	}
	first := make(map[string]*xapi.Stored, len(rows))
	for i := range rows {
		st, err := rows[i].statement(tenant)
		if err != nil {
			return known, err
		}
		if other := first[st.ID]; other != nil {
			if st.At.Before(other.At) {
				*other = *st
			}
			continue
		}
		first[st.ID] = st
		known.Statements = append(known.Statements, st)
	}
	var voidings []voidingRow
	if err := s.db.Select(ctx, &voidings, voidingsSQL, params); err != nil {
		return known, fmt.Errorf("reading who voids statements: %w", err)
	}
	for _, v := range voidings {
		known.Voided = append(known.Voided, xapi.Voiding{Portal: v.Portal, Target: v.Target, By: v.VoidedBy})
		if st := first[v.Target]; st != nil && st.Portal == v.Portal && xapi.Voids(st.Raw) == "" {
			st.VoidedBy = v.VoidedBy
		}
	}
	return known, nil
}

// List answers a query.
func (s *Store) List(ctx context.Context, q xapi.Query) ([]*xapi.Stored, error) {
	until, direction := int64(1)<<42, int8(-1)
	if !q.Until.IsZero() {
		until = q.Until.UnixMilli()
	}
	if q.Ascending {
		direction = 1
	}
	f := q.Filter
	var rows []statementRow
	err := s.db.Select(ctx, &rows, statementsListSQL, chstore.Params{
		"verb": f.Verb, "registration": f.Registration, "activity": f.Activity, "agent": f.Agent,
		"related_activities": flag(f.RelatedActivities), "related_agents": flag(f.RelatedAgents),
		"tenant": q.Tenant, "portal": q.Portal, "since": max(0, q.Since.UnixMilli()), "until": until,
		"after": max(0, q.After.At.UnixMilli()), "after_id": q.After.ID, "direction": direction, "count": uint32(q.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("listing statements: %w", err)
	}
	out := make([]*xapi.Stored, 0, len(rows))
	for i := range rows {
		st, err := rows[i].statement(q.Tenant)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return q.Merge(out, nil), nil
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// statement takes the statement out of the event's data.
func (r *statementRow) statement(tenant string) (*xapi.Stored, error) {
	var data struct {
		Statement jsontext.Value `json:"statement"`
		TakenAt   time.Time      `json:"taken_at"` // of a voided one, whose event came before itself
	}
	if err := json.Unmarshal([]byte(r.Data), &data); err != nil {
		return nil, fmt.Errorf("decoding the statement of event %s: %w", r.ID, err)
	}
	if data.TakenAt.IsZero() {
		data.TakenAt = r.ReceivedAt
	}
	return &xapi.Stored{
		ID: r.ID, Raw: data.Statement, Time: r.Time.UTC(), At: data.TakenAt.UTC(), KeyID: r.KeyID, Portal: r.Portal, Tenant: tenant, Partner: r.Partner,
	}, nil
}
