package forget

import (
	"context"
	_ "embed" // the statements
	"fmt"
	"slices"
	"time"

	"partnerpulse/internal/chstore"
)

//go:embed sql/marks.sql
var marksSQL string

// mark asks for the days to be recomputed from what is left of them.
func (e *erasure) mark(ctx context.Context) error {
	e.hour = e.deps.Now().UTC().Truncate(time.Hour)
	e.days = slices.DeleteFunc(e.days, func(k dayKey) bool { return k.Day.Before(e.deps.Recomputable) })
	n := len(e.days)
	e.report.Days = n
	if n > 0 {
		partners, days := make([]string, n), make([]time.Time, n)
		for i, k := range e.days {
			partners[i], days[i] = k.Partner, k.Day
		}
		err := e.deps.Store.InsertColumns(ctx, "dirty_days", []chstore.Column{
			{Name: "hour", Values: slices.Repeat([]time.Time{e.hour}, n)}, {Name: "tenant", Values: slices.Repeat([]string{e.req.Tenant}, n)},
			{Name: "partner_id", Values: partners}, {Name: "day", Values: days},
			{Name: "marked", Values: slices.Repeat([]uint64{1}, n)}, {Name: "done", Values: make([]uint64, n)},
		})
		if err != nil {
			return fmt.Errorf("marking the days to recompute: %w", err)
		}
	}
	return nil
}

// pause between two looks at the marks.
const pause = 200 * time.Millisecond

// settle waits until the marks are worked off, and then erases what the aggregator
// had written meanwhile from events that it had read before.
func (e *erasure) settle(ctx context.Context) error {
	target, err := e.marks(ctx)
	if err != nil {
		return err
	}
	limit := e.deps.Now().Add(e.req.Wait)
	for !e.worked(target) {
		if !e.deps.Now().Before(limit) {
			e.report.Pending = true
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		now, err := e.marks(ctx)
		if err != nil {
			return err
		}
		for key, m := range now {
			if t, ok := target[key]; ok {
				t.Worked = m.Worked
				target[key] = t
			}
		}
	}
	e.settled = true
	if err := e.derived(ctx); err != nil {
		return err
	}
	_, err = erase(ctx, e.deps.Store, "forget_pending", "tenant = {tenant:String} AND hash = {hash:String}",
		chstore.Params{"tenant": e.req.Tenant, "hash": e.hash()})
	return err
}

// markState is one row of marks.sql.
type markState struct {
	Hour    time.Time `ch:"hour"`
	Partner string    `ch:"partner_id"`
	Day     time.Time `ch:"day"`
	Marks   uint64    `ch:"marks"`
	Worked  uint64    `ch:"worked"`
}

type markKey struct {
	partner   string
	hour, day int64
}

// marks gives the state of the keys that this run marked.
func (e *erasure) marks(ctx context.Context) (map[markKey]markState, error) {
	ours := map[dayKey]bool{}
	partners := map[string]bool{}
	for _, k := range e.days {
		ours[dayKey{k.Partner, k.Day.UTC()}] = true
		partners[k.Partner] = true
	}
	out := map[markKey]markState{}
	if len(ours) == 0 {
		return out, nil
	}
	for piece := range chstore.Pieces(keys(partners), func(s string) string { return s }) {
		var rows []markState
		p := chstore.Params{"tenant": e.req.Tenant, "partners": piece, "hour": e.hour.Unix()}
		if err := e.deps.Store.Select(ctx, &rows, marksSQL, p); err != nil {
			return nil, fmt.Errorf("reading marks: %w", err)
		}
		for _, r := range rows {
			if ours[dayKey{r.Partner, r.Day.UTC()}] && r.Hour.Unix() == e.hour.Unix() {
				out[markKey{r.Partner, r.Hour.Unix(), r.Day.Unix()}] = r
			}
		}
	}
	return out, nil
}

// worked tells whether the marks as they were counted at first are worked off; what
// others mark meanwhile is not waited for.
func (e *erasure) worked(target map[markKey]markState) bool {
	for _, m := range target {
		if m.Worked < m.Marks {
			return false
		}
	}
	return true
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
