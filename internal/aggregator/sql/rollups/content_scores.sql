-- The formulas of internal/collateral over what was known at the end of the day.
WITH
    described AS
    (
        SELECT partner_id, argMax((toString(tier), toString(segment), toString(region), toString(status)), valid_from) AS attributes
        FROM partner_history FINAL
        WHERE tenant = {tenant:String} AND valid_from <= {as_of:Date}
        GROUP BY partner_id
    ),
    roles AS
    (
        SELECT partner_id, groupUniqArray(JSONExtractString(data, 'role')) AS roles
        FROM entity_events FINAL
        WHERE tenant = {tenant:String} AND kind = 'user' AND toDate(time, {tz:String}) <= {as_of:Date}
        GROUP BY partner_id
    ),
    -- Active partners by what an audience can name; a partner that the directory does
    -- not know counts while it views anything.
    people AS
    (
        SELECT partner_id, arrayConcat([attributes.1, attributes.2, attributes.3], roles) AS labels
        FROM described
        LEFT JOIN roles USING (partner_id)
        WHERE lower(attributes.4) NOT IN {inactive:Array(String)}
        UNION ALL
        SELECT DISTINCT partner_id, CAST([], 'Array(String)')
        FROM agg_consumed
        WHERE batch_id = {batch:UInt64} AND viewed > 0 AND partner_id NOT IN (SELECT partner_id FROM described)
    ),
    items AS
    (
        SELECT
            content_id,
            argMax(audience_, listed) AS audience,
            if(max(published_) != toDate(0), max(published_), minIf(first_, first_ != toDate(0))) AS since,
            sum(uses_) AS uses, sum(shown_) AS shown, sum(clicks_) AS clicks, sum(viewing_) AS viewing,
            sum(quality_) AS quality, sum(weight_) AS weight
        FROM
        (
            SELECT
                entity_id AS content_id, 1 AS listed,
                argMaxIf(JSONExtract(data, 'audience', 'Array(String)'), (time, received_at, id), JSONHas(data, 'audience')) AS audience_,
                toDate(coalesce(
                    parseDateTime64BestEffortOrNull(argMaxIf(JSONExtractString(data, 'published_at'), (time, received_at, id), JSONHas(data, 'published_at')), 3, 'UTC'),
                    minOrNullIf(time, type = 'content.published'), toDateTime64(0, 3, 'UTC')), {tz:String}) AS published_,
                maxIf((time, received_at, id), type = 'content.retired') > maxIf((time, received_at, id), type = 'content.published') AS retired,
                toDate(0) AS first_, 0 AS uses_, 0 AS shown_, 0 AS clicks_, 0 AS viewing_, toInt256(0) AS quality_, toInt256(0) AS weight_
            FROM entity_events FINAL
            WHERE tenant = {tenant:String} AND partner_id = '-' AND kind = 'content' AND toDate(time, {tz:String}) <= {as_of:Date}
            GROUP BY entity_id
            UNION ALL
            SELECT
                content_id, 0, CAST([], 'Array(String)'), toDate(0), 0,
                min(first), sum(uses), sum(shown), sum(clicks), countIf(viewed > 0), sum(quality), sum(weight)
            FROM agg_consumed
            WHERE batch_id = {batch:UInt64}
            GROUP BY content_id
        )
        GROUP BY content_id
        HAVING max(retired) = 0
    ),
    entitlements AS
    (
        SELECT audience, countIf(empty(audience) OR hasAny(audience, labels)) AS entitled
        FROM (SELECT DISTINCT audience FROM items) AS audiences
        CROSS JOIN people
        GROUP BY audience
    ),
    reaches AS
    (
        SELECT c.content_id AS content_id, countIf(empty(i.audience) OR hasAny(i.audience, p.labels)) AS reached
        FROM (SELECT content_id, partner_id FROM agg_consumed WHERE batch_id = {batch:UInt64} AND viewed > 0) AS c
        INNER JOIN items AS i ON i.content_id = c.content_id
        INNER JOIN people AS p ON p.partner_id = c.partner_id
        GROUP BY c.content_id
    ),
    known AS
    (
        SELECT
            i.content_id AS content_id,
            greatest(0, toInt64({as_of:Date} - i.since)) AS age,
            toInt64(e.entitled) AS entitled, toInt64(r.reached) AS reached, toInt64(i.viewing) AS viewing,
            toInt64(i.uses) AS uses, toInt64(i.shown) AS shown, toInt64(i.clicks) AS clicks, i.quality AS quality, i.weight AS weight
        FROM items AS i
        LEFT JOIN entitlements AS e ON e.audience = i.audience
        LEFT JOIN reaches AS r ON r.content_id = i.content_id
    ),
    means AS
    (
        SELECT
            *,
            if(sum(entitled) OVER () = 0, 0, intDiv(1000000 * sum(reached) OVER (), sum(entitled) OVER ())) AS mean_reach,
            if(sum(viewing) OVER () = 0, 0, intDiv(1000000 * sum(uses) OVER (), sum(viewing) OVER ())) AS mean_use,
            if(sum(shown) OVER () = 0, 0, intDiv(1000000 * sum(clicks) OVER (), sum(shown) OVER ())) AS mean_find,
            if(sum(weight) OVER () = 0, 0, intDiv(sum(quality) OVER (), sum(weight) OVER ())) AS mean_depth
        FROM known
    ),
    shrunk AS
    (
        SELECT
            *,
            intDiv(1000000 * reached + 20 * mean_reach, entitled + 20) AS r,
            intDiv(1000000 * uses + 20 * mean_use, viewing + 20) AS u,
            intDiv(1000000 * clicks + 20 * mean_find, shown + 20) AS f,
            toInt64(intDiv(quality + toInt256(21474836480) * mean_depth, weight + 21474836480)) AS d -- 20 · 2^30
        FROM means
    ),
    bars AS
    (
        SELECT
            *,
            arraySort(groupArray(r) OVER ())[intDiv(9 * (count() OVER ()) + 9, 10)] AS bar_r,
            arraySort(groupArray(u) OVER ())[intDiv(9 * (count() OVER ()) + 9, 10)] AS bar_u,
            arraySort(groupArray(f) OVER ())[intDiv(9 * (count() OVER ()) + 9, 10)] AS bar_f,
            sum(shown) OVER () AS all_shown
        FROM shrunk
    ),
    shares AS
    (
        SELECT
            *,
            if(bar_r = 0, 0, least(1000000, intDiv(1000000 * r, greatest(bar_r, 1)))) AS big_r,
            if(bar_u = 0, 0, least(1000000, intDiv(1000000 * u, greatest(bar_u, 1)))) AS big_u,
            multiIf(all_shown = 0, 500000, bar_f = 0, 0, least(1000000, intDiv(1000000 * f, greatest(bar_f, 1)))) AS big_f
        FROM bars
    )
