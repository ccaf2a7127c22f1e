-- What detection needs of each partner that it has to see again: the state before,
-- or none to begin from the first day, and the sessions since. A day that has come to
-- mean something else to all partners since a partner's progress is seen again too.
WITH
    batch AS
    (
        SELECT partner_id, first_day, detect_from, detected_through
        FROM agg_partners
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
    ),
    progress AS
    (
        SELECT partner_id, ver
        FROM partner_progress FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id IN (SELECT partner_id FROM batch)
    ),
    (
        SELECT groupArray((ver, day))
        FROM tenant_inputs FINAL
        WHERE tenant = {tenant:String} AND ver > (SELECT min(ver) FROM progress)
    ) AS changes,
    seen AS
    (
        SELECT
            a.partner_id AS partner_id, a.first_day AS first_day, a.detected_through AS detected_through,
            greatest(a.first_day, least(a.detect_from,
                arrayMin(arrayPushBack(arrayMap(c -> if(c.1 > r.ver, c.2, toDate(65535)), changes), toDate(65535))))) AS detect_from
        FROM batch AS a LEFT JOIN progress AS r ON r.partner_id = a.partner_id
    ),
    p AS
    (
        SELECT partner_id, first_day, detect_from, detected_through
        FROM seen
        WHERE detect_from <= greatest({complete:Date}, detected_through)
    ),
    s AS
    (
        SELECT partner_id, state
        FROM detector_state FINAL
        WHERE tenant = {tenant:String} AND config = {config:String}
          AND (partner_id, day) IN (SELECT partner_id, detect_from - 1 FROM p)
    ),
    b AS
    (
        SELECT
            p.partner_id AS partner_id, p.first_day AS first_day, s.state AS state, p.detected_through AS detected_through,
            if(s.state = '', p.first_day, p.detect_from) AS start
        FROM p LEFT JOIN s ON s.partner_id = p.partner_id
    )
SELECT
    b.partner_id AS partner_id, toInt32(b.first_day) AS first, b.state AS state, toInt32(b.start) AS start,
    toInt32(greatest({complete:Date}, b.detected_through)) AS through,
    d.days AS days, d.counts AS counts
FROM b
LEFT JOIN
(
    SELECT
        partner_daily.partner_id AS partner_id,
        groupArray(toInt32(partner_daily.day)) AS days,
        groupArray(partner_daily.sessions) AS counts
    FROM partner_daily FINAL
    INNER JOIN b ON b.partner_id = partner_daily.partner_id
    WHERE partner_daily.tenant = {tenant:String}
      AND partner_daily.partner_id IN (SELECT partner_id FROM p)
      AND partner_daily.day >= (SELECT min(start) FROM b) AND partner_daily.day >= b.start AND partner_daily.sessions > 0
    GROUP BY partner_id
) AS d ON d.partner_id = b.partner_id
ORDER BY partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
