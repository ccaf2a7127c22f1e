-- Marks the days of a tenant that have events or rollups.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT toStartOfHour(now('UTC')), tenant, partner_id, day, 1, 0
FROM
(
    SELECT tenant, partner_id, day FROM events
    WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date}
    UNION DISTINCT
    SELECT tenant, partner_id, day FROM partner_daily
    WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date}
)
SETTINGS max_partitions_per_insert_block = 0
