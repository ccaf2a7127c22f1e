-- The tenant's sessions by day and group of partners, from a day on, and a hash that
-- changes with any partner's count or segment. Segments from before the tenant's first
-- day count as of that day.
SELECT toInt32(day) AS day, slot, sum(sessions) AS sessions, sum(mark) AS fingerprint
FROM
(
    SELECT d.day AS day, toUInt8(cityHash64(d.partner_id) % 16) AS slot, d.sessions AS sessions, cityHash64(d.partner_id, d.sessions) AS mark
    FROM partner_daily AS d FINAL
    WHERE d.tenant = {tenant:String} AND d.day >= {from:Date} AND d.day <= {through:Date} AND d.sessions > 0
    UNION ALL
    SELECT greatest(h.valid_from, {origin:Date}) AS day, toUInt8(0) AS slot, toUInt64(0) AS sessions, cityHash64(h.partner_id, h.valid_from, h.segment) AS mark
    FROM partner_history AS h FINAL
    WHERE h.tenant = {tenant:String} AND h.segment != '' AND greatest(h.valid_from, {origin:Date}) BETWEEN {from:Date} AND {through:Date}
)
GROUP BY day, slot
ORDER BY day, slot
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
