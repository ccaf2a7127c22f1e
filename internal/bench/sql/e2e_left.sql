-- Keys that are marked and not worked off yet.
SELECT count() AS n
FROM
(
    SELECT hour, tenant, partner_id, day
    FROM dirty_days
    GROUP BY hour, tenant, partner_id, day
    HAVING sum(marked) > max(done)
)
