package aggregator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
	"partnerpulse/internal/scoring"
)

// rescoreBatch is the first id of work tables of recomputations: a starting aggregator
// leaves those alone.
const rescoreBatch = 1 << 63

// pageTimeMax is longer than any page takes; older ones were left behind.
const pageTimeMax = time.Hour

// RescoreConfig says what to recompute.
type RescoreConfig struct {
	Tenant  string
	Version string // of a stored model
	From    int32  // first as_of, days since 1970-01-01
	To      int32  // last as_of
	RowsMax int    // rows of one statement; bounds the store's memory
}

// RescoreProgress of a recomputation.
type RescoreProgress struct {
	Done, Total int64 // partners
	Rows        int64
	Finished    bool
}

// RescoreReport is what a recomputation did, with what an interrupted one had done.
type RescoreReport struct {
	Tenant   string `json:"tenant"`
	Model    string `json:"model_version"`
	From     string `json:"from"`
	To       string `json:"to"`
	Partners int64  `json:"partners"`
	Rows     int64  `json:"rows"`
	Resumed  bool   `json:"resumed"`
}

// Rescore recomputes past scores from the daily inputs, beside a working aggregator.
//
// Its rows carry the number of the last batch that the aggregator had completed before
// they were computed. So whatever a batch under way or a later one writes replaces
// them, and never the other way round. Detection, publishing and the aggregator's
// progress are not touched.
type Rescore struct {
	cfg      RescoreConfig
	store    Store
	progress func(RescoreProgress)
	now      func() time.Time
}

// NewRescore checks the configuration; progress may be nil.
func NewRescore(cfg RescoreConfig, store Store, progress func(RescoreProgress), now func() time.Time) (*Rescore, error) {
	switch {
	case cfg.Tenant == "" || cfg.Version == "":
		return nil, errors.New("rescoring needs a tenant and a model version")
	case cfg.From > cfg.To || cfg.From < 1:
		return nil, fmt.Errorf("rescoring from %s to %s: the days must be in order", date(cfg.From), date(cfg.To))
	case cfg.RowsMax < 1:
		return nil, fmt.Errorf("rescoring at most %d rows at once: it must be positive", cfg.RowsMax)
	}
	if progress == nil {
		progress = func(RescoreProgress) {}
	}
	return &Rescore{cfg: cfg, store: store, progress: progress, now: now}, nil
}

// rescorePage is where a recomputation stands.
type rescorePage struct {
	After    string `ch:"after_id"`
	Partners uint64 `ch:"done_partners"`
	Rows     uint64 `ch:"done_rows"`
	Finished uint8  `ch:"finished"`
	Page     uint64 `ch:"page"`
}

// Run recomputes page by page. What an interrupted run with the same configuration had
// done is not done again; after a finished one it begins anew.
func (r *Rescore) Run(ctx context.Context) (report RescoreReport, err error) {
	model, err := r.model(ctx)
	if err != nil {
		return report, err
	}
	p := with(scoring.Params(&model), chstore.Params{
		"tenant": r.cfg.Tenant, "model": r.cfg.Version, "from": date(r.cfg.From), "to": date(r.cfg.To), "as_of": date(r.cfg.To), "whole": uint8(1),
		"page": uint64(max(1, r.cfg.RowsMax/int(r.cfg.To-r.cfg.From+1))),
	})
	if p["feeds"], err = r.feeds(ctx); err != nil {
		return report, err
	}
	if err := r.sweep(ctx); err != nil {
		return report, err
	}
	b, err := r.begin(ctx, p)
	if err != nil {
		return report, err
	}
	for {
		at := &b.at
		r.progress(RescoreProgress{int64(at.Partners), int64(max(b.total, at.Partners)), int64(at.Rows), at.Finished == 1})
		if at.Finished == 1 {
			return RescoreReport{
				Tenant: r.cfg.Tenant, Model: r.cfg.Version, From: date(r.cfg.From), To: date(r.cfg.To),
				Partners: int64(at.Partners), Rows: int64(at.Rows), Resumed: b.resumed,
			}, nil
		}
		if err := r.next(ctx, p, &b); err != nil {
			return report, err
		}
	}
}

