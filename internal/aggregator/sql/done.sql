-- The batch's keys are worked off up to the marks that it had read.
INSERT INTO dirty_days (hour, tenant, partner_id, day, marked, done)
SELECT hour, tenant, partner_id, day, 0, marked
FROM agg_keys
WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND marked > 0
SETTINGS max_partitions_per_insert_block = 0
