SELECT
    partner_id, content AS content_id, target AS day,
    countIf(is_view) AS views,
    uniqExactIf(actor, is_view) AS readers,
    arraySort(groupUniqArrayIf(actor, is_view)) AS actors,
    countIf(is_view AND known) AS known_views,
    toUInt64(sumIf(ms, is_view)) AS engaged_ms,
    sumIf(toUInt64(scroll), is_view) AS depth_sum,
    sum(n_downloads) AS downloads, sum(n_shares) AS shares, sum(n_pins) AS pins,
    countIf(is_view AND source = 'search') AS from_search,
    countIf(is_view AND source = 'browse') AS from_browse,
    countIf(is_view AND source = 'email') AS from_email,
    countIf(is_view AND source = 'link') AS from_link,
    countIf(is_view AND source = 'playbook') AS from_playbook,
    countIf(is_view AND source NOT IN ('search', 'browse', 'email', 'link', 'playbook')) AS from_unknown,
    countIf(is_view AND quick) AS quick_backs,
    sumIf(toUInt64(least(
        intDiv(500000 * least(ms, reference), reference) + 3000 * toInt64(scroll) + if(acted, 200000, 0),
        if(bounced, 100000, 1000000))), is_view) AS quality,
    sum(n_impressions) AS impressions, sum(n_clicks) AS search_clicks
FROM
(
    SELECT
        v.*,
        viewed AND NOT before AS is_view,
        first.1 AS source, greatest(first.2, 1) AS reference, first.3 AS quick,
        -- In a session that began on the day and is a GA4 bounce; of several that the
        -- person began at one instant, in none that is not.
        s.day != toDate(0) AND s.engaged = 0 AS bounced
    FROM
    (
        SELECT
            partner_id, actor, content, target, is_view_part, view,
            countIf(role = 'v') > 0 AS viewed, countIf(role = 'b') > 0 AS before, countIf(role = 'r') > 0 AS known,
            maxIf(reported, role = 'r') AS ms, maxIf(depth, role = 'r') AS scroll,
            argMinIf((entry, ref, is_quick, time), (at, id), role = 'v') AS first,
            first.4 AS first_at,
            countIf(role = 'a' AND type = 'content.downloaded') AS n_downloads,
            countIf(role = 'a' AND type = 'content.shared') AS n_shares,
            countIf(role = 'a' AND type = 'playbook.pinned') AS n_pins,
            countIf(role = 'a' AND type = 'search.clicked') AS n_clicks,
            countIf(role = 'i') AS n_impressions,
            max(n_downloads + n_shares + n_pins > 0) OVER (PARTITION BY partner_id, actor, content, target) AS acted
        FROM
        (
            -- What each event says about which content and day: nothing about days that the
            -- person was not there on.
            SELECT
                *, local + part.2 AS target, part.1 AS content, part.3 AS role,
                role IN ('v', 'b', 'r') AS is_view_part, if(is_view_part, view_id, '') AS view
            FROM
            (
                SELECT
                    *, next_step > 0 AND next_step - at <= 10000 AS is_quick,
                    arrayJoin(multiIf(
                        type = 'content.viewed' AND last_day > local, [(content_id, 0, 'v'), (content_id, 1, 'b')],
                        type = 'content.viewed', [(content_id, 0, 'v')],
                        type = 'content.engaged' AND first_day < local, [(content_id, 0, 'r'), (content_id, -1, 'r')],
                        type = 'content.engaged', [(content_id, 0, 'r')],
                        type = 'search.performed', arrayMap(x -> (x, 0, 'i'), arrayDistinct(results)),
                        type = 'page.viewed', [],
                        [(content_id, 0, 'a')])) AS part
                FROM
                (
                    -- When the person's next step began: the next page, content or search
                    -- that is not of the same view as the one before it. And the person's
                    -- last day here.
                    SELECT
                        *,
                        min(if(is_step, at, 9000000000000)) OVER
                            (PARTITION BY partner_id, actor ORDER BY at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next_step,
                        max(local) OVER
                            (PARTITION BY partner_id, actor ORDER BY at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS last_day
                    FROM
                    (
                        SELECT
                            *, type IN ('page.viewed', 'content.viewed', 'search.performed', 'search.clicked') AS is_move,
                            is_move AND (view_id = '' OR view_id != ifNull(anyLast(if(is_move, view_id, NULL)) OVER
                                (PARTITION BY partner_id, actor ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '')) AS is_step,
                            min(local) OVER
                                (PARTITION BY partner_id, actor ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS first_day
                        FROM
                        (
                            SELECT
                                partner_id, local, toString(type) AS type, time, id, actor,
                                toUnixTimestamp64Milli(time) AS at,
                                view_id, content_id, toString(entry_source) AS entry,
                                toInt64(engaged_ms) AS reported, least(max_scroll_pct, 100) AS depth,
                                toInt64(multiIf(words > 0, greatest(1, intDiv(toInt64(words) * 60000, 238)),
                                                duration_s > 0, toInt64(duration_s) * 1000,
                                                60000)) AS ref,
                                if(type = 'search.performed', JSONExtract(data, 'results', 'Array(String)'), []) AS results
                            FROM agg_events
                            WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
                              AND type IN ('page.viewed', 'content.viewed', 'content.engaged', 'content.downloaded', 'content.shared',
                                           'playbook.pinned', 'search.performed', 'search.clicked')
                        )
                    )
                )
            )
            WHERE content != '' AND (partner_id, target) IN ({{days}})
        )
        GROUP BY partner_id, actor, content, target, is_view_part, view
    ) AS v
    LEFT ASOF JOIN
    (
        SELECT partner_id, day, actor, started_at, max(engaged) AS engaged
        FROM sessions FINAL
        WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date} AND (partner_id, day) IN ({{days}})
        GROUP BY partner_id, day, actor, started_at
    ) AS s ON s.partner_id = v.partner_id AND s.actor = v.actor AND s.day = v.target AND v.first_at >= s.started_at
)
GROUP BY partner_id, content, target
HAVING views + downloads + shares + pins + impressions + search_clicks > 0
