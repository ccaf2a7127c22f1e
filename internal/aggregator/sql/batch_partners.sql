-- How much there is to score and detect in a batch.
SELECT
    count() AS partners,
    countIf(from_day = {today:Date} AND through_day = {today:Date}) AS single, -- with one row, as of today
    toUInt64(sum(greatest(0, toInt32(through_day) - toInt32(from_day) + 1))) AS score_rows,
    countIf(detect_from <= greatest({complete:Date}, detected_through)) AS detections
FROM agg_partners
WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
