package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"partnerpulse/internal/aggregator"
	"partnerpulse/internal/chstore"
	"partnerpulse/internal/score"
	"partnerpulse/internal/session"
)

// checker compares what is stored with the truth.
type checker struct {
	w      *world
	store  *chstore.Store
	report *report
	now    time.Time
}

// partnersAtOnce are read in one statement.
const partnersAtOnce = 20

func (c *checker) check(ctx context.Context) error {
	cfg := aggregator.DefaultConfig()
	calc, err := score.NewCalculator(cfg.Model)
	if err != nil {
		return err
	}
	known, err := c.measures(ctx)
	if err != nil {
		return err
	}
	for t, tenant := range tenants {
		loc, err := time.LoadLocation(tenant.zone)
		if err != nil {
			return err
		}
		var partners []int
		for p := t; p < c.w.partners; p += len(tenants) {
			partners = append(partners, p)
		}
		truths := make([]truth, len(partners))
		for i, p := range partners {
			truths[i] = c.w.truthOf(p, loc, cfg.DealStages)
		}
		feeds, today := feedsOf(truths), session.LocalDay(c.now, loc)
		for low := 0; low < len(partners); low += partnersAtOnce {
			high := min(low+partnersAtOnce, len(partners))
			some := &portion{checker: c, tenant: tenant.id, partners: partners[low:high], truths: truths[low:high]}
			for _, compare := range []func(context.Context) error{
				some.events, func(ctx context.Context) error { return some.daily(ctx, known) }, some.sessions,
				func(ctx context.Context) error { return some.scores(ctx, calc, feeds, today) },
			} {
				if err := compare(ctx); err != nil {
					return err
				}
			}
		}
	}
	return c.strangers(ctx)
}

// strangers are rows of nobody in the world.
func (c *checker) strangers(ctx context.Context) error {
	for _, table := range []string{"events", "partner_daily", "sessions", "partner_scores"} {
		var rows []struct {
			Tenant  string `ch:"tenant"`
			Partner string `ch:"partner_id"`
		}
		if err := c.store.Select(ctx, &rows, "SELECT DISTINCT tenant, partner_id FROM "+table, nil); err != nil {
			return err
		}
		known := map[string]bool{}
		for p := range c.w.partners {
			known[c.w.tenant(p)+"/"+partnerName(p)] = true
		}
		for _, r := range rows {
			if !known[r.Tenant+"/"+r.Partner] {
				c.report.mismatch("%s has rows of %s/%s, which never sent anything", table, r.Tenant, r.Partner)
			}
		}
	}
	return nil
}

// measures are the columns of partner_daily that the oracle knows; the others are reported.
func (c *checker) measures(ctx context.Context) ([]string, error) {
	var rows []struct {
		Name string `ch:"name"`
	}
	if err := c.store.Select(ctx, &rows, `SELECT name FROM system.columns WHERE database = currentDatabase()
		AND table = 'partner_daily' AND name NOT IN ('tenant', 'partner_id', 'day', 'ver') ORDER BY position`, nil); err != nil {
		return nil, err
	}
	oracle := []string{
		"sessions", "engaged_sessions", "ga4_bounces", "single_view_bounces", "engaged_ms", "engaged_views", "session_views",
		"active_users", "zero_result_searches", "deals_forward", "nps_count", "nps_sum", "nps_promoters", "nps_detractors",
		"cadence_days", "upserts", "events", "v_activity", "v_content", "v_training", "v_pipeline",
	}
	for _, column := range columns {
		oracle = append(oracle, column)
	}
	var out []string
	for _, r := range rows {
		if slices.Contains(oracle, r.Name) {
			out = append(out, r.Name)
		} else {
			c.report.NotCompared = append(c.report.NotCompared, "partner_daily."+r.Name)
		}
	}
	if len(out) != len(oracle) {
		return nil, fmt.Errorf("partner_daily has %d of the oracle's %d columns", len(out), len(oracle))
	}
	return out, nil
}

