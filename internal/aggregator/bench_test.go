package aggregator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"partnerpulse/internal/chstore"
)

// BenchmarkBackfill loads 90 days of 200 partners, about 400k events, in the order
// of time and 15k events at a time, with a tick after each; then single events of
// today. It reports the mean and the longest tick.
func BenchmarkBackfill(b *testing.B) {
	for range b.N {
		end := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		w := newWorld(b, "Europe/Berlin", end.Add(12*time.Hour))
		const perDay, partners, days = 22, 200, 90
		var longest, sum time.Duration
		ticks := 0
		tick := func() {
			begin := time.Now()
			if _, err := w.agg.Tick(context.Background()); err != nil {
				b.Fatal(err)
			}
			took := time.Since(begin)
			longest, sum, ticks = max(longest, took), sum+took, ticks+1
		}
		for day := 0; day < days; day += 3 {
			generate(b, w, end.AddDate(0, 0, day-days), 3, partners, perDay)
			tick()
		}
		b.ReportMetric(float64(longest.Milliseconds()), "ms/longest_backfill_tick")
		b.ReportMetric(float64(sum.Milliseconds())/float64(ticks), "ms/backfill_tick")
		w.settle()
		longest, sum, ticks = 0, 0, 0
		for i := range 20 {
			w.send(visit("p-0001", fmt.Sprintf("live%d", i), end.Add(time.Duration(i)*time.Minute)))
			tick()
		}
		b.ReportMetric(float64(longest.Milliseconds()), "ms/longest_live_tick")
		b.ReportMetric(float64(sum.Milliseconds())/float64(ticks), "ms/live_tick")
	}
}

// generate makes events inside the store and marks their days.
func generate(b *testing.B, w *world, from time.Time, days, partners, perDay int) {
	b.Helper()
	p := chstore.Params{
		"from": from.Format(time.DateTime), "n": uint64(days * partners * perDay), "partners": uint64(partners),
		"per_day": uint64(perDay),
	}
	const source = `(SELECT number AS n, concat('p-', leftPad(toString(n % {partners:UInt64}), 4, '0')) AS partner,
		toDateTime64({from:String}, 3, 'UTC') + toIntervalDay(intDiv(n, {partners:UInt64} * {per_day:UInt64}))
			+ toIntervalSecond(25200 + (cityHash64(n) % 30000)) AS at FROM numbers({n:UInt64}))`
	for _, q := range []string{
		`INSERT INTO events (tenant, partner_id, day, id, type, time, received_at, user_id, view_id, content_id, words, engaged_ms, max_scroll_pct)
		SELECT 'demo', partner, toDate(at), concat({from:String}, toString(n)),
			['portal.login', 'page.viewed', 'content.viewed', 'content.engaged', 'content.engaged', 'search.performed', 'training.progressed', 'deal.registered'][1 + n % 8],
			at, at, concat('u', toString(cityHash64(n) % 5)), concat('v', toString(intDiv(n, 5))), 'c', 500, 20000, 60
		FROM ` + source,
		`INSERT INTO dirty_days SELECT toStartOfHour(now('UTC')), 'demo', partner, toDate(at), 1, 0
		FROM ` + source + ` GROUP BY partner, toDate(at)`,
	} {
		if err := w.store.Exec(context.Background(), q, p); err != nil {
			b.Fatal(err)
		}
	}
}
