-- Certifications with an end that the batch's partners earned up to the last
-- completed day.
SELECT
    partner_id, course_id,
    groupArray(toInt32(toDate(time, {tz:String}))) AS earned,
    groupArray(toInt32(toDate(assumeNotNull(expires_at), {tz:String}))) AS expires
FROM
(
    SELECT partner_id, entity_id AS course_id, time, expires_at
    FROM entity_events FINAL
    WHERE tenant = {tenant:String}
      AND partner_id IN
      (
          SELECT partner_id FROM agg_partners
          WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
            AND detect_from <= greatest({complete:Date}, detected_through)
      )
      AND kind = 'training' AND entity_id != ''
      AND type = 'training.certified' AND isNotNull(expires_at)
      AND toDate(time, {tz:String}) <= {complete:Date}
    ORDER BY partner_id, course_id, time, id
)
GROUP BY partner_id, course_id
ORDER BY partner_id, course_id