// model loads the model and checks that the daily inputs were counted for it.
func (r *Rescore) model(ctx context.Context) (score.Model, error) {
	model, err := scoring.LoadModel(ctx, r.store, r.cfg.Tenant, r.cfg.Version)
	if err != nil {
		return model, err
	}
	if err := scoring.SaveModel(ctx, r.store, r.cfg.Tenant, &model, r.now()); err != nil { // its decay weights may be gone
		return model, err
	}
	counted, err := countedMax(ctx, r.store, r.cfg.Tenant)
	if err == nil && int(counted) != model.CountedEventsMax() {
		err = fmt.Errorf("model %s counts at most %d events of a kind, the daily inputs of tenant %s were counted with %d: make it the active model first",
			r.cfg.Version, model.CountedEventsMax(), r.cfg.Tenant, counted)
	}
	return model, err
}

// feeds are those of the aggregator, so that the rows come out as its own; before it has
// scored anything, those that the daily inputs tell.
func (r *Rescore) feeds(ctx context.Context) ([]string, error) {
	var rows []struct {
		Days []int32 `ch:"days"`
	}
	if err := r.store.Select(ctx, &rows, query("rescore_feeds"), chstore.Params{"tenant": r.cfg.Tenant}); err != nil {
		return nil, fmt.Errorf("reading feeds: %w", err)
	}
	var days []int32
	if len(rows) > 0 {
		days = rows[0].Days
	} else {
		feeds, err := scoring.Feeds(ctx, r.store, r.cfg.Tenant)
		if err != nil {
			return nil, err
		}
		days = feeds[:]
	}
	out := make([]string, len(days))
	for i, day := range days {
		out[i] = date(day)
	}
	return out, nil
}

// plan is how a recomputation goes on.
type plan struct {
	at      rescorePage
	resumed bool
	total   uint64   // partners, about
	ends    []string // partners that a page does not go beyond, in order
}

// begin finds out where to go on, and whether the aggregator knows any partners; p gets
// the latter as the parameter anew.
func (r *Rescore) begin(ctx context.Context, p chstore.Params) (b plan, err error) {
	var rows []rescorePage
	if err := r.store.Select(ctx, &rows, query("rescore_progress"), p); err != nil {
		return b, fmt.Errorf("reading progress: %w", err)
	}
	if len(rows) > 0 {
		b.at, b.resumed = rows[0], rows[0].Finished == 0
		if !b.resumed {
			b.at = rescorePage{Page: b.at.Page}
		}
	}
	var totals []struct {
		Partners uint64   `ch:"partners"`
		Ends     []string `ch:"ends"`
	}
	if err := r.store.Select(ctx, &totals, query("rescore_total"), with(p, chstore.Params{"after": b.at.After})); err != nil {
		return b, fmt.Errorf("counting partners: %w", err)
	}
	if len(totals) > 0 {
		b.total, b.ends = totals[0].Partners, totals[0].Ends
	}
	p["anew"] = flag(b.total == 0)
	return b, nil
}

// next recomputes the next partners that there are.
func (r *Rescore) next(ctx context.Context, p chstore.Params, b *plan) error {
	for {
		for len(b.ends) > 0 && b.ends[0] <= b.at.After {
			b.ends = b.ends[1:]
		}
		end := ""
		if len(b.ends) > 0 {
			end = b.ends[0]
		}
		next, err := r.page(ctx, with(p, chstore.Params{"end": end}), b.at, end == "")
		if err != nil {
			return err
		}
		if next != b.at {
			b.at = next
			return nil
		}
		b.at.After = end // nobody up to there
	}
}

