-- Pipeline by partner: revenue, ACV, margin, deal velocity
-- Deals won in the last 90 days, by partner and currency. Velocity is deals registered × win rate × ACV ÷ sales cycle: what a day brings.
SELECT
    tenant, partner_id, currency, countIf(registered) AS deals, countIf(won) AS deals_won, sumIf(amount, won) AS revenue,
    round(toFloat64(avgIf(annual_amount, won)), 2) AS acv,
    round(toFloat64(sumIf(amount * margin_pct, won AND margin_pct IS NOT NULL)) / toFloat64(sumIf(amount, won AND margin_pct IS NOT NULL)), 2) AS mean_margin_pct,
    round(deals * deals_won / countIf(closed) * toFloat64(avgIf(annual_amount, won)) / (avgIf(cycle_ms, won) / 86400000), 2) AS velocity_per_day
FROM
(
    SELECT
        *, ifNull(toDate(registered_at) > today() - 90, 0) AS registered,
        ifNull(status = 'won' AND toDate(won_at) > today() - 90, 0) AS won,
        ifNull(status IN ('won', 'lost') AND toDate(closed_at) > today() - 90, 0) AS closed
    FROM bi.deals
)
GROUP BY tenant, partner_id, currency
HAVING deals_won > 0
ORDER BY tenant, partner_id, currency
