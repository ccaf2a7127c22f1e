-- Pipeline: sales cycle length
-- Mean and median days from registration to the close of deals won in the last 90 days.
SELECT tenant, count() AS won, round(avg(cycle_ms) / 86400000, 2) AS mean_days, round(quantileExactInclusive(0.5)(cycle_ms) / 86400000, 2) AS median_days
FROM bi.deals
WHERE status = 'won' AND toDate(won_at) > today() - 90
GROUP BY tenant
ORDER BY tenant
