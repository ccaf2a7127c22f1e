-- Tenants with keys to recompute, and how many.
SELECT tenant, count() AS keys
FROM
(
    SELECT hour, tenant, partner_id, day
    FROM dirty_days
    GROUP BY hour, tenant, partner_id, day
    HAVING sum(marked) > max(done)
)
GROUP BY tenant
ORDER BY tenant
