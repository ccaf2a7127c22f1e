-- The days on which each content was neglected, or seen and not read, with its depth
-- and the share of entitled partners that it reached on them, per cent.
SELECT
    content_id,
    groupArrayIf(toInt32(as_of), neglected = 1) AS neglected,
    groupArrayIf(toInt32(as_of), seen_not_read = 1) AS unread,
    groupArray(toInt32(as_of)) AS days,
    groupArray(100 * toFloat64(depth)) AS depth,
    groupArray(if(partners_entitled = 0, 0., 100. * least(1., partners_reached / partners_entitled))) AS reached
FROM
(
    SELECT content_id, as_of, neglected, seen_not_read, depth, partners_reached, partners_entitled
    FROM content_scores FINAL
    WHERE tenant = {tenant:String} AND model_version = {ccs:String} AND as_of <= {complete:Date}
      AND (neglected = 1 OR seen_not_read = 1)
    ORDER BY content_id, as_of
)
GROUP BY content_id
ORDER BY content_id
