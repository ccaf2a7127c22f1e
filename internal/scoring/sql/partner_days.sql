-- The inputs of one partner's scores by day, up to and including a day.
SELECT
    toInt32(day) AS local, v_activity, v_content, v_training, v_pipeline,
    toInt64(nps_count) AS responses, toInt64(nps_promoters) AS promoters, toInt64(nps_detractors) AS detractors,
    toInt64(training_completed + training_passed + training_certified) AS completions,
    toInt64(cadence_days) AS cadence, toString(segment) AS put_into, events > 0 OR upserts > 0 AS seen
FROM partner_daily FINAL
WHERE tenant = {tenant:String} AND partner_id = {partner:String} AND day <= {as_of:Date}
ORDER BY day
