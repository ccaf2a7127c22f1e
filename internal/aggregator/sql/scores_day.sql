    -- As of one day. Answers of a survey are few: their sums fit 64 bits below 2^33 of them
    -- for a partner; the others need more. With whole = 1, most partners from the first to the last are in p: then it
    -- costs less to look up their sums than their rows; with all = 1, most of the tenant's.
    (
        SELECT (groupArray(activity), groupArray(content), groupArray(training), groupArray(pipeline), groupArray(sentiment))
        FROM (SELECT * FROM score_decay FINAL WHERE half_lives = {half_lives:String} AND age <= oldest ORDER BY age)
    ) AS decay,
    sums AS
    (
        SELECT
            partner_id, toInt32({as_of:Date}) AS as_of, as_of AS from_day,
            toFloat64(sum(toInt128(v_activity) * decay.1[age + 1])) / 1073741824000000 AS x_activity,
            toFloat64(sum(toInt128(v_content) * decay.2[age + 1])) / 1073741824000000 AS x_content,
            toFloat64(sum(toInt128(v_training) * decay.3[age + 1])) / 1073741824000000 AS x_training,
            toFloat64(sum(toInt128(v_pipeline) * decay.4[age + 1])) / 1073741824000000 AS x_pipeline,
            toInt128(sum(toInt64(nps_count) * decay.5[age + 1])) + {nps_pseudo:Int64} AS n_sentiment,
            toInt128(sum((toInt64(nps_promoters) - toInt64(nps_detractors)) * decay.5[age + 1])) + {nps_prior:Int64} AS net_sentiment,
            maxIf(toInt32(day), training_completed + training_passed + training_certified > 0) AS last_completion,
            argMaxIf(toInt64(cadence_days), day, cadence_days > 0) AS committed,
            argMaxIf(toString(d.segment), day, d.segment != '') AS segment
        FROM
        (
            SELECT
                partner_id, day, toInt32({as_of:Date} - day) AS age, v_activity, v_content, v_training, v_pipeline,
                nps_count, nps_promoters, nps_detractors, training_completed, training_passed, training_certified, cadence_days, segment
            FROM partner_daily FINAL
            WHERE tenant = {tenant:String}
              AND ({all:UInt8} OR partner_id >= (SELECT min(partner_id) FROM p) AND partner_id <= (SELECT max(partner_id) FROM p))
              AND ({whole:UInt8} OR partner_id IN (SELECT partner_id FROM p))
              AND day <= {as_of:Date} AND day >= toDate(greatest(toInt32({as_of:Date}) - ages + 1, 0))
        ) AS d
        GROUP BY partner_id
        HAVING (partner_id, count() > 0) IN (SELECT partner_id, true FROM p) -- of the partner alone it would be asked of every row
    ),