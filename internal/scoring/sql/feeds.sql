-- The first day of each feed of a tenant, 65535 for never, and the NPS of all answers
-- up to a day.
SELECT
    toInt32(if(countIf(active_users > 0) = 0, toDate(65535), minIf(day, active_users > 0))) AS f_activity,
    toInt32(if(countIf(content_views > 0) = 0, toDate(65535), minIf(day, content_views > 0))) AS f_content,
    toInt32(if(countIf(training > 0) = 0, toDate(65535), minIf(day, training > 0))) AS f_training,
    toInt32(if(countIf(pipeline > 0) = 0, toDate(65535), minIf(day, pipeline > 0))) AS f_pipeline,
    toInt32(if(countIf(nps_count > 0) = 0, toDate(65535), minIf(day, nps_count > 0))) AS f_sentiment,
    toInt64(sumIf(toInt64(nps_promoters) - toInt64(nps_detractors), day <= {as_of:Date})) AS net,
    toInt64(sumIf(nps_count, day <= {as_of:Date})) AS responses
FROM
(
    SELECT
        day, active_users, content_views, nps_count, nps_promoters, nps_detractors,
        training_enrolled + training_started + training_progressed + training_completed
            + training_passed + training_failed + training_certified AS training,
        deals_registered + deals_accepted + deals_rejected + deals_moved + deals_won + deals_lost AS pipeline
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String}
)
