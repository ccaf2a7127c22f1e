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
	Data       string    `ch:"data"`
}

// ByID gives those of a tenant's statements that the store has. Of copies of one
// statement, which can be there when it had no timestamp, the first taken is given.
func (s *Store) ByID(ctx context.Context, tenant string, ids []string) ([]*xapi.Stored, error) {
	var rows []statementRow
	if err := s.db.Select(ctx, &rows, statementsByIDSQL, chstore.Params{"tenant": tenant, "ids": ids}); err != nil {
		return nil, fmt.Errorf("reading statements: %w", err)
	}
	first := make(map[string]*xapi.Stored, len(rows))
	var out []*xapi.Stored
	for i := range rows {
		st, err := rows[i].statement(tenant)
		if err != nil {
			return nil, err
		}
		if other := first[st.ID]; other != nil {
			if st.At.Before(other.At) {
				*other = *st
			}
			continue
		}
		first[st.ID] = st
		out = append(out, st)
	}
	return out, nil
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
	var rows []statementRow
	err := s.db.Select(ctx, &rows, statementsListSQL, chstore.Params{
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

// statement takes the statement out of the event's data.
func (r *statementRow) statement(tenant string) (*xapi.Stored, error) {
	var data struct {
		Statement jsontext.Value `json:"statement"`
	}
	if err := json.Unmarshal([]byte(r.Data), &data); err != nil {
		return nil, fmt.Errorf("decoding the statement of event %s: %w", r.ID, err)
	}
	return &xapi.Stored{
		ID: r.ID, Raw: data.Statement, Time: r.Time.UTC(), At: r.ReceivedAt.UTC(), KeyID: r.KeyID, Portal: r.Portal, Tenant: tenant,
	}, nil
}
