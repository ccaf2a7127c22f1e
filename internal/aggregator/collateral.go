package aggregator

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/alert"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/collateral"
	"partnerpulse/internal/detect"
	"partnerpulse/internal/event"
	"partnerpulse/internal/rules"
)

// Components of the alerts about collateral; the subject is the document or the term.
const (
	componentContent = "content"
	componentTerm    = "term"
)

// collateralRules tells what the newest scores of content and the searches say,
// through the last completed day: each time that the scores have been looked at.
func (a *Aggregator) collateralRules(ctx context.Context, t *tenant, work *Work) error {
	if t.contentSeen.IsZero() || t.labelled.Equal(t.contentSeen) {
		return nil
	}
	h := a.horizon(t)
	if h.complete <= 0 {
		return nil
	}
	p := with(a.params(t, a.nextBatch(), h), chstore.Params{"ccs": collateral.Version, "searches_min": uint64(a.cfg.Collateral.SearchesMin)})
	r := &ruling{tenant: t.id, through: detect.Day(h.complete)}
	if err := a.documents(ctx, p, r); err != nil {
		return err
	}
	if err := a.terms(ctx, p, r); err != nil {
		return err
	}
	var known []knownAlert
	if err := a.deps.Store.Select(ctx, &known, query("known_collateral"), p); err != nil {
		return fmt.Errorf("reading known alerts about collateral: %w", err)
	}
	// What is gone from the tables altogether has a span, too, so that it is retracted.
	for i := range known {
		if k := &known[i]; k.Subject != event.TenantWide {
			r.spans = append(r.spans, alert.Span{Fingerprint: k.Fingerprint, From: 1, Through: r.through})
		}
	}
	book := newBook(known)
	plain := make([]alert.Finding, len(r.findings))
	for i := range r.findings {
		plain[i] = r.findings[i].Finding
	}
	entries := book.Reconcile(plain, r.spans, func(firing detect.Day) bool {
		return h.today-int32(firing) > int32(a.cfg.PublishAgeDaysMax)
	})
	if err := a.tell(ctx, t, p, &telling{known: known, findings: r.findings, entries: entries, book: book}, work); err != nil {
		return err
	}
	t.labelled = t.contentSeen
	return nil
}

// documents gives the findings about content.
func (a *Aggregator) documents(ctx context.Context, p chstore.Params, r *ruling) error {
	var rows []struct {
		Content   string    `ch:"content_id"`
		Neglected []int32   `ch:"neglected"`
		Unread    []int32   `ch:"unread"`
		Days      []int32   `ch:"days"`
		Depth     []float64 `ch:"depth"`
		Reached   []float64 `ch:"reached"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("content_labels"), p); err != nil {
		return fmt.Errorf("reading the labels of content: %w", err)
	}
	for _, row := range rows {
		at := make(map[detect.Day]int, len(row.Days))
		for i, day := range row.Days {
			at[detect.Day(day)] = i
		}
		for rule, days := range map[detect.Rule][]int32{alert.RuleNeglected: row.Neglected, alert.RuleSeenNotRead: row.Unread} {
			fingerprint := r.span(row.Content, rule, componentContent)
			for _, e := range rules.Labelled(toDays(days), a.cfg.Collateral.EndDays, r.through) {
				i := at[e.Firing]
				data := alertData{Component: componentContent, Severity: detect.SeverityInfo, More: map[string]jsontext.Value{
					"content_id": quoted(row.Content), "reach_pct": decimal(row.Reached[i]), "depth": decimal(row.Depth[i]),
				}}
				data.Statistic = row.Reached[i]
				if rule == alert.RuleSeenNotRead {
					data.Statistic = row.Depth[i]
				}
				r.add(event.TenantWide, row.Content, fingerprint, rule, e, data)
			}
		}
	}
	return nil
}

// terms gives the findings about searches.
func (a *Aggregator) terms(ctx context.Context, p chstore.Params, r *ruling) error {
	var rows []struct {
		Term     string   `ch:"term"`
		Days     []int32  `ch:"days"`
		Searches []uint64 `ch:"searches"`
		Failed   []uint64 `ch:"failed"`
	}
	if err := a.deps.Store.Select(ctx, &rows, query("search_terms"), p); err != nil {
		return fmt.Errorf("reading search terms: %w", err)
	}
	for _, row := range rows {
		days := make([]rules.Searched, len(row.Days))
		for i := range row.Days {
			days[i] = rules.Searched{Day: detect.Day(row.Days[i]), Searches: int(row.Searches[i]), Failed: int(row.Failed[i])}
		}
		fingerprint := r.span(row.Term, alert.RuleSearchGap, componentTerm)
		for _, g := range a.cfg.Collateral.Gaps(days, r.through) {
			r.add(event.TenantWide, row.Term, fingerprint, alert.RuleSearchGap, g.Episode, alertData{
				Component: componentTerm, Severity: detect.SeverityInfo,
				Statistic: float64(g.Failed), Threshold: a.cfg.Collateral.SearchFailedMin * float64(g.Searches),
				More: map[string]jsontext.Value{
					"term": quoted(row.Term), "searches": decimal(float64(g.Searches)), "searches_failed": decimal(float64(g.Failed)),
				},
			})
		}
	}
	return nil
}

// decimal writes a number with at most two decimals.
func decimal(f float64) jsontext.Value {
	return jsontext.Value(strconv.FormatFloat(float64(int64(f*100+.5))/100, 'f', -1, 64))
}
