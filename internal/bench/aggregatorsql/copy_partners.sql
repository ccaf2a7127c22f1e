-- The first partners as a tenant of their own, without scores.
INSERT INTO partner_daily
SELECT * REPLACE ({part:String} AS tenant)
FROM
(
    SELECT *
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String} AND partner_id < concat('p-', leftPad(toString({n:UInt64}), 8, '0'))
)
SETTINGS max_partitions_per_insert_block = 0