SELECT
    {ccs:String} AS model_version, content_id, {as_of:Date} AS as_of,
    toDecimal64(35 * big_r + 35 * d + 20 * big_u + 10 * big_f, 6) / 1000000 AS score,
    toDecimal64(big_r, 6) / 1000000 AS reach, toDecimal64(d, 6) / 1000000 AS depth,
    toDecimal64(big_u, 6) / 1000000 AS usage, toDecimal64(big_f, 6) / 1000000 AS findability,
    toDecimal64(35 * big_r, 6) / 1000000 AS points_reach, toDecimal64(35 * d, 6) / 1000000 AS points_depth,
    toDecimal64(20 * big_u, 6) / 1000000 AS points_usage, toDecimal64(10 * big_f, 6) / 1000000 AS points_findability,
    toUInt8(shown = 0) AS findability_imputed,
    toUInt64(entitled) AS partners_entitled, toUInt64(reached) AS partners_reached, toUInt64(viewing) AS partners_viewing,
    toUInt64(shares.uses) AS uses, toUInt64(shown) AS impressions, toUInt64(clicks) AS search_clicks, age AS age_days,
    -- Wilson's one-sided 95 % bound, as internal/collateral solves it.
    toUInt8(age >= 30 AND 20 * reached < entitled
        AND 1000 * (entitled - 20 * reached) * (entitled - 20 * reached) > 51415 * entitled) AS neglected,
    toUInt8(big_r >= 700000 AND 2 * d < mean_depth) AS seen_not_read
FROM shares
