-- Pipeline: % accepted vs closed
-- Of the deals accepted in the last 90 days, the shares that are closed and that are won (cohort).
SELECT
    tenant, count() AS accepted, round(100 * countIf(status IN ('won', 'lost')) / accepted, 1) AS closed_pct,
    round(100 * countIf(status = 'won') / accepted, 1) AS won_pct
FROM bi.deals
WHERE toDate(accepted_at) > today() - 90
GROUP BY tenant
ORDER BY tenant