// page recomputes the next partners up to the parameter end and records it, or that it
// was the last. Without partners, unless it was the last, it changes nothing.
func (r *Rescore) page(ctx context.Context, p chstore.Params, at rescorePage, last bool) (next rescorePage, err error) {
	ver, err := r.complete(ctx, p)
	if err != nil {
		return at, err
	}
	batch := rescoreBatch | uint64(r.now().UnixNano())
	p = with(p, chstore.Params{"batch": batch, "ver": ver, "after": at.After, "all": flag(last && at.After == "")})
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, r.drop(clean, batch))
	}()
	if err := r.store.Exec(ctx, query("rescore_page"), p); err != nil {
		return at, fmt.Errorf("taking partners: %w", err)
	}
	var sizes []struct {
		Partners uint64 `ch:"partners"`
		Last     string `ch:"last"`
		Single   uint64 `ch:"single"`
		Rows     uint64 `ch:"score_rows"`
	}
	if err := r.store.Select(ctx, &sizes, query("rescore_size"), p); err != nil {
		return at, fmt.Errorf("reading the page: %w", err)
	}
	next = at
	none := len(sizes) == 0 || sizes[0].Partners == 0
	if none && !last {
		return at, nil
	}
	next.Page++
	if none {
		next.Finished = 1
	} else {
		if err := scoreInPieces(ctx, r.store, p, sizes[0].Single, sizes[0].Rows, uint64(r.cfg.RowsMax)); err != nil {
			return at, err
		}
		next.After, next.Partners, next.Rows = sizes[0].Last, at.Partners+sizes[0].Partners, at.Rows+sizes[0].Rows
	}
	err = r.store.InsertColumns(ctx, "rescore_progress", []chstore.Column{
		{Name: "tenant", Values: []string{r.cfg.Tenant}}, {Name: "model_version", Values: []string{r.cfg.Version}},
		{Name: "from_day", Values: []time.Time{midnight(r.cfg.From)}}, {Name: "to_day", Values: []time.Time{midnight(r.cfg.To)}},
		{Name: "after_partner", Values: []string{next.After}}, {Name: "partners", Values: []uint64{next.Partners}},
		{Name: "score_rows", Values: []uint64{next.Rows}}, {Name: "finished", Values: []uint8{next.Finished}},
		{Name: "ver", Values: []uint64{next.Page}},
	})
	if err != nil {
		return at, fmt.Errorf("recording progress: %w", err)
	}
	return next, nil
}

func (r *Rescore) drop(ctx context.Context, batch uint64) error {
	// A partition expression takes no parameters; batch is a number.
	if err := r.store.Exec(ctx, "ALTER TABLE agg_partners DROP PARTITION "+strconv.FormatUint(batch, 10), nil); err != nil {
		return fmt.Errorf("dropping a page's work table: %w", err)
	}
	return nil
}

// sweep drops what pages of killed recomputations left behind.
func (r *Rescore) sweep(ctx context.Context) error {
	var left []struct {
		Batch uint64 `ch:"batch_id"`
	}
	before := rescoreBatch | uint64(r.now().Add(-pageTimeMax).UnixNano())
	if err := r.store.Select(ctx, &left, query("left_pages"), chstore.Params{"before": before}); err != nil {
		return fmt.Errorf("reading pages left behind: %w", err)
	}
	for _, l := range left {
		if err := r.drop(ctx, l.Batch); err != nil {
			return err
		}
	}
	return nil
}

// complete gives the number of the last complete batch of the aggregator, at least 1.
func (r *Rescore) complete(ctx context.Context, p chstore.Params) (uint64, error) {
	var rows []struct {
		Complete uint64 `ch:"complete"`
	}
	if err := r.store.Select(ctx, &rows, query("complete_batch"), p); err != nil {
		return 0, fmt.Errorf("reading the aggregator's progress: %w", err)
	}
	if len(rows) == 0 {
		return 1, nil
	}
	return max(1, rows[0].Complete), nil
}
