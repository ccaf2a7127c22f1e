SELECT
    partner_id, actor, local AS day,
    max(m_active) AS active,
    sum(m_sessions) AS sessions, sum(m_engaged) AS engaged_sessions, sum(m_bounces) AS ga4_bounces, sum(m_single) AS single_view_bounces,
    sum(m_portal) AS portal_ms, sum(m_ms) AS engaged_ms, sum(m_known) AS engaged_views,
    sum(m_logins) AS logins, sum(m_pages) AS page_views, sum(m_contents) AS content_views, sum(m_downloads) AS downloads,
    sum(m_shares) AS shares, sum(m_pins) AS pins, sum(m_searches) AS searches, sum(m_completions) AS completions,
    sum(m_certifications) AS certifications, sum(m_registered) AS deals_registered, sum(m_events) AS events
FROM
(
    SELECT
        partner_id, actor, local,
        toUInt8(countIf(type IN {interactive:Array(String)}) > 0) AS m_active,
        0 AS m_sessions, 0 AS m_engaged, 0 AS m_bounces, 0 AS m_single, toUInt64(0) AS m_portal, 0 AS m_ms, 0 AS m_known,
        countIf(type = 'portal.login' AND JSONExtractRaw(data, 'success') != 'false') AS m_logins,
        countIf(type = 'page.viewed') AS m_pages,
        countIf(type = 'content.viewed') AS m_contents,
        countIf(type = 'content.downloaded') AS m_downloads,
        countIf(type = 'content.shared') AS m_shares,
        countIf(type = 'playbook.pinned') AS m_pins,
        countIf(type = 'search.performed') AS m_searches,
        countIf(type IN ('training.completed', 'training.passed')) AS m_completions,
        countIf(type = 'training.certified') AS m_certifications,
        countIf(type = 'deal.registered') AS m_registered,
        count() AS m_events
    FROM agg_events
    WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}
      AND type NOT IN {directory:Array(String)}
      AND (partner_id, local) IN ({{days}})
    GROUP BY partner_id, actor, local
    UNION ALL
    SELECT
        partner_id, actor, day, 0,
        count(), countIf(engaged = 1), countIf(engaged = 0), countIf(single_view_bounce = 1),
        -- Sessions of two producers can overlap: each instant counts once.
        toUInt64(arrayFold((done, s) -> (greatest(done.1, s.2), done.2 + greatest(0, s.2 - greatest(s.1, done.1))),
            arraySort(groupArray((toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(ended_at)))),
            (toInt64(0), toInt64(0))).2),
        sum(engaged_ms), sum(engaged_views),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM sessions FINAL
    WHERE tenant = {tenant:String} AND day >= {low:Date} AND day <= {high:Date} AND (partner_id, day) IN ({{days}})
    GROUP BY partner_id, actor, day
)
GROUP BY partner_id, actor, local
