-- The oldest dirty keys of a tenant, with the marks as read now: what is marked
-- later stays dirty.
INSERT INTO agg_keys (batch_id, tenant, partner_id, day, hour, marked)
SELECT {batch:UInt64}, tenant, partner_id, day, hour, max(marked) AS mark
FROM dirty_days
WHERE tenant = {tenant:String}
GROUP BY hour, tenant, partner_id, day
HAVING mark > max(done)
ORDER BY mark, partner_id, day
LIMIT {keys_max:UInt64}
