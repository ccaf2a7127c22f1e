-- Whether each feed has something on the day that it is remembered to begin on;
-- 65535 (2149-06-06) is never.
WITH arrayMap(x -> toDate(x), {feeds:Array(String)}) AS feeds
SELECT toUInt8(
    (feeds[1] = toDate(65535) OR countIf(day = feeds[1] AND active_users > 0) > 0)
    AND (feeds[2] = toDate(65535) OR countIf(day = feeds[2] AND content_views > 0) > 0)
    AND (feeds[3] = toDate(65535) OR countIf(day = feeds[3] AND training > 0) > 0)
    AND (feeds[4] = toDate(65535) OR countIf(day = feeds[4] AND pipeline > 0) > 0)
    AND (feeds[5] = toDate(65535) OR countIf(day = feeds[5] AND nps_count > 0) > 0)) AS begin
FROM
(
    SELECT
        day, active_users, content_views, nps_count,
        training_enrolled + training_started + training_progressed + training_completed
            + training_passed + training_failed + training_certified AS training,
        deals_registered + deals_accepted + deals_rejected + deals_moved + deals_won + deals_lost AS pipeline
    FROM partner_daily FINAL
    WHERE tenant = {tenant:String} AND day IN (SELECT arrayJoin(arrayMap(x -> toDate(x), {feeds:Array(String)})))
)
SETTINGS do_not_merge_across_partitions_select_final = 1
