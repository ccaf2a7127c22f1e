-- The days over which the detector has just stepped the batch's partners: from
-- detect_from, since a state of the day before exists, or from the first day, or from
-- the first day that means something else since the tenant's totals changed.
SELECT
    partner_id,
    toInt32(if(earliest = toDate(0) OR earliest > detect_from, detect_from, earliest)) AS from,
    toInt32(greatest({complete:Date}, detected_through)) AS through
FROM
(
    SELECT p.partner_id AS partner_id, p.detect_from AS detect_from, p.detected_through AS detected_through, s.earliest AS earliest
    FROM agg_partners AS p
    LEFT JOIN
    (
        SELECT partner_id, min(day) AS earliest
        FROM detector_state
        WHERE tenant = {tenant:String} AND ver = {batch:UInt64}
          AND partner_id IN (SELECT partner_id FROM agg_partners WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String})
        GROUP BY partner_id
    ) AS s ON s.partner_id = p.partner_id
    WHERE p.batch_id = {batch:UInt64} AND p.tenant = {tenant:String}
      AND (p.detect_from <= greatest({complete:Date}, p.detected_through) OR s.earliest != toDate(0))
)
ORDER BY partner_id
