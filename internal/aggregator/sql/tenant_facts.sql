-- The first day of each feed of the tenant and its newest day with events, over the
-- days that the batch has computed (all = 0) or all days (all = 1). 65535 (2149-06-06) is never.
SELECT
    toInt32(if(countIf(active_users > 0) = 0, toDate(65535), minIf(day, active_users > 0))) AS activity,
    toInt32(if(countIf(content_views > 0) = 0, toDate(65535), minIf(day, content_views > 0))) AS content,
    toInt32(if(countIf(training > 0) = 0, toDate(65535), minIf(day, training > 0))) AS training_,
    toInt32(if(countIf(pipeline > 0) = 0, toDate(65535), minIf(day, pipeline > 0))) AS pipeline_,
    toInt32(if(countIf(nps_count > 0) = 0, toDate(65535), minIf(day, nps_count > 0))) AS sentiment,
    toInt32(maxIf(day, events > 0)) AS newest
FROM
(
    SELECT
        day, active_users, content_views, nps_count, events,
        training_enrolled + training_started + training_progressed + training_completed
            + training_passed + training_failed + training_certified AS training,
        deals_registered + deals_accepted + deals_rejected + deals_moved + deals_won + deals_lost AS pipeline
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String}
      AND ({all:UInt8} OR day >= {low:Date} AND day <= {high:Date} AND (partner_id, day) IN
          (SELECT partner_id, day FROM agg_days WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}))
)
SETTINGS do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
