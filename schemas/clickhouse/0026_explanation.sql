-- The newest score of every partner and model, taken apart: points by component, and
-- the exact split of their change over seven days. The same as score.Change in Go:
-- from then to now in three steps. Decay: the inputs up to then, seen from now. New
-- activity: the inputs since. Bars: what is measured by today, which is another
-- segment, another training commitment, or a feed that began.
CREATE VIEW IF NOT EXISTS explanation
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    partner_id    String COMMENT 'The partner',
    as_of         Date COMMENT 'Day of the newest score, in the tenant''s time zone',
    component     String COMMENT 'activity, content, training, pipeline or sentiment',
    segment       String COMMENT 'Segment of the partner on the day; empty: none',
    sub_score     Decimal(9, 3) COMMENT 'Sub-score, 0-100',
    points        Decimal(18, 6) COMMENT 'Weight times sub-score; over the components they sum to the score',
    imputed       UInt8 COMMENT '1: the tenant sends no such events, the segment''s median stands in',
    comparable    UInt8 COMMENT '1: there is a score on the day and seven days before, so that the change is one of scores',
    points_before Decimal(18, 6) COMMENT 'Points seven days before; 0 when the partner was not there',
    decay_loss    Decimal(18, 6) COMMENT 'Change of the points because what was done until then is older now',
    new_activity  Decimal(18, 6) COMMENT 'Change of the points by what was done since',
    bar_change    Decimal(18, 6) COMMENT 'Change of the points because of another segment, commitment or feed'
)
AS
WITH
    latest AS
    (
        SELECT tenant, model_version, partner_id, scored_through AS as_of, scored_through - 7 AS then_day, feeds
        FROM partner_progress FINAL
    ),
    m AS
    (
        SELECT *
        FROM score_models FINAL
        ORDER BY created_at, checksum
        LIMIT 1 BY tenant, version
    ),
    inputs AS
    (
        SELECT
            d.tenant AS tenant, l.model_version AS model_version, d.partner_id AS partner_id, l.as_of AS as_of,
            l.then_day AS then_day, l.feeds AS feeds, m.half_lives AS half_lives, d.day AS day, d.day <= l.then_day AS older,
            toUInt32(toInt32(l.as_of) - toInt32(d.day)) AS age,
            if(older, toUInt32(toInt32(l.then_day) - toInt32(d.day)), 4294967295) AS age_then,
            d.v_activity AS v_activity, d.v_content AS v_content, d.v_training AS v_training, d.v_pipeline AS v_pipeline,
            toInt64(d.nps_count) AS answers, toInt64(d.nps_promoters) - toInt64(d.nps_detractors) AS net,
            d.training_completed + d.training_passed + d.training_certified > 0 AS completed,
            toInt64(d.cadence_days) AS committed, toString(d.segment) AS put_into,
            d.events > 0 OR d.upserts > 0 AS seen
        FROM partner_daily AS d FINAL
        INNER JOIN latest AS l ON l.tenant = d.tenant AND l.partner_id = d.partner_id
        INNER JOIN m ON m.tenant = l.tenant AND m.version = l.model_version
        WHERE d.day <= l.as_of
    ),
    sums AS
    (
        SELECT
            i.tenant AS tenant, i.model_version AS model_version, i.partner_id AS partner_id,
            any(i.as_of) AS as_of, any(i.then_day) AS then_day, any(i.feeds) AS feeds, minIf(i.day, i.seen) AS first_day,
            -- By component: activity, content, training, pipeline; then, then seen from now, now.
            [
                [toFloat64(sum(toInt128(i.v_activity) * t.activity)), toFloat64(sum(toInt128(i.v_content) * t.content)),
                 toFloat64(sum(toInt128(i.v_training) * t.training)), toFloat64(sum(toInt128(i.v_pipeline) * t.pipeline))],
                [toFloat64(sumIf(toInt128(i.v_activity) * w.activity, i.older)), toFloat64(sumIf(toInt128(i.v_content) * w.content, i.older)),
                 toFloat64(sumIf(toInt128(i.v_training) * w.training, i.older)), toFloat64(sumIf(toInt128(i.v_pipeline) * w.pipeline, i.older))],
                [toFloat64(sum(toInt128(i.v_activity) * w.activity)), toFloat64(sum(toInt128(i.v_content) * w.content)),
                 toFloat64(sum(toInt128(i.v_training) * w.training)), toFloat64(sum(toInt128(i.v_pipeline) * w.pipeline))]
            ] AS x,
            [sum(toInt128(i.answers) * t.sentiment), sumIf(toInt128(i.answers) * w.sentiment, i.older), sum(toInt128(i.answers) * w.sentiment)] AS answers,
            [sum(toInt128(i.net) * t.sentiment), sumIf(toInt128(i.net) * w.sentiment, i.older), sum(toInt128(i.net) * w.sentiment)] AS net,
            [toInt64(maxIf(toInt32(i.day), i.completed AND i.older)), toInt64(maxIf(toInt32(i.day), i.completed))] AS last_completion,
            [argMaxIf(i.committed, i.day, i.committed > 0 AND i.older), argMaxIf(i.committed, i.day, i.committed > 0)] AS committed,
            [argMaxIf(i.put_into, i.day, i.put_into != '' AND i.older), argMaxIf(i.put_into, i.day, i.put_into != '')] AS segments
        FROM inputs AS i
        INNER JOIN (SELECT * FROM score_decay FINAL) AS w ON w.half_lives = i.half_lives AND w.age = i.age
        LEFT JOIN (SELECT * FROM score_decay FINAL) AS t ON t.half_lives = i.half_lives AND t.age = i.age_then
        GROUP BY i.tenant, i.model_version, i.partner_id
    ),
    -- The four states: then; older events now; with the newer ones; as measured today.
    states AS
    (
        SELECT
            sums.*, m.weights AS weights, m.coverage_min AS coverage_min,
            arrayMap(d -> arrayMap(f -> toUInt8(f > d), feeds), [then_day, as_of]) AS missing,
            arrayMap(s -> if(indexOf(m.segments, s) = 0, 1, indexOf(m.segments, s)), segments) AS place,
            arrayMap(c -> if(c = 0, m.cadence, c), committed) AS cadence,
            arrayMap(
                (which, measure, completion, seen_from) -> arrayMap(
                    j -> toInt64(multiIf(
                        missing[measure][j] = 1,
                            m.imputed[j][place[measure]],
                        j = 5,
                            toInt64(intDiv((net[which] + m.nps_prior + answers[which] + m.nps_pseudo) * 50000, answers[which] + m.nps_pseudo)),
                        j = 3,
                            intDiv((1000 - m.compliance_share) * toInt64(floor(least(1, greatest(0,
                                log1p(x[which][3] / 1073741824000000) / log1p(m.bars[3][place[measure]]))) * 100000 + 0.5))
                                + m.compliance_share * if(last_completion[completion] = 0, 0, least(100000, greatest(0,
                                    intDiv((3 * cadence[measure] - 2 * (seen_from - last_completion[completion])) * 100000, cadence[measure])))), 1000),
                        toInt64(floor(least(1, greatest(0,
                            log1p(x[which][least(j, 4)] / 1073741824000000) / log1p(m.bars[least(j, 4)][place[measure]]))) * 100000 + 0.5)))),
                    [1, 2, 3, 4, 5]),
                [1, 2, 3, 3], [1, 1, 1, 2], [1, 1, 2, 2],
                [toInt64(toInt32(then_day)), toInt64(toInt32(as_of)), toInt64(toInt32(as_of)), toInt64(toInt32(as_of))]) AS s,
            arrayMap(one -> arrayMap((w, v) -> w * v, weights, one), s) AS p,
            arrayMap(one -> arraySum((w, i) -> if(i = 1, 0, w), weights, one), missing) AS coverage
        FROM sums
        INNER JOIN m ON m.tenant = sums.tenant AND m.version = sums.model_version
    )
SELECT
    tenant, model_version, partner_id, as_of,
    ['activity', 'content', 'training', 'pipeline', 'sentiment'][j] AS component,
    segments[2] AS segment,
    toDecimal64(s[4][j], 3) / 1000 AS sub_score,
    toDecimal64(p[4][j], 6) / 1000000 AS points,
    missing[2][j] AS imputed,
    toUInt8(first_day <= then_day AND coverage[1] >= coverage_min AND coverage[2] >= coverage_min) AS comparable,
    if(first_day <= then_day, toDecimal64(p[1][j], 6) / 1000000, 0) AS points_before,
    if(first_day <= then_day, toDecimal64(p[2][j] - p[1][j], 6) / 1000000, 0) AS decay_loss,
    if(first_day <= then_day, toDecimal64(p[3][j] - p[2][j], 6) / 1000000, 0) AS new_activity,
    if(first_day <= then_day, toDecimal64(p[4][j] - p[3][j], 6) / 1000000, 0) AS bar_change
FROM states
ARRAY JOIN [1, 2, 3, 4, 5] AS j;
