-- Marks all days of a tenant that have events.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT toStartOfHour(now('UTC')), tenant, partner_id, day, 1, 0
FROM events
WHERE tenant = {tenant:String}
GROUP BY tenant, partner_id, day
SETTINGS max_partitions_per_insert_block = 0
