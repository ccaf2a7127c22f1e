-- How far partners of the batch were seen under another configuration.
SELECT partner_id, toInt32(max(day)) AS seen
FROM detector_state FINAL
WHERE tenant = {tenant:String} AND config != {config:String}
  AND partner_id IN (SELECT partner_id FROM agg_partners WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String})
GROUP BY partner_id
ORDER BY partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
