-- What the rules about training need of the batch's partners: days with a completed
-- or certified training, and days on which a cadence was committed to, up to the last
-- completed day.
SELECT
    partner_id,
    groupArrayIf(toInt32(day), training_completed + training_certified > 0) AS completed,
    groupArrayIf(toInt32(day), cadence_days > 0) AS committed,
    groupArrayIf(toUInt32(cadence_days), cadence_days > 0) AS cadences
FROM
(
    SELECT partner_id, day, training_completed, training_certified, cadence_days
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String}
      AND partner_id IN
      (
          SELECT partner_id FROM agg_partners
          WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
            AND detect_from <= greatest({complete:Date}, detected_through)
      )
      AND day <= {complete:Date}
      AND training_completed + training_certified + cadence_days > 0
    ORDER BY partner_id, day
)
GROUP BY partner_id
ORDER BY partner_id
