-- Recomputes the sessions that start on the batch's days by the rule of
-- internal/session, and writes those that are new, changed or gone.
INSERT INTO sessions
(
    tenant, partner_id, day, actor, started_at, session_id,
    ended_at, events, views, content_views, key_events, engaged_ms, engaged_views,
    engaged, single_view_bounce, quality, is_deleted, ver
)
WITH
    days AS
    (
        SELECT partner_id, day
        FROM agg_days
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
    ),
    raw AS
    (
        SELECT
            partner_id, actor, id, time, type, session_id AS producer, view_id, content_id, playbook_id,
            toInt64(engaged_ms) AS ms,
            least(max_scroll_pct, 100) AS scroll,
            toInt64(multiIf(words > 0, greatest(1, intDiv(toInt64(words) * 60000, 238)),
                            duration_s > 0, toInt64(duration_s) * 1000,
                            60000)) AS reference,
            toUnixTimestamp64Milli(time) AS at,
            toInt32(agg_events.local) AS local
        FROM agg_events
        WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
          AND type IN {interactive:Array(String)}
    ),
    paused AS
    (
        SELECT *,
            at - lagInFrame(at) OVER actors > 1800000 AS pause,
            sum(type = 'content.viewed') OVER
                (PARTITION BY partner_id, actor, local ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS nth_view
        FROM raw
        WINDOW actors AS (PARTITION BY partner_id, actor ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    bursts AS
    (
        SELECT *, sum(pause) OVER
            (PARTITION BY partner_id, actor ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS burst
        FROM paused
    ),
    -- A burst through a whole local day is cut at that day's midnight and later ones.
    segments AS
    (
        SELECT *, greatest(0, local - min(local) OVER (PARTITION BY partner_id, actor, burst) - 1) AS segment
        FROM bursts
    ),
    -- The producer's session: of the event, else of the last one before that has
    -- one, else of the first one.
    assigned AS
    (
        SELECT *,
            argMaxIf(producer, (at, id), producer != '') OVER
                (PARTITION BY partner_id, actor, burst, segment ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before,
            argMinIf(producer, (at, id), producer != '') OVER (PARTITION BY partner_id, actor, burst, segment) AS first_one
        FROM segments
    ),
    measured AS
    (
        SELECT
            partner_id, actor, if(before != '', before, first_one) AS sid,
            min(time) AS started, max(time) AS ended, toDate(min(local)) AS start_day, count() AS n,
            uniqExactIf(view_id, type IN ('page.viewed', 'content.viewed')) AS n_views,
            uniqExactIf(view_id, type = 'content.viewed') AS n_content_views,
            countIf(type IN ('content.downloaded', 'content.shared', 'playbook.pinned')) AS n_key,
            countIf(type NOT IN ('page.viewed', 'content.viewed', 'content.engaged')) AS n_other,
            uniqExactIf(view_id, type = 'content.engaged') AS n_engaged_views,
            -- Cumulative per view: the maximum, less the first report when the view
            -- itself began in an earlier session.
            maxMapIf([view_id], [if(type = 'content.engaged', ms, 0)],
                type IN ('page.viewed', 'content.viewed', 'content.engaged')) AS most,
            minMapIf([view_id], [if(type = 'content.engaged', ms, 0)],
                type IN ('page.viewed', 'content.viewed', 'content.engaged')) AS least_,
            maxMapIf([view_id], [scroll], type = 'content.engaged') AS depth,
            arraySum(most.2) - arraySum(least_.2) AS n_engaged_ms,
            n_engaged_ms > 10000 OR n_key > 0 OR n_views >= 2 AS is_engaged,
            -- At most so many content views per actor and local day count.
            arraySort(groupArrayIf((at, id, view_id, content_id, playbook_id, reference),
                type = 'content.viewed' AND nth_view <= {counted_max:UInt64})) AS counted,
            groupUniqArrayIf(view_id, type IN ('content.downloaded', 'content.shared') AND view_id != '') AS act_views,
            groupUniqArrayIf(content_id,
                type IN ('content.downloaded', 'content.shared', 'playbook.pinned') AND content_id != '') AS act_contents,
            groupUniqArrayIf(playbook_id, type = 'playbook.pinned' AND playbook_id != '') AS act_playbooks
        FROM assigned
        GROUP BY partner_id, actor, burst, segment, sid
    ),
    computed AS
    (
        SELECT
            partner_id, start_day, actor, started, sid,
            arrayMap(x -> x.3, counted) AS ids,
            arraySum((x, i) -> if(indexOf(ids, x.3) != i, 0,
                least(
                    intDiv(500000 * least(most.2[indexOf(most.1, x.3)], x.6), x.6)
                    + 3000 * toInt64(depth.2[indexOf(depth.1, x.3)])
                    + if(has(act_views, x.3) OR has(act_contents, x.4) OR has(act_playbooks, x.5), 200000, 0),
                    if(is_engaged, 1000000, 100000))), counted, arrayEnumerate(counted)) AS q,
            (
                ended, toUInt64(n), toUInt64(n_views), toUInt64(n_content_views), toUInt64(n_key),
                toUInt64(n_engaged_ms), toUInt64(n_engaged_views), toUInt8(is_engaged),
                toUInt8(n_views = 1 AND n_other = 0), toInt64(q)
            ) AS measures
        FROM measured
        WHERE (partner_id, start_day) IN (SELECT partner_id, day FROM days)
    ),
    merged AS
    (
        SELECT partner_id, start_day, actor, started, sid, measures, 1 AS fresh FROM computed
        UNION ALL
        SELECT
            partner_id, day, actor, started_at, session_id,
            (
                ended_at, events, views, content_views, key_events,
                engaged_ms, engaged_views, engaged, single_view_bounce, quality
            ), 0
        FROM sessions FINAL
        WHERE tenant = {tenant:String}
          AND day >= {low:Date} AND day <= {high:Date}
          AND (partner_id, day) IN (SELECT partner_id, day FROM days)
    ),
    -- What is only in one of the two: see rollups/replace.sql.
    differing AS
    (
        SELECT partner_id, start_day, actor, started, sid, measures, max(fresh) AS wanted
        FROM merged
        GROUP BY partner_id, start_day, actor, started, sid, measures
        HAVING min(fresh) = max(fresh)
    )
SELECT
    {tenant:String}, partner_id, start_day, actor, started, sid,
    untuple(measures), toUInt8(wanted = 0), {batch:UInt64}
FROM differing
ORDER BY wanted DESC
LIMIT 1 BY partner_id, start_day, actor, started, sid
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
