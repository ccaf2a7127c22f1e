-- How far back each partner of the batch has to be scored and detected again: from
-- the first day whose row is newer than the partner's progress, from the day after
-- the last that was done, or from the day a feed began. 65535 (2149-06-06) is never.
-- A partner's history begins with its first event or its entry in the directory, so
-- that one who never came has a score too, and can be told as never activated. Where it
-- begins is noted; it is looked up only where that may have changed.
INSERT INTO agg_partners (batch_id, tenant, partner_id, first_day, from_day, through_day, detect_from, detected_through, published)
WITH
    arrayMap(x -> toDate(x), {feeds:Array(String)}) AS tenant_feeds,
    keys AS (SELECT DISTINCT partner_id FROM agg_keys WHERE batch_id = {batch:UInt64} AND tenant = {tenant:String}),
    progress AS
    (
        SELECT partner_id, scored_through, detected_through, feeds, published, first_day, ver
        FROM partner_progress FINAL
        WHERE tenant = {tenant:String} AND model_version = {model:String} AND partner_id IN (SELECT partner_id FROM keys)
    ),
    -- An older row of the same day than FINAL gives is no newer than it.
    touched AS
    (
        SELECT d.partner_id AS partner_id, min(d.day) AS day
        FROM partner_daily AS d
        INNER JOIN progress AS p ON p.partner_id = d.partner_id
        WHERE d.tenant = {tenant:String} AND d.partner_id IN (SELECT partner_id FROM keys)
          AND d.ver > (SELECT min(ver) FROM progress) AND d.ver > p.ver
        GROUP BY d.partner_id
    ),
    known AS
    (
        SELECT
            k.partner_id AS partner_id, p.scored_through AS scored, p.detected_through AS detected, p.feeds AS feeds_before,
            p.published AS published_before, p.first_day AS noted, p.ver AS progressed,
            if(t.day = toDate(0), toDate(65535), t.day) AS changed
        FROM keys AS k
        LEFT JOIN progress AS p ON p.partner_id = k.partner_id
        LEFT JOIN touched AS t ON t.partner_id = k.partner_id
    ),
    begun AS
    (
        SELECT partner_id, min(day) AS day
        FROM partner_daily FINAL
        WHERE tenant = {tenant:String} AND (events > 0 OR upserts > 0)
          AND partner_id IN (SELECT partner_id FROM known WHERE noted = toDate(0) OR changed <= noted)
        GROUP BY partner_id
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
    greatest(first, least(changed, if(progressed = 0, first, scored + 1), feed)),
    greatest({today:Date}, scored),
    greatest(first, least(changed, accepted, if(detected = toDate(0), first, detected + 1))),
    detected, published_before
FROM
(
    SELECT
        k.partner_id AS partner_id, k.scored AS scored, k.detected AS detected, k.published_before AS published_before,
        k.progressed AS progressed, k.changed AS changed,
        if(k.noted = toDate(0) OR k.changed <= k.noted, b.day, k.noted) AS first,
        if(c.day = toDate(0), toDate(65535), c.day) AS accepted,
        if(k.progressed = 0, toDate(65535), arrayMin(arrayPushBack(
            arrayMap((was, is) -> if(was = is, toDate(65535), least(was, is)), arrayResize(k.feeds_before, 5, toDate(65535)), tenant_feeds),
            toDate(65535)))) AS feed
    FROM known AS k
    LEFT JOIN begun AS b ON b.partner_id = k.partner_id
    LEFT JOIN commanded AS c ON c.partner_id = k.partner_id
)
WHERE first > toDate(0)
SETTINGS max_partitions_per_insert_block = 0, do_not_merge_across_partitions_select_final = 1, optimize_move_to_prewhere_if_final = 1
