// Package forget erases a user or a partner from everywhere, and keeps what is still
// on a topic from coming back. docs/PRIVACY.md says what is erased and how.
package forget

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/forgotten"
)

// Store is ClickHouse; *chstore.Store is one.
type Store interface {
	Exec(ctx context.Context, query string, p chstore.Params) error
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
	InsertColumns(ctx context.Context, table string, cols []chstore.Column) error
}

// Guard holds the list of the forgotten against what arrives. It is safe for
// concurrent use.
type Guard struct {
	store Store
	list  atomic.Pointer[forgotten.List]
	mu    sync.Mutex
	seen  fingerprint
	read  bool
}

// fingerprint tells one state of the table from another.
type fingerprint struct {
	Count uint64 `ch:"n"`
	Sum   uint64 `ch:"s"`
}

// NewGuard makes a guard; its list is empty before Refresh.
func NewGuard(store Store) *Guard { return &Guard{store: store} }

// List is the list as read last, the same pointer as long as nothing changed.
func (g *Guard) List() *forgotten.List { return g.list.Load() }

// Refresh reads the list if it changed.
func (g *Guard) Refresh(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var now []fingerprint
	if err := g.store.Select(ctx, &now, "SELECT count() AS n, sum(cityHash64(tenant, kind, hash, until)) AS s FROM forgotten FINAL", nil); err != nil {
		return fmt.Errorf("looking at the list of the forgotten: %w", err)
	}
	if len(now) == 1 && g.read && now[0] == g.seen {
		return nil
	}
	var rows []struct {
		Tenant string    `ch:"tenant"`
		Kind   string    `ch:"kind"`
		Hash   string    `ch:"hash"`
		Until  time.Time `ch:"until"`
	}
	if err := g.store.Select(ctx, &rows, "SELECT tenant, kind, hash, until FROM forgotten FINAL", nil); err != nil {
		return fmt.Errorf("reading the list of the forgotten: %w", err)
	}
	entries := make([]forgotten.Entry, 0, len(rows))
	for _, r := range rows {
		entries = append(entries, forgotten.Entry{Tenant: r.Tenant, Kind: forgotten.Kind(r.Kind), Hash: r.Hash, Until: r.Until})
	}
	list, err := forgotten.NewList(entries)
	if err != nil {
		return err
	}
	g.list.Store(list)
	// Of the state before the rows were read: a change between is seen next time.
	if len(now) == 1 {
		g.seen, g.read = now[0], true
	}
	return nil
}

// EraseEvents removes those of the rows that are there.
func (g *Guard) EraseEvents(ctx context.Context, keys []forgotten.EventKey) error {
	type owner struct{ tenant, partner string }
	owned := map[owner][]forgotten.EventKey{}
	for _, k := range keys {
		o := owner{k.Tenant, k.PartnerID}
		owned[o] = append(owned[o], k)
	}
	for o, keys := range owned {
		for piece := range chstore.Pieces(keys, func(k forgotten.EventKey) string { return k.ID }) {
			if err := g.eraseEventsOf(ctx, o.tenant, o.partner, piece); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Guard) eraseEventsOf(ctx context.Context, tenant, partner string, keys []forgotten.EventKey) error {
	const where = "tenant = {tenant:String} AND partner_id = {partner:String} AND has(arrayMap(x -> toDate(x), {days:Array(String)}), day) AND has({ids:Array(String)}, id)"
	ids, days := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		ids[i], days[i] = k.ID, k.Day.Format(time.DateOnly)
	}
	slices.Sort(days)
	p := chstore.Params{"tenant": tenant, "partner": partner, "ids": ids, "days": slices.Compact(days)}
	for _, table := range []string{"xapi_statements", "events"} {
		if _, err := erase(ctx, g.store, table, where, p); err != nil {
			return err
		}
	}
	return nil
}

// EraseRejects removes rows of rejects.
func (g *Guard) EraseRejects(ctx context.Context, ids []uint64) error {
	for piece := range chstore.Pieces(ids, func(id uint64) string { return strconv.FormatUint(id, 10) }) {
		if _, err := erase(ctx, g.store, "rejects", "has({ids:Array(UInt64)}, id)", chstore.Params{"ids": piece}); err != nil {
			return err
		}
	}
	return nil
}

// erase deletes the rows for which where is true, waits until they are gone from
// every part on disk, and gives how many versions of rows there were. A mutation is
// not cheap, so none is made without need.
func erase(ctx context.Context, store Store, table, where string, p chstore.Params) (uint64, error) {
	n, err := count(ctx, store, table, where, p)
	if err != nil || n == 0 {
		return 0, err
	}
	if err := store.Exec(ctx, "ALTER TABLE `"+table+"` DELETE WHERE "+where+" SETTINGS mutations_sync = 2", p); err != nil {
		return 0, fmt.Errorf("erasing from %s: %w", table, err)
	}
	return n, nil
}

func count(ctx context.Context, store Store, table, where string, p chstore.Params) (uint64, error) {
	var rows []struct {
		N uint64 `ch:"n"`
	}
	if err := store.Select(ctx, &rows, "SELECT count() AS n FROM `"+table+"` WHERE "+where, p); err != nil {
		return 0, fmt.Errorf("counting in %s: %w", table, err)
	}
	return rows[0].N, nil
}
