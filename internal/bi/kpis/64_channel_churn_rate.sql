-- Programme: channel churn rate
-- Of the partners that were active 90 days ago, the share that is not any more.
SELECT tenant, countIf(was) AS partners_before, countIf(was AND NOT is) AS churned, round(churned / partners_before, 3) AS churn_rate
FROM
(
    SELECT
        tenant, partner_id, countIf(valid_from <= today() - 90) > 0
            AND argMaxIf(status, valid_from, valid_from <= today() - 90) IN ('', 'active') AS was,
        argMax(status, valid_from) IN ('', 'active') AS is
    FROM bi.partner_history
    WHERE valid_from <= today()
    GROUP BY tenant, partner_id
)
GROUP BY tenant
HAVING partners_before > 0
ORDER BY tenant
