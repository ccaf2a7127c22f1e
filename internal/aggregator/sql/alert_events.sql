-- The newest counted events of partners up to given days, from a week before the
-- change on.
SELECT n.partner_id AS partner_id, n.change AS change, n.up_to AS up_to, e.id AS event_id
FROM
(
    SELECT DISTINCT triple.1 AS partner_id, triple.2 AS change, triple.3 AS up_to
    FROM (SELECT arrayJoin(arrayZip({partners:Array(String)}, {changes:Array(Int32)}, {days:Array(Int32)})) AS triple)
) AS n
INNER JOIN
(
    SELECT partner_id, id, time, toInt32(toDate(time, {tz:String})) AS local
    FROM events FINAL
    WHERE tenant = {tenant:String} AND partner_id IN {partners:Array(String)}
      AND day >= toDate(arrayMin({changes:Array(Int32)}) - 8) AND day <= toDate(arrayMax({days:Array(Int32)}) + 1)
      AND NOT internal AND NOT is_bot AND NOT endsWith(type, '.upserted')
) AS e ON e.partner_id = n.partner_id
WHERE e.local >= n.change - 7 AND e.local <= n.up_to
ORDER BY partner_id, change, up_to, e.time DESC, e.id
LIMIT {events_max:UInt64} BY partner_id, change, up_to
