-- Scores of the batch's partners for each day from from_day on, by the formulas of
-- internal/score. Sums are integers: millionths times 2^30ths. One statement is for the
-- partners that have one row, as of one day, another for the rest.
INSERT INTO partner_scores
(
    tenant, model_version, partner_id, as_of, score, tier, coverage,
    s_activity, s_content, s_training, s_pipeline, s_sentiment,
    points_activity, points_content, points_training, points_pipeline, points_sentiment,
    imputed_activity, imputed_content, imputed_training, imputed_pipeline, imputed_sentiment, ver
)
WITH
    -- Inputs older than the table of weights do not count. Of the table, only ages that the
    -- partners' histories have are taken: large constants are dear.
    assumeNotNull((SELECT toInt32(count()) FROM score_decay FINAL WHERE half_lives = {half_lives:String})) AS ages,
    assumeNotNull((
        SELECT max(toInt32(through_day) - toInt32(first_day))
        FROM agg_partners
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
    )) AS oldest,
    arrayMap(x -> toInt32(toDate(x)), {feeds:Array(String)}) AS begins,
    -- A piece is as many partners, in order, as have so many rows.
    p AS
    (
        SELECT partner_id, from_day, through_day
{{- if .Whole}}
        FROM agg_partners
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND from_day <= through_day
          AND (from_day = {as_of:Date} AND through_day = {as_of:Date}) = {{if .Single}}1{{else}}0{{end}}
{{- else}}
        FROM
        (
            SELECT
                partner_id, from_day, through_day,
                sum(toInt32(through_day) - toInt32(from_day) + 1) OVER
                    (ORDER BY partner_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far
            FROM agg_partners
            WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String} AND from_day <= through_day
              AND (from_day = {as_of:Date} AND through_day = {as_of:Date}) = {{if .Single}}1{{else}}0{{end}}
        )
        WHERE intDiv(so_far - 1, {rows_max:UInt64}) = {piece:UInt64}
{{- end}}
    ),
    before AS
    (
        SELECT partner_id, ifNull(toInt64(score * 1000000), -1) AS score, tier
        FROM partner_scores FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String}
{{- if .Single}}
          AND as_of = {as_of:Date} - 1 AND partner_id >= (SELECT min(partner_id) FROM p) AND partner_id <= (SELECT max(partner_id) FROM p)
          AND ({whole:UInt8} OR partner_id IN (SELECT partner_id FROM p))
{{- else}}
          AND (partner_id, as_of) IN (SELECT partner_id, from_day - 1 FROM p)
{{- end}}
    ),
{{.Sums}}
    -- Bars are frozen by segment; the first of the list stands for all others.
    raw AS
    (
        SELECT
            partner_id, as_of, from_day, segment,
            transform(segment, {segments:Array(String)}, {bars_activity:Array(Float64)}, {bars_activity:Array(Float64)}[1]) AS bar_activity,
            transform(segment, {segments:Array(String)}, {bars_content:Array(Float64)}, {bars_content:Array(Float64)}[1]) AS bar_content,
            transform(segment, {segments:Array(String)}, {bars_training:Array(Float64)}, {bars_training:Array(Float64)}[1]) AS bar_training,
            transform(segment, {segments:Array(String)}, {bars_pipeline:Array(Float64)}, {bars_pipeline:Array(Float64)}[1]) AS bar_pipeline,
            toInt64(floor(least(1, greatest(0, log1p(x_activity) / log1p(bar_activity))) * 100000 + 0.5)) AS activity,
            toInt64(floor(least(1, greatest(0, log1p(x_content) / log1p(bar_content))) * 100000 + 0.5)) AS content,
            toInt64(floor(least(1, greatest(0, log1p(x_training) / log1p(bar_training))) * 100000 + 0.5)) AS achieved,
            toInt64(floor(least(1, greatest(0, log1p(x_pipeline) / log1p(bar_pipeline))) * 100000 + 0.5)) AS pipeline,
            if(committed = 0, {cadence:Int64}, committed) AS cadence,
            if(last_completion = 0, 0, least(100000, greatest(0,
                intDiv((3 * cadence - 2 * toInt64(as_of - last_completion)) * 100000, cadence)))) AS compliance,
            intDiv((1000 - {compliance_share:Int64}) * achieved + {compliance_share:Int64} * compliance, 1000) AS training,
            toInt64(intDiv((net_sentiment + n_sentiment) * 50000, n_sentiment)) AS sentiment
        FROM sums
    ),
    subs AS
    (
        SELECT
            partner_id, as_of, from_day,
            arrayMap(x -> toUInt8(x > as_of), begins) AS imputed,
            {weights:Array(Int64)} AS weights,
            [
                transform(segment, {segments:Array(String)}, {imputed_activity:Array(Int64)}, {imputed_activity:Array(Int64)}[1]),
                transform(segment, {segments:Array(String)}, {imputed_content:Array(Int64)}, {imputed_content:Array(Int64)}[1]),
                transform(segment, {segments:Array(String)}, {imputed_training:Array(Int64)}, {imputed_training:Array(Int64)}[1]),
                transform(segment, {segments:Array(String)}, {imputed_pipeline:Array(Int64)}, {imputed_pipeline:Array(Int64)}[1]),
                transform(segment, {segments:Array(String)}, {imputed_sentiment:Array(Int64)}, {imputed_sentiment:Array(Int64)}[1])
            ] AS values_imputed,
            arrayMap((i, value, s) -> if(i = 1, value, s), imputed, values_imputed,
                [activity, content, training, pipeline, sentiment]) AS s,
            arrayMap((w, x) -> w * x, weights, s) AS points,
            arraySum((w, i) -> if(i = 1, 0, w), weights, imputed) AS coverage,
            if(coverage >= {coverage_min:Int64}, toInt64(arraySum(points)), -1) AS score
        FROM raw
    ),
    steps AS
    (
        SELECT
            subs.*, before.tier AS tier_before,
{{- if .Single}}
            if(before.partner_id = '' OR before.tier = '', -1, before.score) AS last_score
{{- else}}
            if(as_of = toInt32(from_day), if(before.partner_id = '' OR before.tier = '', -1, before.score),
                lagInFrame(score) OVER
                    (PARTITION BY partner_id ORDER BY as_of ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS last_score
{{- end}}
        FROM subs
        LEFT JOIN before ON before.partner_id = subs.partner_id
    ),
    -- A tier is two latches, at steady and at strong. A latch moves when this day and
    -- the one before are past the boundary by the margin; the first day with a score
    -- sets it. 1 on, 0 off, -1 as before.
    latches AS
    (
        SELECT *,
            multiIf(score < 0, -1,
                last_score < 0, toInt8(score >= {steady:Int64}),
                least(score, last_score) >= {steady:Int64} + {margin:Int64}, 1,
                greatest(score, last_score) <= {steady:Int64} - {margin:Int64}, 0, -1) AS set_steady,
            multiIf(score < 0, -1,
                last_score < 0, toInt8(score >= {strong:Int64}),
                least(score, last_score) >= {strong:Int64} + {margin:Int64}, 1,
                greatest(score, last_score) <= {strong:Int64} - {margin:Int64}, 0, -1) AS set_strong
        FROM steps
    ),
    tiers AS
    (
        SELECT *,
{{- if .Single}}
            if(set_steady >= 0, set_steady, toInt8(tier_before IN ('steady', 'strong'))) AS is_steady,
            if(set_strong >= 0, set_strong, toInt8(tier_before = 'strong')) AS is_strong
        FROM latches
{{- else}}
            if(countIf(set_steady >= 0) OVER w = 0, toInt8(tier_before IN ('steady', 'strong')),
                argMaxIf(set_steady, as_of, set_steady >= 0) OVER w) AS is_steady,
            if(countIf(set_strong >= 0) OVER w = 0, toInt8(tier_before = 'strong'),
                argMaxIf(set_strong, as_of, set_strong >= 0) OVER w) AS is_strong
        FROM latches
        WINDOW w AS (PARTITION BY partner_id ORDER BY as_of ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
{{- end}}
    )
SELECT
    {tenant:String}, {model:String}, partner_id, toDate(as_of),
    if(score < 0, NULL, toDecimal64(score, 6) / 1000000),
    multiIf(score < 0, '', is_strong = 1, 'strong', is_steady = 1, 'steady', 'at_risk'),
    toDecimal64(coverage, 3) / 1000,
    toDecimal64(s[1], 3) / 1000, toDecimal64(s[2], 3) / 1000, toDecimal64(s[3], 3) / 1000,
    toDecimal64(s[4], 3) / 1000, toDecimal64(s[5], 3) / 1000,
    toDecimal64(points[1], 6) / 1000000, toDecimal64(points[2], 6) / 1000000, toDecimal64(points[3], 6) / 1000000,
    toDecimal64(points[4], 6) / 1000000, toDecimal64(points[5], 6) / 1000000,
    imputed[1], imputed[2], imputed[3], imputed[4], imputed[5], {ver:UInt64}
FROM tiers
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
