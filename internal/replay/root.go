// Package replay sends refused events to a collector again, after what they were
// refused for has been mended: a mapping, a tenant's permission, the directory.
//
// An event that is sent again is the event that it was at first: its id and its time
// are those of its first arrival, so that it counts once, however often it is
// replayed. What a collector accepts is durable as always; what it refuses again is
// kept as a new reject.
package replay

import (
	"context"
	_ "embed" // the SQL
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/event"
)

//go:embed queries/counts.sql
var countsSQL string

//go:embed queries/page.sql
var pageSQL string

// Store reads the table rejects; *chstore.Store is one.
type Store interface {
	Select(ctx context.Context, dest any, query string, p chstore.Params) error
}

// Deps is what a replay works with.
type Deps struct {
	Store     Store
	Transport http.RoundTripper // nil: the usual one
	Progress  func(Progress)    // nil: nobody looks
	// Forgotten gives what tells whether a refused event names somebody who was erased
	// since; nil: nobody was.
	Forgotten func(ctx context.Context) (func(tenant, text string, rejectedAt time.Time) bool, error)
}

// Replay sends rejects again.
type Replay struct {
	cfg    Config
	deps   Deps
	log    *zap.Logger
	client *http.Client
}

// New makes a replay; it starts nothing.
func New(cfg Config, deps Deps, log *zap.Logger) (*Replay, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Filter.validate(); err != nil {
		return nil, fmt.Errorf("configuring the replay: %w", err)
	}
	return &Replay{cfg: cfg, deps: deps, log: log, client: &http.Client{Transport: deps.Transport, Timeout: cfg.RequestTimeout}}, nil
}

// Count is how many rejects of one kind a replay would send, with the latest of
// them as an example.
type Count struct {
	Tenant    string    `ch:"tenant" json:"tenant"`
	Stage     string    `ch:"stage" json:"stage"`
	Source    string    `ch:"source" json:"source"`
	Code      string    `ch:"code" json:"code"`
	Rejects   uint64    `ch:"rejects" json:"rejects"`
	Truncated uint64    `ch:"truncated_rejects" json:"truncated"` // too long, not kept whole: not sent
	First     time.Time `ch:"first" json:"first"`
	Last      time.Time `ch:"last" json:"last"`
	EventID   string    `ch:"event_id" json:"event_id"`
	EventType string    `ch:"event_type" json:"event_type"`
	Message   string    `ch:"message" json:"message"`
	Original  string    `ch:"original" json:"-"`
}

// Counts tells what Run would send, and sends nothing.
func (r *Replay) Counts(ctx context.Context) ([]Count, error) {
	var out []Count
	p := r.cfg.Filter.params()
	p["count"] = r.cfg.Filter.limit()
	if err := r.deps.Store.Select(ctx, &out, countsSQL, p); err != nil {
		return nil, fmt.Errorf("counting rejects: %w", err)
	}
	return out, nil
}

// ErrBackfill says that a replay needs another key.
var ErrBackfill = errors.New(`some events are older than the tenant's late limit: replay them with a server key that has the scope "backfill"`)

// Run sends everything that the filter selects, oldest first, and gives what became
// of it, also after an error. A replay that was broken off can be repeated whole.
func (r *Replay) Run(ctx context.Context) (*Report, error) {
	report := newReport()
	if err := r.cfg.target(); err != nil {
		return report, err
	}
	counts, err := r.Counts(ctx)
	if err != nil {
		return report, err
	}
	total := uint64(0)
	for i := range counts {
		total += counts[i].Rejects
	}
	s := &sending{Replay: r, report: report, seen: map[[16]byte]struct{}{}, total: total}
	if r.deps.Forgotten != nil {
		if s.forgotten, err = r.deps.Forgotten(ctx); err != nil {
			return report, fmt.Errorf("reading who was erased: %w", err)
		}
	}
	err = s.pages(ctx)
	s.tell(true)
	if err == nil && report.Refused[string(event.CodeTooOld)] > 0 {
		err = ErrBackfill
	}
	return report, err
}

// pages reads page after page; what is refused again meanwhile lies behind the
// filter's end and is not read.
func (s *sending) pages(ctx context.Context) error {
	after, afterID := int64(0), uint64(0)
	for left := s.cfg.Filter.limit(); left > 0; {
		p := s.cfg.Filter.params()
		p["after"], p["after_id"], p["count"] = after, afterID, uint32(min(left, uint64(s.cfg.PageMax)))
		var rows []row
		if err := s.deps.Store.Select(ctx, &rows, pageSQL, p); err != nil {
			return fmt.Errorf("reading rejects: %w", err)
		}
		if err := s.page(ctx, rows); err != nil {
			return err
		}
		if len(rows) < s.cfg.PageMax {
			return nil
		}
		last := &rows[len(rows)-1]
		after, afterID = last.RejectedAt.UnixMilli(), last.ID
		left -= uint64(len(rows))
	}
	return nil
}
