-- The visiting days of partners up to given days, pairwise.
SELECT
    n.partner_id AS partner_id, n.up_to AS up_to,
    toUInt32(count() - 1) AS repeat, toInt32(max(d.local) - min(d.local)) AS last_seen, toInt32(n.up_to - min(d.local)) AS watched
FROM
(
    SELECT DISTINCT pair.1 AS partner_id, pair.2 AS up_to
    FROM (SELECT arrayJoin(arrayZip({partners:Array(String)}, {days:Array(Int32)})) AS pair)
) AS n
INNER JOIN
(
    SELECT partner_id, toInt32(day) AS local
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String} AND sessions > 0 AND partner_id IN {partners:Array(String)}
    SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
) AS d ON d.partner_id = n.partner_id
WHERE d.local <= n.up_to
GROUP BY partner_id, up_to
ORDER BY partner_id, up_to
