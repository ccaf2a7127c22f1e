SELECT
    partner_id, searched AS day, what AS term,
    count() AS queries,
    uniqExact(actor) AS searchers,
    countIf(results = 0) AS zero_results,
    countIf(n_clicks > 0) AS clicked,
    countIf(results > 0 AND n_clicks = 0) AS unclicked,
    sum(n_clicks) AS clicks,
    countIf(n_clicks = 0 AND next.2 > 0 AND next.2 - at_ <= 300000 AND next.1 != what) AS refined
FROM
(
    -- One row for each query, with the clicks that followed under its search_id.
    SELECT
        partner_id, actor, search_id, run,
        anyIf((text, local, at, results_count, following), performed) AS query_,
        query_.1 AS what, query_.2 AS searched, query_.3 AS at_, query_.4 AS results, query_.5 AS next,
        arrayCount(d -> d <= searched + 1, groupArrayIf(local, NOT performed)) AS n_clicks
    FROM
    (
        SELECT
            *,
            sum(performed) OVER (PARTITION BY partner_id, actor, search_id ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run,
            argMinIf((text, at), (at, id), performed) OVER
                (PARTITION BY partner_id, actor ORDER BY at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS following
        FROM
        (
            SELECT
                partner_id, local, id, toUnixTimestamp64Milli(time) AS at, actor,
                type = 'search.performed' AS performed, search_id, results_count,
                substringUTF8(trimBoth(replaceRegexpAll(lowerUTF8(query), '\\s+', ' ')), 1, 200) AS text
            FROM agg_events
            WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
              AND type IN ('search.performed', 'search.clicked')
        )
    )
    WHERE run > 0
    GROUP BY partner_id, actor, search_id, run
)
WHERE (partner_id, searched) IN ({{days}})
GROUP BY partner_id, searched, what
