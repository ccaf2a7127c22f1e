-- The visiting days of some of the tenant's partners before a day, for the fit of
-- P(alive) (internal/detect, FitBGNBD). Which partners: the first by a hash of their
-- ids, so that the same history gives the same ones. The order makes the sums the same.
SELECT
    toUInt32(count() - 1) AS repeat, toInt32(max(day) - min(day)) AS last_seen, toInt32({to:Date} - 1 - min(day)) AS watched
FROM partner_daily FINAL
WHERE tenant = {tenant:String} AND sessions > 0 AND day < {to:Date}
  AND partner_id IN
  (
      SELECT partner_id
      FROM partner_daily FINAL
      WHERE tenant = {tenant:String} AND sessions > 0 AND day < {to:Date}
      GROUP BY partner_id
      ORDER BY cityHash64(partner_id), partner_id
      LIMIT {partners_max:UInt64}
      SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
  )
GROUP BY partner_id
ORDER BY repeat, last_seen, watched
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