// portion is some partners of one tenant.
type portion struct {
	*checker
	tenant   string
	partners []int
	truths   []truth
}

func (p *portion) where() (string, chstore.Params) {
	names := make([]string, len(p.partners))
	for i, partner := range p.partners {
		names[i] = partnerName(partner)
	}
	return " WHERE tenant = {tenant:String} AND partner_id IN {partners:Array(String)} ", chstore.Params{"tenant": p.tenant, "partners": names}
}

// events compares ids and what tells a first copy from a later one.
func (p *portion) events(ctx context.Context) error {
	var rows []struct {
		Partner string    `ch:"partner_id"`
		ID      string    `ch:"id"`
		Type    string    `ch:"type"`
		Time    time.Time `ch:"time"`
		Actor   string    `ch:"user_id"`
		Ms      uint32    `ch:"engaged_ms"`
	}
	where, params := p.where()
	if err := p.store.Select(ctx, &rows, "SELECT partner_id, id, type, time, user_id, engaged_ms FROM events FINAL"+where, params); err != nil {
		return err
	}
	p.report.Stored += int64(len(rows))
	missing := map[string]happening{}
	for _, partner := range p.partners {
		for _, h := range p.w.all(partner) {
			missing[partnerName(partner)+"/"+h.ID] = h
		}
	}
	for _, r := range rows {
		h, ok := missing[r.Partner+"/"+r.ID]
		switch {
		case !ok:
			p.report.mismatch("event %s of %s is stored twice or was never sent", r.ID, r.Partner)
		case string(h.Type) != r.Type || !h.Time.Equal(r.Time) || h.Actor != r.Actor || h.EngagedMs != r.Ms:
			p.report.mismatch("event %s of %s is not its first copy: %+v", r.ID, r.Partner, r)
		}
		delete(missing, r.Partner+"/"+r.ID)
	}
	for id := range missing {
		p.report.mismatch("event %s is missing", id)
	}
	return nil
}

func (p *portion) daily(ctx context.Context, names []string) error {
	var rows []struct {
		Partner string  `ch:"partner_id"`
		Day     int32   `ch:"d"`
		Values  []int64 `ch:"vals"`
	}
	where, params := p.where()
	if err := p.store.Select(ctx, &rows, "SELECT partner_id, toInt32(day) AS d, ["+strings.Join(mapped(names, "toInt64(%s)"), ",")+
		"] AS vals FROM partner_daily FINAL"+where, params); err != nil {
		return err
	}
	got := map[string]map[int32]map[string]int64{}
	for _, r := range rows {
		measures := map[string]int64{}
		for i, v := range r.Values {
			if v != 0 {
				measures[names[i]] = v
			}
		}
		if len(measures) == 0 {
			continue
		}
		p.report.DailyRows++
		if got[r.Partner] == nil {
			got[r.Partner] = map[int32]map[string]int64{}
		}
		got[r.Partner][r.Day] = measures
	}
	for i, partner := range p.partners {
		name := partnerName(partner)
		if diff := gocmp.Diff(p.truths[i].daily, orEmpty(got[name])); diff != "" {
			p.report.mismatch("partner_daily of %s (-truth +stored):\n%.2000s", name, diff)
		}
	}
	return nil
}

