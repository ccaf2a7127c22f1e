-- The first day of each feed among the events that were known at an instant, 65535 for
-- never.
SELECT
    [
        toInt32(minOrDefaultIf(local, type IN {interactive:Array(String)})),
        toInt32(minOrDefaultIf(local, type = 'content.viewed')),
        toInt32(minOrDefaultIf(local, startsWith(type, 'training.') AND type != 'training.commitment_set')),
        toInt32(minOrDefaultIf(local, startsWith(type, 'deal.'))),
        toInt32(minOrDefaultIf(local, type = 'survey.nps_answered' AND isNotNull(nps)))
    ] AS days
FROM
(
    SELECT type, nps, toDate(time, {tz:String}) AS local
    FROM events FINAL
    WHERE tenant = {tenant:String} AND NOT internal AND NOT is_bot
      AND time < toDateTime64({until:String}, 3, 'UTC')
      AND ({trust:UInt8} OR received_at < toDateTime64({until:String}, 3, 'UTC'))
)
