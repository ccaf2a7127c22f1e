-- What the inputs of each partner of a tenant come to at the end of a day, by the sums
-- of scores.sql of the aggregator.
SELECT
    d.partner_id AS partner_id,
    argMaxIf(toString(d.segment), d.day, d.segment != '') AS in_segment,
    toFloat64(sum(toInt128(d.v_activity) * w.activity)) / 1073741824000000 AS x_activity,
    toFloat64(sum(toInt128(d.v_content) * w.content)) / 1073741824000000 AS x_content,
    toFloat64(sum(toInt128(d.v_training) * w.training)) / 1073741824000000 AS x_training,
    toFloat64(sum(toInt128(d.v_pipeline) * w.pipeline)) / 1073741824000000 AS x_pipeline,
    toInt64(sum((toInt64(d.nps_promoters) - toInt64(d.nps_detractors)) * w.sentiment)) AS net,
    toInt64(sum(toInt64(d.nps_count) * w.sentiment)) AS responses,
    toInt32(maxIf(d.day, d.training_completed + d.training_passed + d.training_certified > 0)) AS last_completion,
    toInt64(argMaxIf(d.cadence_days, d.day, d.cadence_days > 0)) AS committed
FROM partner_daily AS d FINAL
INNER JOIN (SELECT * FROM score_decay FINAL WHERE half_lives = {half_lives:String}) AS w
    ON w.age = toUInt32(toInt32({as_of:Date}) - toInt32(d.day))
WHERE d.tenant = {tenant:String} AND d.day <= {as_of:Date}
GROUP BY d.partner_id
HAVING countIf(d.events > 0 OR d.upserts > 0) > 0
ORDER BY partner_id
SETTINGS do_not_merge_across_partitions_select_final = 1
