-- What is above the pending limit and not told: no alert yet, so without an id.
SELECT
    '' AS alert_id, partner_id, partner_id AS subject, rule, 'pending' AS status, '' AS reason, '' AS severity, '' AS owner,
    toString(newest) AS day_, '' AS starts, '' AS change, '' AS until, '' AS actor, [] AS inhibited_by,
    baseline AS baseline_rate, 0. AS current_rate, 0. AS drop_pct, false AS historical_, toUInt32(0) AS sequence,
    toDateTime64(newest, 3, 'UTC') AS recorded_at
FROM
(
    SELECT
        partner_id, max(day) AS newest, argMax(baseline_rate, day) AS baseline,
        arrayJoin([
            ('sessions_drop', argMax(drop_status, day)),
            ('ghosting', argMax(ghosting_status, day)),
            ('never_activated', argMax(never_status, day))
        ]) AS pair,
        pair.1 AS rule
    FROM detector_state FINAL
    WHERE tenant = {tenant:String} AND ({partner:String} = '' OR partner_id = {partner:String})
      AND day >= (SELECT max(day) FROM detector_state WHERE tenant = {tenant:String}) - 3
    GROUP BY partner_id
    HAVING pair.2 = 'pending'
)
WHERE ({rule:String} = '' OR rule = {rule:String}) AND {status:String} = 'pending' AND {open:UInt8} IN (0, 1)
ORDER BY partner_id, rule
LIMIT {most:UInt64}
