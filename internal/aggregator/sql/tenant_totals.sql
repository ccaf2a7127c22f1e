-- The tenant's sessions by day and group of partners, from a day on, and a hash that
-- changes with any partner's count.
SELECT
    toInt32(d.day) AS day, toUInt8(cityHash64(d.partner_id) % 16) AS slot,
    sum(d.sessions) AS sessions, sum(cityHash64(d.partner_id, d.sessions)) AS fingerprint
FROM partner_daily AS d FINAL
WHERE d.tenant = {tenant:String} AND d.day >= {from:Date} AND d.day <= {through:Date} AND d.sessions > 0
GROUP BY day, slot
ORDER BY day, slot
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