func (p *portion) sessions(ctx context.Context) error {
	var rows []struct {
		Partner string    `ch:"partner_id"`
		Day     int32     `ch:"d"`
		Actor   string    `ch:"actor"`
		Start   time.Time `ch:"started_at"`
		End     time.Time `ch:"ended_at"`
		ID      string    `ch:"session_id"`
		Events  uint64    `ch:"events"`
		Views   uint64    `ch:"views"`
		Content uint64    `ch:"content_views"`
		Keys    uint64    `ch:"key_events"`
		Ms      uint64    `ch:"engaged_ms"`
		Known   uint64    `ch:"engaged_views"`
		Engaged uint8     `ch:"engaged"`
		Single  uint8     `ch:"single_view_bounce"`
		Quality int64     `ch:"quality"`
	}
	where, params := p.where()
	if err := p.store.Select(ctx, &rows, `SELECT partner_id, toInt32(day) AS d, actor, started_at, ended_at, session_id, events, views,
		content_views, key_events, engaged_ms, engaged_views, engaged, single_view_bounce, quality FROM sessions FINAL`+where+
		"ORDER BY partner_id, actor, started_at, session_id", params); err != nil {
		return err
	}
	p.report.SessionRows += len(rows)
	got := map[string][]session.Session{}
	for _, r := range rows {
		got[r.Partner] = append(got[r.Partner], session.Session{
			Actor: r.Actor, SessionID: r.ID, Start: r.Start.UTC(), End: r.End.UTC(), Day: r.Day,
			Events: int(r.Events), Views: int(r.Views), ContentViews: int(r.Content), KeyEvents: int(r.Keys),
			EngagedMs: int64(r.Ms), EngagedViews: int(r.Known), Engaged: r.Engaged == 1, SingleView: r.Single == 1, Quality: r.Quality,
		})
	}
	for i, partner := range p.partners {
		name := partnerName(partner)
		if diff := gocmp.Diff(p.truths[i].sessions, got[name]); diff != "" {
			p.report.mismatch("sessions of %s (-truth +stored):\n%.2000s", name, diff)
		}
	}
	return nil
}

func (p *portion) scores(ctx context.Context, calc *score.Calculator, feeds score.Feeds, today int32) error {
	var rows []struct {
		Partner  string  `ch:"partner_id"`
		AsOf     int32   `ch:"d"`
		Score    int64   `ch:"sc"`
		Tier     string  `ch:"tier"`
		Coverage int64   `ch:"cov"`
		Sub      []int64 `ch:"sub"`
		Points   []int64 `ch:"pts"`
		Imputed  []uint8 `ch:"imp"`
	}
	parts := []string{"activity", "content", "training", "pipeline", "sentiment"}
	where, params := p.where()
	if err := p.store.Select(ctx, &rows, `SELECT partner_id, toInt32(as_of) AS d, ifNull(toInt64(score * 1000000), -1) AS sc, tier,
		toInt64(coverage * 1000) AS cov, [`+strings.Join(mapped(parts, "toInt64(s_%s * 1000)"), ",")+`] AS sub,
		[`+strings.Join(mapped(parts, "toInt64(points_%s * 1000000)"), ",")+`] AS pts, [`+strings.Join(mapped(parts, "imputed_%s"), ",")+`] AS imp
		FROM partner_scores FINAL`+where+"ORDER BY partner_id, as_of", params); err != nil {
		return err
	}
	p.report.ScoreRows += len(rows)
	got := map[string][]score.Row{}
	for _, r := range rows {
		row := score.Row{AsOf: r.AsOf, Score: r.Score, Tier: score.Tier(r.Tier), Coverage: r.Coverage}
		copy(row.Sub[:], r.Sub)
		copy(row.Points[:], r.Points)
		for j := range row.Imputed {
			row.Imputed[j] = r.Imputed[j] == 1
		}
		got[r.Partner] = append(got[r.Partner], row)
	}
	for i, partner := range p.partners {
		name := partnerName(partner)
		if diff := gocmp.Diff(p.truths[i].scores(calc, feeds, today), got[name]); diff != "" {
			p.report.mismatch("partner_scores of %s (-truth +stored):\n%.2000s", name, diff)
		}
	}
	return nil
}

func mapped(names []string, format string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = fmt.Sprintf(format, name)
	}
	return out
}

func orEmpty(m map[int32]map[string]int64) map[int32]map[string]int64 {
	if m == nil {
		m = map[int32]map[string]int64{}
	}
	return m
}
