-- The tenant's sessions by day and group of partners, from a day on, and a hash that
-- changes with any partner's count.
SELECT
    toInt32(day) AS day, toUInt8(cityHash64(partner_id) % 16) AS slot,
    sum(sessions) AS sessions, sum(cityHash64(partner_id, sessions)) AS fingerprint
FROM partner_daily FINAL
WHERE tenant = {tenant:String} AND day >= {from:Date} AND day <= {through:Date} AND sessions > 0
GROUP BY day, slot
ORDER BY day, slot
SETTINGS do_not_merge_across_partitions_select_final = 1
