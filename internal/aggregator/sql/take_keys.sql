-- The oldest dirty keys of a tenant, with the marks as counted now: what is
-- marked later stays dirty.
INSERT INTO agg_keys (batch_id, tenant, partner_id, day, hour, marked)
SELECT {batch:UInt64}, tenant, partner_id, day, hour, sum(marked) AS marks
FROM dirty_days
WHERE tenant = {tenant:String}
GROUP BY hour, tenant, partner_id, day
HAVING marks > max(done)
ORDER BY hour, day, partner_id
LIMIT {keys_max:UInt64}
