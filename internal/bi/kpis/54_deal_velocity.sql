-- Pipeline: deal velocity
-- Deals × win rate × annual contract value ÷ sales cycle: what a day brings. Deals are those registered in the last 90 days, the others are of those closed in them; by currency.
SELECT
    tenant, currency, countIf(toDate(registered_at) > today() - 90) AS deals,
    round(countIf(status = 'won' AND toDate(won_at) > today() - 90) / countIf(status IN ('won', 'lost') AND toDate(closed_at) > today() - 90), 3) AS win_rate,
    round(toFloat64(avgIf(annual_amount, status = 'won' AND toDate(won_at) > today() - 90)), 2) AS acv,
    round(avgIf(cycle_ms, status = 'won' AND toDate(won_at) > today() - 90) / 86400000, 2) AS cycle_days,
    round(deals * countIf(status = 'won' AND toDate(won_at) > today() - 90) / countIf(status IN ('won', 'lost') AND toDate(closed_at) > today() - 90)
        * toFloat64(avgIf(annual_amount, status = 'won' AND toDate(won_at) > today() - 90))
        / (avgIf(cycle_ms, status = 'won' AND toDate(won_at) > today() - 90) / 86400000), 2) AS velocity_per_day
FROM bi.deals
GROUP BY tenant, currency
HAVING countIf(status = 'won' AND toDate(won_at) > today() - 90) > 0
ORDER BY tenant, currency
