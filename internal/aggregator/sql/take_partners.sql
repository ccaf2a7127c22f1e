-- A partner's history begins with its first event or its entry in the directory, so
-- that one who never came has a score too, and can be told as never activated.
-- How far back each partner of the batch has to be scored and detected again: from
-- the first day whose row is newer than the partner's progress, from the day after
-- the last that was done, or from the day a feed began. 65535 (2149-06-06) is never.
INSERT INTO agg_partners (batch_id, tenant, partner_id, first_day, from_day, through_day, detect_from, detected_through, published)
WITH
    keys AS (SELECT DISTINCT partner_id FROM agg_keys WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}),
    arrayMap(x -> toDate(x), {feeds:Array(String)}) AS tenant_feeds,
    progress AS
    (
        SELECT partner_id, scored_through, detected_through, feeds, published, ver
        FROM partner_progress FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id IN (SELECT partner_id FROM keys)
    ),
    -- A level that somebody accepted, and that detection has not been given yet.
    commanded AS
    (
        SELECT partner_id, min(day) AS day
        FROM alert_commands FINAL
        WHERE tenant = {tenant:String} AND action = 'rebaseline' AND done = 0 AND partner_id IN (SELECT partner_id FROM keys)
        GROUP BY partner_id
    )
SELECT
    {batch:UInt64}, {tenant:String}, partner_id, first,
    greatest(first, least(changed, if(known = 0, first, scored + 1), feed)),
    greatest({today:Date}, scored),
    greatest(first, least(changed, accepted, if(detected = toDate(0), first, detected + 1))),
    detected, published_before
FROM
(
    SELECT
        d.partner_id AS partner_id,
        minIf(d.day, d.events > 0 OR d.upserts > 0) AS first,
        if(countIf(d.ver > p.ver) = 0, toDate(65535), minIf(d.day, d.ver > p.ver)) AS changed,
        any(p.ver) AS known,
        any(p.scored_through) AS scored,
        any(p.detected_through) AS detected,
        any(p.published) AS published_before,
        if(any(c.day) = toDate(0), toDate(65535), any(c.day)) AS accepted,
        if(known = 0, toDate(65535), arrayMin(arrayPushBack(
            arrayMap((was, is) -> if(was = is, toDate(65535), least(was, is)), arrayResize(any(p.feeds), 5, toDate(65535)), tenant_feeds),
            toDate(65535)))) AS feed
    FROM partner_daily AS d FINAL
    LEFT JOIN progress AS p ON p.partner_id = d.partner_id
    LEFT JOIN commanded AS c ON c.partner_id = d.partner_id
    WHERE d.tenant = {tenant:String} AND d.partner_id IN (SELECT partner_id FROM keys)
    GROUP BY d.partner_id
    HAVING countIf(d.events > 0 OR d.upserts > 0) > 0
)
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1
