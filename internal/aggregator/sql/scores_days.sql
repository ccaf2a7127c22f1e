    -- As of several days each. A day of input has an array with what it adds to each
    -- as_of, the last one first: its value times a slice of the weights, which are in
    -- falling order of age for that, behind noughts for ages that nothing is left of.
    assumeNotNull((
        SELECT toUInt32(max(toInt32(through_day) - toInt32(from_day)) + 1)
        FROM agg_partners
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND from_day <= through_day
    )) AS longest,
    (
        SELECT
        (
            arrayConcat(arrayWithConstant(longest, toInt64(0)), groupArray(activity)),
            arrayConcat(arrayWithConstant(longest, toInt64(0)), groupArray(content)),
            arrayConcat(arrayWithConstant(longest, toInt64(0)), groupArray(training)),
            arrayConcat(arrayWithConstant(longest, toInt64(0)), groupArray(pipeline)),
            arrayConcat(arrayWithConstant(longest, toInt64(0)), groupArray(sentiment))
        )
        FROM (SELECT * FROM score_decay FINAL WHERE half_lives = {half_lives:String} AND age <= oldest ORDER BY age DESC)
    ) AS aged,
    added AS
    (
        SELECT
            partner_id, any(from_day) AS first, any(through_day) AS last,
            sumForEach(arrayMap(w -> toInt128(w) * v_activity, arraySlice(aged.1, at, if(v_activity = 0, 0, n)))) AS sum_activity,
            sumForEach(arrayMap(w -> toInt128(w) * v_content, arraySlice(aged.2, at, if(v_content = 0, 0, n)))) AS sum_content,
            sumForEach(arrayMap(w -> toInt128(w) * v_training, arraySlice(aged.3, at, if(v_training = 0, 0, n)))) AS sum_training,
            sumForEach(arrayMap(w -> toInt128(w) * v_pipeline, arraySlice(aged.4, at, if(v_pipeline = 0, 0, n)))) AS sum_pipeline,
            sumForEach(arrayMap(w -> toInt128(w) * responses, arraySlice(aged.5, at, if(responses = 0, 0, n)))) AS sum_responses,
            sumForEach(arrayMap(w -> toInt128(w) * net, arraySlice(aged.5, at, if(net = 0, 0, n)))) AS sum_net,
            maxForEach(arrayConcat(arrayWithConstant(if(completed, gone, 0), 0), arrayWithConstant(if(completed, n - gone, 0), day))) AS completions,
            maxForEach(arrayConcat(arrayWithConstant(if(cadence > 0, gone, 0), (0, toInt64(0))),
                arrayWithConstant(if(cadence > 0, n - gone, 0), (day, cadence)))) AS commitments,
            maxForEach(arrayConcat(arrayWithConstant(if(put_into != '', gone, 0), (0, '')),
                arrayWithConstant(if(put_into != '', n - gone, 0), (day, put_into)))) AS placements
        FROM
        (
            SELECT
                d.partner_id AS partner_id, toInt32(d.day) AS day, toInt32(p.from_day) AS from_day, toInt32(p.through_day) AS through_day,
                d.v_activity AS v_activity, d.v_content AS v_content, d.v_training AS v_training, d.v_pipeline AS v_pipeline,
                toInt64(d.nps_count) AS responses, toInt64(d.nps_promoters) - toInt64(d.nps_detractors) AS net,
                d.training_completed + d.training_passed + d.training_certified > 0 AS completed,
                toInt64(d.cadence_days) AS cadence, toString(d.segment) AS put_into,
                toUInt32(greatest(1, length(aged.1) - (through_day - day))) AS at, -- of its weight on the last as_of; without inputs it may be older than the weights
                toUInt32(through_day - greatest(from_day, day) + 1) AS n, -- as_ofs that it counts for
                toUInt32(greatest(0, through_day - day - ages + 1)) AS gone -- of them, those for which it is too old
            FROM partner_daily AS d FINAL
            INNER JOIN p ON p.partner_id = d.partner_id
            WHERE d.tenant = {tenant:String} AND d.partner_id IN (SELECT partner_id FROM p)
              AND d.day <= p.through_day AND toInt32(d.day) > toInt32(p.from_day) - ages
        )
        GROUP BY partner_id
    ),
    sums AS
    (
        SELECT
            partner_id, last - back AS as_of, first AS from_day,
            toFloat64(activity) / 1073741824000000 AS x_activity,
            toFloat64(content) / 1073741824000000 AS x_content,
            toFloat64(training) / 1073741824000000 AS x_training,
            toFloat64(pipeline) / 1073741824000000 AS x_pipeline,
            responses + {nps_pseudo:Int64} AS n_sentiment,
            net + {nps_prior:Int64} AS net_sentiment,
            completion AS last_completion, commitment.2 AS committed, placement.2 AS segment
        FROM
        (
            SELECT *, toUInt32(last - first + 1) AS days
            FROM added
        )
        ARRAY JOIN
            range(toInt32(days)) AS back,
            arrayResize(sum_activity, days) AS activity, arrayResize(sum_content, days) AS content,
            arrayResize(sum_training, days) AS training, arrayResize(sum_pipeline, days) AS pipeline,
            arrayResize(sum_responses, days) AS responses, arrayResize(sum_net, days) AS net,
            arrayResize(completions, days) AS completion, arrayResize(commitments, days) AS commitment,
            arrayResize(placements, days) AS placement
    ),